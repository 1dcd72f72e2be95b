import { hooksConfig, type HooksConfigArgs } from "./hooks";
import type { JsonObject } from "./json";
import { OpenClawModelApi, OpenClawModelInput, type OpenClawMemorySearch, type OpenClawModel } from "./options";
import { envSecret } from "./secret-ref";

/*
 * What the other parts of a cell add to a gateway's config. The gateway finds each of them on a port of its own Pod,
 * where the forwarder listens: the config is known before any address is, and both of OpenClaw's guards accept
 * loopback. The SSRF policy refuses a browser at a private address, and with a forward proxy (`proxy.proxyUrl`)
 * loopback alone is reached without it.
 */

/** Where the forwarder listens for each part, on 127.0.0.1. */
export const LOCAL_PORTS = {
  browser: 9222,
  modelProxy: 4000,
  search: 8080,
  forwardProxy: 3128,
  telemetry: 4318,
  events: 4196,
};

/** A part that the gateway connects to. */
export type ConnectedPart = keyof typeof LOCAL_PORTS;

/** The id of the model proxy among the config's model providers. */
export const MODEL_PROXY_PROVIDER = "litellm";
/** The environment variable that carries the gateway's key for the model proxy. */
export const MODEL_PROXY_KEY_ENV = "LITELLM_API_KEY";
/** The environment variable that carries the gateway's token for the search service: headers take no SecretRef either. */
export const SEARCH_TOKEN_ENV = "SEARCH_TOKEN";
/** The name of the search service among the config's MCP servers. */
export const SEARCH_SERVER = "search";

/** A model proxy's models. */
export interface ConnectedModels {
  /** By the names that the proxy knows them by; the first one is the default model. */
  models: OpenClawModel[];
  /** The embedding model, for memory search. @default none */
  embeddingModel?: string;
}

/** Which other parts of the cell a gateway is connected to. */
export interface Connections {
  browser?: boolean;
  modelProxy?: ConnectedModels;
  /** The path of the search service's MCP server. */
  search?: string;
  forwardProxy?: boolean;
  telemetry?: boolean;
  hooks?: HooksConfigArgs;
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
      ...(telemetry && { diagnostics: { otel: { sampleRate: 1, flushIntervalMs: 30_000, captureContent: false } } }),
    },
    guaranteed: {
      ...(browser && { browser: browserConfig() }),
      ...(modelProxy && {
        models: { mode: "replace", providers: { [MODEL_PROXY_PROVIDER]: modelProvider(modelProxy) } },
      }),
      ...(search !== undefined && { mcp: { servers: { [SEARCH_SERVER]: searchServer(search) } } }),
      ...(forwardProxy && {
        proxy: { enabled: true, proxyUrl: localUrl("forwardProxy"), loopbackMode: "gateway-only" },
      }),
      ...(telemetry && telemetryConfig()),
      ...(hooks && hooksConfig(hooks)),
    },
  };
}

/** Who computes the embeddings of memory search: what the options say, else the model proxy, else nobody. */
export function embeddingsConfig(options: OpenClawMemorySearch = {}, modelProxy?: ConnectedModels): JsonObject {
  if (options.provider === undefined && modelProxy?.embeddingModel !== undefined) {
    return { provider: MODEL_PROXY_PROVIDER, model: options.model ?? modelProxy.embeddingModel };
  }
  return { provider: options.provider ?? "none", ...(options.model === undefined ? {} : { model: options.model }) };
}

/** A browser that runs already: the gateway starts none itself. */
function browserConfig(): JsonObject {
  return {
    enabled: true,
    attachOnly: true,
    defaultProfile: "cell",
    profiles: { cell: { cdpUrl: localUrl("browser"), attachOnly: true } },
  };
}

function modelProvider({ models }: ConnectedModels): JsonObject {
  return {
    baseUrl: localUrl("modelProxy", "/v1"),
    api: OpenClawModelApi.OpenAICompletions,
    apiKey: envSecret(MODEL_PROXY_KEY_ENV),
    models: models.map(modelEntry),
  };
}

function searchServer(path: string): JsonObject {
  return {
    url: localUrl("search", path),
    // OpenClaw would speak SSE otherwise.
    transport: "streamable-http",
    headers: { Authorization: `Bearer \${${SEARCH_TOKEN_ENV}}` },
    connectionTimeoutMs: 5000,
    requestTimeoutMs: 20_000,
    supportsParallelToolCalls: true,
  };
}

/** The switch and its plugin together: each of them alone exports nothing. */
function telemetryConfig(): JsonObject {
  return {
    diagnostics: {
      enabled: true,
      otel: {
        enabled: true,
        endpoint: localUrl("telemetry"),
        protocol: "http/protobuf",
        serviceName: "openclaw-gateway",
        traces: true,
        metrics: true,
        logs: true,
        logsExporter: "otlp",
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

/** Where a connected part is found from the gateway. */
export function localUrl(part: ConnectedPart, path = ""): string {
  return `http://127.0.0.1:${String(LOCAL_PORTS[part])}${path}`;
}
