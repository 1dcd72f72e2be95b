import { configHash } from "../../components/config-hash";
import catalogue from "../../components/images.json";
import { componentArgs, referredType, type PropertySpec } from "../component-schema";
import { SECRET_TYPE } from "../schema";
import { leavesOf } from "./leaves";
import { formatPath, isMap, type YamlMap } from "./merge";

/** What a promotion carries from one environment to the next: images, config, agents' content, references to secrets. */
export const PROMOTED = ["images", "config", "content", "refs"] as const;
export type Promoted = (typeof PROMOTED)[number];

/*
 * Paths, with `*` for any key; a path stands for what is beneath it, too. What is in none of them (sizes, replicas, hosts,
 * who gets in, which parts there are) is each environment's own.
 */

const AGENT = "gateway.openclaw.agents.entries.*";

const CONTENT = patterns(`${AGENT}.files`, `${AGENT}.skills`, `${AGENT}.heartbeat.prompt`);

const CONFIG = patterns(
  "gateway.openclaw",
  "gateway.bundledPlugins",
  "modelProxy.models",
  "modelProxy.fallbacks",
  "modelProxy.timeoutSeconds",
  "modelProxy.retries",
  "search.embeddingModel",
  "search.dimensions",
  "search.rerankModel",
  "search.chunkChars",
  "messaging.relay.agent",
);

/** Within the config: who gets in and who is asked, how much there may be, and how much is logged. */
const NOT_CONFIG = patterns(
  "gateway.openclaw.controlUi",
  "gateway.openclaw.authRateLimit",
  "gateway.openclaw.http",
  "gateway.openclaw.approvals",
  "gateway.openclaw.logLevel",
  "gateway.openclaw.agents.maxConcurrent",
  "gateway.openclaw.sessions.maxEntries",
  "gateway.openclaw.sessions.maxDisk",
  `${AGENT}.channels`,
  `${AGENT}.heartbeat.target`,
  `${AGENT}.heartbeat.to`,
);

/** Hosts and limits of what has a name: an environment that has one of that name keeps its own, any other gets them with the rest. */
const OF_A_NEW_ONE = patterns(
  "gateway.openclaw.models.providers.*.baseUrl",
  "modelProxy.models.*.apiBase",
  "modelProxy.models.*.rpm",
  "modelProxy.models.*.tpm",
);

/** What there is once it is named, below the parts of a cell. */
const NAMED_PARTS = patterns(
  "gateway.channels.*",
  "vault.gitSync",
  "modelProxy.cache",
  "modelProxy.agents.*",
  "modelProxy.database.external",
  "messaging.broker.publishers.*",
  "messaging.broker.subscribers.*",
  "telemetry.external",
);

/** The parts that every cell has, named or not. */
const ALWAYS_THERE = ["gateway", "vault", "tenancy"];

type Pattern = readonly string[];

function patterns(...paths: string[]): Pattern[] {
  return paths.map((path) => path.split("."));
}

function beneath(keys: readonly string[], pattern: Pattern): boolean {
  return pattern.length <= keys.length && pattern.every((part, index) => part === "*" || part === keys[index]);
}

/** What a setting is to a promotion; undefined for what is each environment's own. */
export function promotedAs(keys: readonly string[]): Promoted | undefined {
  const { secret, image } = declared(keys);
  // Raising a version rotates a secret, which each environment does for itself.
  if (secret !== undefined) return keys.at(-1) === "version" ? undefined : "refs";
  if (image) return "images";
  if (CONTENT.some((pattern) => beneath(keys, pattern))) return "content";
  if (NOT_CONFIG.some((pattern) => beneath(keys, pattern))) return undefined;
  return CONFIG.some((pattern) => beneath(keys, pattern)) ? "config" : undefined;
}

/** The path of the named thing that a host or a limit belongs to; undefined for every other setting. */
export function ownerOf(keys: readonly string[]): string[] | undefined {
  const pattern = OF_A_NEW_ONE.find((one) => beneath(keys, one));
  return pattern && keys.slice(0, pattern.length - 1);
}

/** The paths of the parts above a setting: to name one is to switch it on, which is each environment's own decision. */
export function partsAbove(keys: readonly string[]): string[][] {
  const [part = ""] = keys;
  const named = NAMED_PARTS.filter((pattern) => pattern.length < keys.length && beneath(keys, pattern));
  return [...(ALWAYS_THERE.includes(part) ? [] : [[part]]), ...named.map(({ length }) => keys.slice(0, length))];
}

/** The path of the agent that a text belongs to; undefined for what is no text of an agent's. */
export function agentOf(keys: readonly string[]): string[] | undefined {
  const entry = AGENT.split(".");
  return beneath(keys, entry) ? keys.slice(0, entry.length) : undefined;
}

/** The path of the secret that a setting is an option of; undefined for every other setting. */
export function secretOf(keys: readonly string[]): string[] | undefined {
  return declared(keys).secret;
}

/** What the components' args say of a path: the secret that it is an option of, and whether it is an image. */
function declared(keys: readonly string[]): { secret?: string[]; image: boolean } {
  let options: Record<string, PropertySpec> | undefined = componentArgs("AgentStack");
  let values: PropertySpec | undefined;
  let image = false;
  for (const [index, key] of keys.entries()) {
    const property: PropertySpec | undefined = options === undefined ? values : options[key];
    if (property === undefined) return { image: false };
    const referred = referredType(property);
    if (referred?.name === SECRET_TYPE) return { secret: keys.slice(0, index + 1), image: false };
    image = options !== undefined && /^image$|Image$/.test(key) && property.type === "string";
    options = referred?.spec.properties;
    values = property.additionalProperties;
  }
  return { image };
}

/**
 * Hashes of what a promotion would take from a cell: of its images, those of this version's catalogue among them, and of
 * everything else. Equal hashes mean that a cell runs what its files say.
 */
export function promotedHashes(settings: YamlMap): { imagesHash: string; configHash: string } {
  const leaves = leavesOf(settings)
    .map(({ keys, value }) => ({ kind: promotedAs(keys), path: formatPath(keys), value }))
    .filter(({ kind }) => kind !== undefined)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const images = leaves.filter(({ kind }) => kind === "images");
  const others = leaves.filter(({ kind }) => kind !== "images");
  const ofCatalogue = Object.entries(catalogue.images).map(([name, { digest }]) => [name, digest]);
  return { imagesHash: hash([ofCatalogue, images]), configHash: hash(others) };
}

function hash(value: unknown): string {
  // In an order of its own: a check rewrites maps in that of the schema.
  const text = JSON.stringify(value, (_, item: unknown) =>
    isMap(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
  return configHash(text);
}
