import type { types } from "@pulumi/kubernetes";
import { egressToPart } from "./network";
import {
  AddressEnv,
  HOOKS_TOKEN_ENV,
  MODEL_PROXY_KEY_ENV,
  type Connections,
  type ConnectedModels,
} from "./openclaw/connections";
import type { OpenClawModel } from "./openclaw/options";
import { endpointUrl, type Endpoint } from "./part";
import { secretEnv, type SecretKey } from "./secrets";

/** A model proxy as a gateway uses it. */
export interface GatewayModelProxy {
  /** Where it listens; what it offers is under `/v1`. */
  endpoint: Endpoint;
  /** The key that the gateway presents. */
  key: SecretKey;
  /** Its models, by the names that it knows them by; the first one is the default model. */
  models: OpenClawModel[];
  /** Its embedding model, for memory search. Default: none. */
  embeddingModel?: string;
}

/** A search service as a gateway uses it. */
export interface GatewaySearch {
  /** Where it listens. */
  endpoint: Endpoint;
  /** The path of its MCP server. Default: `/mcp`. */
  path?: string;
}

/** Where a gateway's traces, metrics and logs go. */
export interface GatewayTelemetry {
  /** Where OTLP over HTTP is received. */
  endpoint: Endpoint;
  /** Attributes of everything that is exported, for example tenant and environment. Default: none. */
  attributes?: Record<string, string>;
}

/** Who may start agent turns through the gateway's hooks. */
export interface GatewayHooks {
  /** The token that a caller presents; it must not be the gateway's own. */
  token: SecretKey;
}

/** The other parts of a cell that a gateway uses. Each of them adds its config, its environment and its egress rule. */
export interface GatewayConnections {
  /** A browser, by its address: neither Chrome nor OpenClaw accepts a host name. Default: none. */
  browser?: Endpoint;
  /** The model proxy, as the model provider `litellm`. Default: none. */
  modelProxy?: GatewayModelProxy;
  /** The search service, as the MCP server `search`. Default: none. */
  search?: GatewaySearch;
  /** The forward proxy that everything but loopback goes through. Default: none. */
  forwardProxy?: Endpoint;
  /** Where telemetry goes. Default: nowhere. */
  telemetry?: GatewayTelemetry;
  /** The gateway's hooks. Default: off. */
  hooks?: GatewayHooks;
}

/** What of the connections the config depends on: known before anything exists. */
export function connectionsOf(args: GatewayConnections): Connections {
  const { browser, modelProxy, search, forwardProxy, telemetry, hooks } = args;
  const models: ConnectedModels | undefined = modelProxy && {
    models: modelProxy.models,
    embeddingModel: modelProxy.embeddingModel,
  };
  return {
    browser: browser !== undefined,
    modelProxy: models,
    search: search !== undefined,
    forwardProxy: forwardProxy !== undefined,
    telemetry: telemetry !== undefined,
    hooks: hooks !== undefined,
  };
}

/** The egress rules of the connections: each to exactly the Pods and the port of its part. */
export function connectionEgress(
  instance: string,
  args: GatewayConnections,
): types.input.networking.v1.NetworkPolicyEgressRule[] {
  const { browser, modelProxy, search, forwardProxy, telemetry } = args;
  return [browser, modelProxy?.endpoint, search?.endpoint, forwardProxy, telemetry?.endpoint]
    .filter((endpoint) => endpoint !== undefined)
    .map((endpoint) => egressToPart(instance, endpoint));
}

/** The environment variables of the connections. */
export function connectionEnv(args: GatewayConnections): types.input.core.v1.EnvVar[] {
  const { browser, modelProxy, search, forwardProxy, telemetry } = args;
  const address = (name: AddressEnv, endpoint: Endpoint | undefined, path = "") =>
    endpoint === undefined ? [] : [{ name, value: endpointUrl(endpoint, path) }];
  const attributes = Object.entries(telemetry?.attributes ?? {})
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .sort();
  return [
    ...address(AddressEnv.Browser, browser),
    ...address(AddressEnv.ModelProxy, modelProxy?.endpoint, "/v1"),
    ...address(AddressEnv.Search, search?.endpoint, search?.path ?? "/mcp"),
    ...address(AddressEnv.ForwardProxy, forwardProxy),
    ...address(AddressEnv.Telemetry, telemetry?.endpoint),
    ...(attributes.length === 0 ? [] : [{ name: "OTEL_RESOURCE_ATTRIBUTES", value: attributes.join(",") }]),
    ...Object.entries(connectionSecrets(args)).map(([name, key]) => secretEnv(name, key)),
  ];
}

/** The secrets of the connections, by environment variable. */
export function connectionSecrets({ modelProxy, hooks }: GatewayConnections): Record<string, SecretKey> {
  return {
    ...(modelProxy && { [MODEL_PROXY_KEY_ENV]: modelProxy.key }),
    ...(hooks && { [HOOKS_TOKEN_ENV]: hooks.token }),
  };
}
