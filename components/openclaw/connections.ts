import { envSecret } from "./secret-ref";
import type { JsonObject, JsonValue } from "./json";
import { isObject } from "./json";
import { OpenClawModelApi, OpenClawModelInput, type OpenClawMemorySearch, type OpenClawModel } from "./options";

/*
 * What the other parts of a cell add to a gateway's config. Their addresses are known only once they exist, so the
 * config holds `${NAME}`, which OpenClaw replaces from its environment: the config and its hash are known in a
 * preview, and the Pod still rolls when an address changes, because its environment does.
 */

/** The environment variables that carry the addresses of other parts. */
export enum AddressEnv {
  Browser = "BROWSER_CDP_URL",
  ModelProxy = "MODEL_PROXY_URL",
  Search = "SEARCH_MCP_URL",
  ForwardProxy = "FORWARD_PROXY_URL",
  Telemetry = "TELEMETRY_OTLP_URL",
}

/** The environment variable that carries the token of the hooks; OpenClaw takes no SecretRef there. */
export const HOOKS_TOKEN_ENV = "OPENCLAW_HOOKS_TOKEN";
/** The id of the model proxy among the config's model providers. */
export const MODEL_PROXY_PROVIDER = "litellm";
/** The environment variable that carries the gateway's key for the model proxy. */
export const MODEL_PROXY_KEY_ENV = "LITELLM_API_KEY";
/** The name of the search service among the config's MCP servers; its tools are called `<name>__<tool>`. */
export const SEARCH_SERVER = "search";

/** A model proxy's models. */
export interface ConnectedModels {
  /** The models, by the names that the proxy knows them by. */
  models: OpenClawModel[];
  /** The embedding model, for memory search. Default: none. */
  embeddingModel?: string;
}

/** Which other parts of the cell a gateway is connected to. */
export interface Connections {
  browser?: boolean;
  modelProxy?: ConnectedModels;
  search?: boolean;
  forwardProxy?: boolean;
  telemetry?: boolean;
  hooks?: boolean;
}

/** What follows from the connections: options and `extraConfig` may refine the first, and not change the second. */
export interface ConnectionsConfig {
  defaults: JsonObject;
  guaranteed: JsonObject;
}

/** The config of everything that a gateway is connected to. */
export function connectionsConfig(connections: Connections): ConnectionsConfig {
  const { browser, modelProxy, search, forwardProxy, telemetry, hooks } = connections;
  const [model] = modelProxy?.models ?? [];
  return {
    defaults: {
      ...(model && { agents: { defaults: { model: { primary: `${MODEL_PROXY_PROVIDER}/${model.id}` } } } }),
      ...(telemetry && { diagnostics: { otel: { traces: true, metrics: true, logs: true, sampleRate: 1 } } }),
    },
    guaranteed: {
      ...(browser && { browser: browserConfig() }),
      ...(modelProxy && {
        models: { mode: "replace", providers: { [MODEL_PROXY_PROVIDER]: modelProvider(modelProxy) } },
      }),
      ...(search && {
        mcp: { servers: { [SEARCH_SERVER]: { url: variable(AddressEnv.Search), transport: "streamable-http" } } },
      }),
      // Private names and addresses are asked of the proxy too, loopback is not.
      ...(forwardProxy && { proxy: { enabled: true, proxyUrl: variable(AddressEnv.ForwardProxy) } }),
      ...(telemetry && telemetryConfig()),
      ...(hooks && { hooks: { enabled: true, token: variable(HOOKS_TOKEN_ENV) } }),
    },
  };
}

/** Who computes the embeddings of memory search: what the options say, else the model proxy, else nobody. */
export function embeddingsConfig(options: OpenClawMemorySearch = {}, modelProxy?: ConnectedModels): JsonObject {
  if (options.provider === undefined && modelProxy?.embeddingModel !== undefined) {
    return {
      provider: "openai",
      model: options.model ?? modelProxy.embeddingModel,
      remote: { baseUrl: variable(AddressEnv.ModelProxy), apiKey: envSecret(MODEL_PROXY_KEY_ENV) },
    };
  }
  return { provider: options.provider ?? "none", ...(options.model === undefined ? {} : { model: options.model }) };
}

/** A browser that runs already, at a literal address: Chrome refuses host names, and so does the SSRF policy. */
function browserConfig(): JsonObject {
  return {
    enabled: true,
    attachOnly: true,
    defaultProfile: "cell",
    profiles: { cell: { cdpUrl: variable(AddressEnv.Browser), attachOnly: true } },
  };
}

function modelProvider({ models }: ConnectedModels): JsonObject {
  return {
    baseUrl: variable(AddressEnv.ModelProxy),
    api: OpenClawModelApi.OpenAICompletions,
    apiKey: envSecret(MODEL_PROXY_KEY_ENV),
    models: models.map(modelEntry),
  };
}

/** The switch and its plugin together: each of them alone exports nothing. */
function telemetryConfig(): JsonObject {
  return {
    diagnostics: {
      enabled: true,
      otel: {
        enabled: true,
        endpoint: variable(AddressEnv.Telemetry),
        protocol: "http/protobuf",
        serviceName: "openclaw-gateway",
      },
    },
    plugins: { entries: { "diagnostics-otel": { enabled: true } } },
  };
}

/** A model as OpenClaw's config has it. */
export function modelEntry({ id, name, reasoning, input, contextWindow, maxTokens }: OpenClawModel): JsonObject {
  return {
    id,
    name: name ?? id,
    reasoning: reasoning ?? false,
    input: input ?? [OpenClawModelInput.Text],
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
  };
}

function variable(name: string): string {
  return `\${${name}}`;
}

const ADDRESSES: string[] = Object.values(AddressEnv).map(variable);

/** The config as the schema can check it: with an address where OpenClaw will put one. */
export function withAddresses(config: JsonObject): JsonObject {
  const replaced = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(replaced);
    if (isObject(value)) return withAddresses(value);
    return typeof value === "string" && ADDRESSES.includes(value) ? "http://192.0.2.1" : value;
  };
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, replaced(value)]));
}
