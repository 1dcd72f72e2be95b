import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { types } from "@pulumi/kubernetes";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { VAULT_PATH } from "./gateway-pod";
import { resolveImage } from "./images";
import { configHash } from "./config-hash";
import { bytesOf, completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import type { SearchOptions } from "./search";
import type { SearchSettings } from "./search/settings";
import { assertSecret, SecretFrom } from "./secrets";
import { blockClaim } from "./volume-claims";

/** The port of the search service. */
export const SEARCH_PORT = 8080;
/** Where the index's volume is mounted. */
export const INDEX_PATH = "/index";
/** Where the program and its settings are mounted. */
export const PROGRAM_PATH = "/search";

/** The program that the Pod runs: components/search, as the compiler left it beside this file. */
export const PROGRAM_FILES = ["main", "indexer", "store", "chunks", "model-proxy", "settings"].map(
  (name) => `${name}.js`,
);

/** With 1,000 notes and vectors of 384 numbers it was measured at 145 MiB while it answered queries. */
const DEFAULT_RESOURCES: Required<ResourceOptions> = {
  requestsCpu: "50m",
  requestsMemory: "192Mi",
  limitsCpu: "1",
  limitsMemory: "512Mi",
  limitsEphemeralStorage: "128Mi",
};

/** What a search service takes from the rest of its cell. */
export interface SearchSurroundings {
  /** Whether the cell has a vault. */
  vault: boolean;
  /** Whether it has a model proxy. */
  modelProxy: boolean;
  /** Where its secrets come from that no option says otherwise about. Default: generated or given. */
  externalSecrets?: ExternalSecretsOptions;
}

/** A search service's options, checked and complete. */
export interface SearchPlan {
  image: string;
  /** What the program is told, but for the model proxy's URL, which is an environment variable. */
  settings: SearchSettings;
  /** The ConfigMap's data. */
  files: Record<string, string>;
  filesHash: string;
  resources: CompleteResources;
  /** Node's heap, in MiB. */
  heapMi: number;
  indexClaim: types.input.core.v1.PersistentVolumeClaimSpec;
}

/**
 * Checks a search service's options and completes them. It creates nothing.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planSearch(options: SearchOptions, surroundings: SearchSurroundings): SearchPlan {
  const { vault, modelProxy, externalSecrets } = surroundings;
  if (!vault) {
    throw new ValidationFailed({
      what: "search without a vault: there are no notes to find",
      where: "search",
      fix: "set vault.enabled to true (Search: give vaultClaim), or switch search off",
    });
  }
  const { embeddingModel, dimensions, rerankModel } = options;
  for (const [name, model] of Object.entries({ embeddingModel, rerankModel })) {
    if (model === undefined) continue;
    if (model.trim() === "")
      fail(name, "the model's name is empty", "name a model of the model proxy, or leave it out");
    if (!modelProxy) {
      fail(name, "there is no model proxy to ask", "switch the model proxy on, or remove it to search by words alone");
    }
  }
  if (dimensions !== undefined && embeddingModel === undefined) {
    fail("dimensions", "dimensions without embeddingModel", "name the embedding model too, or remove it");
  }
  assertSecret(options.token ?? {}, SecretFrom.Generated, "search.token", externalSecrets);
  const settings: SearchSettings = {
    port: SEARCH_PORT,
    vault: VAULT_PATH,
    index: INDEX_PATH,
    refreshSeconds: within("refreshSeconds", options.refreshSeconds ?? 300, 10, 86_400),
    chunkChars: within("chunkChars", options.chunkChars ?? 1_500, 200, 8_000),
    maxNoteBytes: within("maxNoteBytes", options.maxNoteBytes ?? 1_048_576, 1_024, 16_777_216),
    maxQueryChars: within("maxQueryChars", options.maxQueryChars ?? 1_000, 1, 8_000),
    maxResults: within("maxResults", options.maxResults ?? 10, 1, 50),
    ...(embeddingModel !== undefined && { embeddingModel }),
    ...(dimensions !== undefined && { dimensions: within("dimensions", dimensions, 1, 4_096) }),
    ...(rerankModel !== undefined && { rerankModel }),
  };
  const files = {
    ...Object.fromEntries(PROGRAM_FILES.map((file) => [file, readFileSync(join(__dirname, "search", file), "utf8")])),
    "settings.json": `${JSON.stringify(settings, undefined, 2)}\n`,
  };
  const resources = completeResources(options.resources ?? {}, DEFAULT_RESOURCES, "search.resources");
  const memoryMi = bytesOf(resources.limits.memory, "search.resources.limitsMemory") / 2 ** 20;
  if (memoryMi < 256) {
    fail(
      "resources.limitsMemory",
      `${resources.limits.memory} is too little for Node and SQLite`,
      "use at least 256Mi",
    );
  }
  return {
    image: resolveImage("openclaw-gateway", options.image, "search.image"),
    settings,
    files,
    filesHash: configHash(JSON.stringify(files)),
    resources,
    // The rest is for SQLite's page cache, vectors on their way to a comparison, and Node itself.
    heapMi: Math.floor(memoryMi / 2),
    indexClaim: blockClaim(options.index ?? {}, "2Gi", "search.index"),
  };
}

function within(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    fail(name, `${name} is ${String(value)}`, `use a whole number from ${String(least)} to ${String(most)}`);
  }
  return value;
}

function fail(option: string, what: string, fix: string): never {
  throw new ValidationFailed({ what, where: `search.${option}`, fix });
}
