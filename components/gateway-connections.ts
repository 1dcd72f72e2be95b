import type { types } from "@pulumi/kubernetes";
import { BrowserMode, planBrowser, type BrowserOptions } from "./browser";
import { browserContainer, browserVolumes } from "./browser-container";
import { ValidationFailed } from "./errors";
import { forwarderContainer } from "./gateway-forwarder";
import type { GatewaySidecars } from "./gateway-pod";
import { selectorLabels } from "./labels";
import { egressToPart } from "./network";
import {
  localUrl,
  MODEL_PROXY_KEY_ENV,
  SEARCH_TOKEN_ENV,
  type ConnectedPart,
  type Connections,
} from "./openclaw/connections";
import {
  DEFAULT_AGENT,
  EVENTS_HOOK_DIR,
  EVENTS_TOKEN_ENV,
  EVENTS_URL_ENV,
  HOOKS_TOKEN_ENV,
  type HooksConfigArgs,
} from "./openclaw/hooks";
import type { OpenClawModel } from "./openclaw/options";
import type { Endpoint } from "./part";
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
  /** The path of its MCP server (streamable HTTP). Default: `/mcp`. */
  path?: string;
  /** The token that the gateway presents. */
  token: SecretKey;
}

/** Where a gateway's traces, metrics and logs go. */
export interface GatewayTelemetry {
  /** Where OTLP over HTTP is received. */
  endpoint: Endpoint;
  /** Attributes of everything that is exported, for example tenant and environment. Default: none. */
  attributes?: Record<string, string>;
}

/** Where the gateway posts what it received and sent. */
export interface GatewayEvents {
  /** Where they are taken, at `/events`. */
  endpoint: Endpoint;
  /** The token that the gateway presents. */
  token: SecretKey;
}

/** Who may start agent turns through the gateway's hooks, and who is told of messages. */
export interface GatewayHooks {
  /** The token that a caller presents; it must not be the gateway's own. */
  token: SecretKey;
  /** The agent that turns may be started of. Default: `main`. */
  agent?: string;
  /** Who is told of every message that the gateway received or sent. Default: nobody. */
  events?: GatewayEvents;
}

/** The other parts of a cell that a gateway uses. Each of them adds its config, its environment and its egress rule. */
export interface GatewayConnections {
  /** A browser that speaks CDP. Default: none. */
  browser?: Endpoint;
  /** A browser of the gateway's own, as a container in its Pod; it needs the forward proxy. Default: none. */
  browserSidecar?: BrowserOptions;
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
  const { browser, browserSidecar, modelProxy, search, forwardProxy, telemetry, hooks } = args;
  return {
    browser: browser !== undefined || browserSidecar !== undefined,
    modelProxy: modelProxy && { models: modelProxy.models, embeddingModel: modelProxy.embeddingModel },
    search: search && (search.path ?? "/mcp"),
    forwardProxy: forwardProxy !== undefined,
    telemetry: telemetry !== undefined,
    hooks: hooks && hooksOf(hooks.agent, hooks.events !== undefined),
  };
}

/** The hooks as the config has them. */
export function hooksOf(agent = DEFAULT_AGENT, events = false): HooksConfigArgs {
  return { agents: [agent], ...(events && { eventsHookDir: EVENTS_HOOK_DIR }) };
}

/** Where the connected parts are. */
export function connectedParts(args: GatewayConnections): Partial<Record<ConnectedPart, Endpoint>> {
  const { browser, modelProxy, search, forwardProxy, telemetry, hooks } = args;
  return {
    ...(browser && { browser }),
    ...(modelProxy && { modelProxy: modelProxy.endpoint }),
    ...(search && { search: search.endpoint }),
    ...(forwardProxy && { forwardProxy }),
    ...(telemetry && { telemetry: telemetry.endpoint }),
    ...(hooks?.events && { events: hooks.events.endpoint }),
  };
}

/** The egress rules of the connections: each to exactly the Pods and the port of its part. */
export function connectionEgress(
  instance: string,
  args: GatewayConnections,
): types.input.networking.v1.NetworkPolicyEgressRule[] {
  return Object.values(connectedParts(args)).map((endpoint) => egressToPart(instance, endpoint));
}

/** The environment variables of the connections. */
export function connectionEnv(args: GatewayConnections): types.input.core.v1.EnvVar[] {
  const attributes = Object.entries(args.telemetry?.attributes ?? {})
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .sort();
  return [
    ...(attributes.length === 0 ? [] : [{ name: "OTEL_RESOURCE_ATTRIBUTES", value: attributes.join(",") }]),
    ...(args.hooks?.events ? [{ name: EVENTS_URL_ENV, value: localUrl("events", "/events") }] : []),
    ...Object.entries(connectionSecrets(args)).map(([name, key]) => secretEnv(name, key)),
  ];
}

/** The secrets of the connections, by environment variable. */
export function connectionSecrets({ modelProxy, search, hooks }: GatewayConnections): Record<string, SecretKey> {
  return {
    ...(modelProxy && { [MODEL_PROXY_KEY_ENV]: modelProxy.key }),
    ...(search && { [SEARCH_TOKEN_ENV]: search.token }),
    ...(hooks && { [HOOKS_TOKEN_ENV]: hooks.token }),
    ...(hooks?.events && { [EVENTS_TOKEN_ENV]: hooks.events.token }),
  };
}

/**
 * Near the search service: both mount the vault, a volume of one node. Only a preference, since it insists on the
 * gateway's node already, and two that insist would wait for each other.
 */
export function connectionAffinity(
  instance: string,
  { search }: GatewayConnections,
): Partial<types.input.core.v1.PodSpec> {
  if (search === undefined) return {};
  return {
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: "kubernetes.io/hostname",
              labelSelector: { matchLabels: selectorLabels(instance, search.endpoint.component) },
            },
          },
        ],
      },
    },
  };
}

/** The containers beside the gateway that its connections need, and their volumes. */
export function connectionSidecars(image: string, args: GatewayConnections): GatewaySidecars {
  const { browser, browserSidecar, forwardProxy } = args;
  const parts = connectedParts(args);
  const forwarder = Object.keys(parts).length === 0 ? [] : [forwarderContainer(image, parts)];
  if (browserSidecar === undefined) return { containers: forwarder, volumes: [] };
  if (browser !== undefined) {
    throw new ValidationFailed({
      what: "the gateway has two browsers: an endpoint and a sidecar",
      where: "browser.mode",
      fix: "give browser or browserSidecar",
    });
  }
  const plan = planBrowser(
    { ...browserSidecar, mode: BrowserMode.Sidecar },
    { forwardProxy: forwardProxy !== undefined },
  );
  return {
    containers: [...forwarder, browserContainer(plan, { sidecar: true, forwardProxy })],
    volumes: browserVolumes(plan),
  };
}
