import type { types } from "@pulumi/kubernetes";
import { ValidationFailed } from "./errors";
import { resolveImage } from "./images";
import { modelHosts } from "./model-providers";
import { agentKeyEnv, agentsOf, KEY_PREFIX, keyOf, modelProxyFiles, providerKeyEnv } from "./model-proxy-config";
import {
  ModelCache,
  ModelDatabase,
  ModelMode,
  type ExternalCacheOptions,
  type ExternalDatabaseOptions,
  type ModelProxyOptions,
} from "./model-proxy-options";
import { egressTo } from "./network";
import { configHash } from "./config-hash";
import { planPostgres } from "./postgres";
import { POSTGRES_PORT } from "./postgres-config";
import { completeResources, type CompleteResources } from "./resources";
import type { ExternalSecretsOptions } from "./external-secrets";
import { assertSecret, SecretFrom, type SecretOptions } from "./secrets";
import { planValkey } from "./valkey";
import { VALKEY_PORT } from "./valkey-config";

/** What a model proxy takes from the rest of its cell. */
export interface ModelProxySurroundings {
  /** Whether provider traffic goes through the cell's forward proxy. */
  forwardProxy: boolean;
  /** Whether traces go to a collector. */
  telemetry: boolean;
  /** The name of its own cache's Service. Default: `cache`. */
  cacheHost?: string;
  /** The cell's store for secrets. Default: none. */
  externalSecrets?: ExternalSecretsOptions;
}

/** A model proxy's options, checked and complete. */
export interface ModelProxyPlan {
  image: string;
  replicas: number;
  resources: CompleteResources;
  database: ModelDatabase;
  cache: ModelCache;
  files: Record<string, string>;
  configHash: string;
  /** Host names that the forward proxy has to let the model proxy through to. */
  allowedHosts: string[];
  /** Host names that are reached directly. */
  directHosts: string[];
  /** What the options open beside the other parts of the cell. */
  egress: types.input.networking.v1.NetworkPolicyEgressRule[];
}

const WHERE = "modelProxy";

/** Where a secret comes from that no option says otherwise about. */
type Store = ExternalSecretsOptions | undefined;

function fail(where: string, what: string, fix: string): never {
  throw new ValidationFailed({ what, where: `${WHERE}.${where}`, fix });
}

/**
 * Checks a model proxy's options and completes them. It creates nothing.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planModelProxy(options: ModelProxyOptions, surroundings: ModelProxySurroundings): ModelProxyPlan {
  const { externalSecrets: store } = surroundings;
  const database = options.database?.kind ?? ModelDatabase.Own;
  const cache = options.cache?.kind ?? ModelCache.None;
  const hosts = modelHosts(options.models ?? {});
  assertModels(options);
  assertProviderKeys(options, store);
  assertReachable(options, hosts, surroundings.forwardProxy);
  assertDatabase(options, database, store);
  assertCache(options, cache, store);
  assertAgents(options, database, store);
  assertNumbers(options, cache);
  const external = options.cache?.external;
  const cacheEndpoint =
    cache === ModelCache.External && external
      ? { host: external.host, port: external.port ?? VALKEY_PORT, tls: external.tls ?? true }
      : { host: surroundings.cacheHost ?? "cache", port: VALKEY_PORT, tls: false };
  const files = modelProxyFiles(options, {
    database: database !== ModelDatabase.None,
    telemetry: surroundings.telemetry,
    ...(cache !== ModelCache.None && { cache: cacheEndpoint }),
  });
  return {
    image: resolveImage("litellm", options.image, `${WHERE}.image`),
    replicas: options.replicas ?? 1,
    resources: completeResources(
      options.resources ?? {},
      {
        requestsCpu: "250m",
        requestsMemory: "1Gi",
        limitsCpu: "2",
        limitsMemory: "2Gi",
        limitsEphemeralStorage: "1Gi",
      },
      `${WHERE}.resources`,
    ),
    database,
    cache,
    files,
    configHash: configHash(JSON.stringify(files)),
    allowedHosts: hosts.public,
    directHosts: hosts.private,
    egress: [
      ...egressTo(options.egress ?? [], `${WHERE}.egress`),
      ...egressTo(
        withPort(options.database?.external?.egress, options.database?.external?.port ?? POSTGRES_PORT),
        `${WHERE}.database.external.egress`,
      ),
      ...egressTo(
        withPort(options.cache?.external?.egress, options.cache?.external?.port ?? VALKEY_PORT),
        `${WHERE}.cache.external.egress`,
      ),
    ],
  };
}

/** A rule that names no port means the one that is used. */
function withPort(rules: { cidr: string; ports?: number[] }[] = [], port: number): { cidr: string; ports: number[] }[] {
  return rules.map(({ cidr, ports = [port] }) => ({ cidr, ports }));
}

function assertModels({ models = {}, fallbacks = {} }: ModelProxyOptions): void {
  for (const [name, { rpm, tpm, inputPrice, outputPrice }] of Object.entries(models)) {
    if (!/^[\w.:/-]+$/.test(name)) {
      fail(`models.${name}`, "that is no name for a model", "use letters, digits and . : / _ -");
    }
    assertCounts({ rpm, tpm }, `models.${name}`);
    for (const [option, price] of Object.entries({ inputPrice, outputPrice })) {
      if (price !== undefined && !(price >= 0 && Number.isFinite(price))) {
        fail(`models.${name}.${option}`, `${String(price)} is no price`, "give USD for a million tokens, from 0 up");
      }
    }
  }
  for (const [name, others] of Object.entries(fallbacks)) {
    for (const other of [name, ...others]) {
      if (models[other] === undefined) {
        fail(`fallbacks.${name}`, `there is no model ${other}`, `define ${WHERE}.models.${other}, or name another`);
      }
      if ((models[other].mode ?? ModelMode.Chat) !== (models[name]?.mode ?? ModelMode.Chat)) {
        fail(`fallbacks.${name}`, `${other} is of another mode`, "let a model of the same mode stand in");
      }
    }
    if (others.includes(name)) fail(`fallbacks.${name}`, "it stands in for itself", "remove it from its own list");
  }
}

function assertProviderKeys({ models = {}, providerKeys = {} }: ModelProxyOptions, store: Store): void {
  const used = new Map<string, string>();
  for (const [name, model] of Object.entries(models)) {
    const key = keyOf(name, model);
    if (key === undefined) continue;
    used.set(key, name);
    if (providerKeys[key] === undefined && store === undefined) {
      fail(
        `providerKeys.${key}`,
        `the model ${name} presents it, and there is none`,
        "give it a value or an existing Secret",
      );
    }
  }
  for (const [key, secret] of Object.entries(providerKeys)) {
    if (!used.has(key)) {
      fail(`providerKeys.${key}`, "no model presents it", `remove it, or set providerKey: ${key} on a model`);
    }
    assertSecret(secret, SecretFrom.Value, `${WHERE}.providerKeys.${key}`, store);
  }
  assertDistinct([...used.keys()], providerKeyEnv, "providerKeys");
}

/** Two names must not become the same environment variable. */
function assertDistinct(names: string[], env: (name: string) => string, where: string): void {
  for (const name of names) {
    const other = names.find((candidate) => candidate !== name && env(candidate) === env(name));
    if (other !== undefined) {
      fail(`${where}.${name}`, `shares the variable ${env(name)} with ${other}`, "rename one of them");
    }
  }
}

function assertReachable(
  options: ModelProxyOptions,
  hosts: { public: string[]; private: string[] },
  forwardProxy: boolean,
): void {
  if ((options.egress ?? []).length > 0) return;
  if (hosts.private.length > 0) {
    fail("egress", `nothing opens the way to ${hosts.private.join(", ")}`, "add a rule with its addresses and ports");
  }
  if (hosts.public.length > 0 && !forwardProxy) {
    fail(
      "egress",
      `nothing opens the way to ${hosts.public.join(", ")}`,
      "switch the cell's forward proxy on (ModelProxy: give forwardProxy), or add a rule with their addresses",
    );
  }
}

function assertDatabase({ database = {}, masterKey }: ModelProxyOptions, kind: ModelDatabase, store: Store): void {
  if ((kind === ModelDatabase.External) !== (database.external !== undefined)) {
    fail("database.external", `kind is ${kind}`, "give external with kind: external, and only then");
  }
  if (kind !== ModelDatabase.Own && database.own !== undefined) {
    fail("database.own", `kind is ${kind}`, "remove own, or set kind: own");
  }
  if (kind === ModelDatabase.Own) planPostgres(database.own ?? {}, "litellm", `${WHERE}.database.own`, store);
  if (database.external !== undefined) {
    assertExternal("database.external", database.external, store);
  }
  if (kind === ModelDatabase.None && masterKey !== undefined) {
    fail("masterKey", "without a database there is no administrator", "remove it, or give a database");
  }
  assertKey(masterKey ?? {}, "masterKey", store);
}

function assertCache({ cache = {} }: ModelProxyOptions, kind: ModelCache, store: Store): void {
  if ((kind === ModelCache.External) !== (cache.external !== undefined)) {
    fail("cache.external", `kind is ${kind}`, "give external with kind: external, and only then");
  }
  if (kind !== ModelCache.Own && cache.own !== undefined) {
    fail("cache.own", `kind is ${kind}`, "remove own, or set kind: own");
  }
  if (kind === ModelCache.Own) planValkey(cache.own ?? {}, `${WHERE}.cache.own`, store);
  if (cache.external !== undefined) assertExternal("cache.external", cache.external, store);
}

function assertExternal(where: string, options: ExternalDatabaseOptions | ExternalCacheOptions, store: Store): void {
  if (options.egress.length === 0) {
    fail(`${where}.egress`, `nothing opens the way to ${options.host}`, "add a rule with its addresses");
  }
  assertSecret(options.password, SecretFrom.Value, `${WHERE}.${where}.password`, store);
  if (typeof options.password.value === "string" && options.password.value.includes(" ")) {
    fail(`${where}.password`, "it has a space, which LiteLLM writes as + into its URL", "use one without spaces");
  }
}

function assertAgents(options: ModelProxyOptions, database: ModelDatabase, store: Store): void {
  const agents = agentsOf(options);
  if (Object.keys(agents).length === 0) fail("agents", "there is none", "name an agent, or leave it out for main");
  for (const [name, agent] of Object.entries(agents)) {
    const where = `agents.${name}`;
    if (!/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/.test(name)) {
      fail(where, "that is no name for an agent", "use lower case letters, digits and -");
    }
    for (const model of agent.models ?? []) {
      if (options.models?.[model] === undefined) {
        fail(`${where}.models`, `there is no model ${model}`, `define ${WHERE}.models.${model}, or name another`);
      }
    }
    const { rpm, tpm, maxParallelRequests, budget, budgetDuration } = agent;
    assertCounts({ rpm, tpm, maxParallelRequests }, where);
    if (budget !== undefined && !(budget > 0 && Number.isFinite(budget))) {
      fail(`${where}.budget`, `${String(budget)} is no budget`, "give USD, more than 0");
    }
    if (budget !== undefined && database === ModelDatabase.None) {
      fail(
        `${where}.budget`,
        "spend is not kept without a database",
        "set database.kind to own or external, or remove the budget",
      );
    }
    if (budgetDuration !== undefined && (budget === undefined || !/^[1-9]\d*(s|m|h|d|mo)$/.test(budgetDuration))) {
      fail(
        `${where}.budgetDuration`,
        `${JSON.stringify(budgetDuration)} ${budget === undefined ? "goes with a budget" : "is no duration"}`,
        "give a budget, and write the duration like 24h, 30d or 1mo",
      );
    }
    assertKey(agent.key ?? {}, `${where}.key`, store);
  }
  assertDistinct(Object.keys(agents), agentKeyEnv, "agents");
}

function assertKey(key: SecretOptions, where: string, store: Store): void {
  assertSecret(key, SecretFrom.Generated, `${WHERE}.${where}`, store);
  // What an output will be is not known yet; LiteLLM refuses it then.
  if (typeof key.value === "string" && !(key.value.startsWith(KEY_PREFIX) && key.value.length >= 16)) {
    fail(where, "LiteLLM would refuse that key", `give one of 16 characters or more that begins with ${KEY_PREFIX}`);
  }
}

function assertCounts(counts: Record<string, number | undefined>, where: string): void {
  for (const [option, count] of Object.entries(counts)) {
    if (count !== undefined && (!Number.isInteger(count) || count < 1)) {
      fail(`${where}.${option}`, `${String(count)} is no limit`, "use a whole number from 1 up");
    }
  }
}

function assertNumbers(options: ModelProxyOptions, cache: ModelCache): void {
  const { timeoutSeconds, replicas = 1, retries, spendRetention } = options;
  if (timeoutSeconds !== undefined && !(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 1)) {
    fail("timeoutSeconds", `${String(timeoutSeconds)} is no time`, "use a whole number of seconds from 1 up");
  }
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0 && retries <= 10)) {
    fail("retries", `${String(retries)} is no number of retries`, "use 0 to 10");
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 10) {
    fail("replicas", `${String(replicas)} is no number of Pods`, "use 1 to 10");
  }
  if (replicas > 1 && cache === ModelCache.None) {
    fail("replicas", "each Pod would count limits by itself", "set cache.kind to own or external, or use one Pod");
  }
  if (spendRetention !== undefined && !/^[1-9]\d*(h|d)$/.test(spendRetention)) {
    fail("spendRetention", `${JSON.stringify(spendRetention)} is no duration`, "write it like 90d");
  }
}
