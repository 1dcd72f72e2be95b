import type * as pulumi from "@pulumi/pulumi";
import { AdminAccess } from "./admin-access";
import type { AgentStackArgs, MessagingOptions } from "./agent-stack";
import { Browser } from "./browser";
import { Diagnostics } from "./diagnostics";
import { ANY_HOST } from "./host-names";
import { MessageBroker } from "./message-broker";
import { MessageRelay } from "./message-relay";
import type { BrokerUser } from "./messaging";
import { secretSeed, type SecretKey } from "./secrets";
import { SEARCH_AGENT, type AgentStackPlan } from "./agent-stack-plan";
import { DnsFilter } from "./dns-filter";
import { ForwardProxy } from "./forward-proxy";
import type { GatewayConnections, GatewayHooks } from "./gateway-connections";
import { ModelProxy } from "./model-proxy";
import { MODEL_PROXY_PORT } from "./model-proxy-config";
import { GATEWAY_PORT } from "./openclaw/config";
import type { Endpoint, PartArgs, SeededPartArgs } from "./part";
import { Search } from "./search";
import { Telemetry } from "./telemetry";
import { TelemetryMode, telemetryMode } from "./telemetry-mode";

/** What the parts of a cell are given of it. */
interface CellArgs extends PartArgs {
  vaultClaim: pulumi.Output<string> | undefined;
}

/** The agent whose key the gateway itself presents to the model proxy. */
const MAIN_AGENT = "main";

/**
 * The parts around the gateway, wired together: each is given where the others listen, and who of them may connect.
 * The order is the one in which they know of each other: DNS, the way out, telemetry, and then what uses these.
 */
export class AgentStackParts {
  /** What every part is given. */
  readonly common: PartArgs;
  /** The same for those whose secrets are between them and other parts. */
  readonly #withSeed: SeededPartArgs;
  /** What the gateway uses. */
  readonly connections: GatewayConnections;
  /** Who connects to the gateway. */
  readonly clientsOfGateway: string[];

  constructor(
    name: string,
    args: AgentStackArgs,
    plan: AgentStackPlan,
    { vaultClaim, ...cell }: CellArgs,
    opts: pulumi.ComponentResourceOptions,
  ) {
    const withSearchModels = plan.modelProxy?.agents?.[SEARCH_AGENT] !== undefined;
    const telemetry = plan.hasTelemetry ? args.telemetry : undefined;
    const withBrowserPod = plan.components.includes("browser");
    const shared = { ...cell, externalSecrets: args.externalSecrets, scheduling: args.scheduling };

    const dnsFilter =
      plan.dnsFilter &&
      new DnsFilter(`${name}-dns-filter`, { ...plan.dnsFilter, ...shared, clients: plan.components }, opts);
    this.common = { ...shared, dns: dnsFilter?.endpoint };
    const ownTelemetry = telemetry && telemetryMode(telemetry) === TelemetryMode.Own;
    const generates = (args.modelProxy ?? args.search ?? args.messaging) !== undefined || ownTelemetry;
    // With a store, what is generated all the same is the exception, and random by itself.
    const seeded = generates && args.externalSecrets === undefined;
    this.#withSeed = {
      ...this.common,
      ...(seeded && { secretSeed: secretSeed(`${name}-secret-seed`, opts.parent) }),
    };
    const forwardProxy =
      args.forwardProxy &&
      new ForwardProxy(
        `${name}-forward-proxy`,
        { ...args.forwardProxy, ...this.common, listeners: plan.listeners },
        opts,
      );
    const wayOut = (component: string): Endpoint | undefined =>
      plan.listeners.some((listener) => listener.component === component)
        ? forwardProxy?.endpointFor(component)
        : undefined;

    const modelProxyEndpoint = { component: "model-proxy", host: `${name}-model-proxy`, port: MODEL_PROXY_PORT };
    const gatewayEndpoint = { component: "gateway", host: `${name}-gateway`, port: GATEWAY_PORT };
    const messaging = args.messaging && this.messaging(name, args, args.messaging, gatewayEndpoint, opts);
    const withDiagnostics = args.diagnostics ? ["diagnostics"] : [];
    const collector =
      telemetry &&
      new Telemetry(
        `${name}-telemetry`,
        {
          ...telemetry,
          ...this.#withSeed,
          clients: ["gateway", ...(plan.modelProxy ? ["model-proxy"] : []), ...withDiagnostics],
          gateway: gatewayEndpoint,
          broker: messaging?.broker.monitoring,
          scrape: [
            ...(plan.modelProxy ? [{ job: "litellm", endpoint: modelProxyEndpoint, path: "/metrics/" }] : []),
            ...(messaging ? [{ job: "message-relay", endpoint: messaging.relay.monitoring }] : []),
          ],
          forwardProxy: wayOut("telemetry-collector"),
          environment: args.environment,
          tenant: args.tenant,
          region: args.region,
        },
        opts,
      );
    const modelProxy =
      plan.modelProxy &&
      new ModelProxy(
        `${name}-model-proxy`,
        {
          ...plan.modelProxy,
          ...this.#withSeed,
          clients: [
            "gateway",
            ...(withSearchModels ? ["search"] : []),
            ...(collector ? ["telemetry-collector"] : []),
            ...withDiagnostics,
          ],
          forwardProxy: wayOut("model-proxy"),
          telemetry: collector?.endpoint,
        },
        opts,
      );
    const browser = withBrowserPod
      ? new Browser(
          `${name}-browser`,
          { ...args.browser, ...this.common, clients: ["gateway"], forwardProxy: wayOut("browser") },
          opts,
        )
      : undefined;
    const searchKey = modelProxy?.agentKeys[SEARCH_AGENT];
    const search =
      args.search && vaultClaim !== undefined
        ? new Search(
            `${name}-search`,
            {
              ...args.search,
              ...this.#withSeed,
              clients: ["gateway", ...withDiagnostics],
              vaultClaim,
              ...(modelProxy && searchKey && { modelProxy: { endpoint: modelProxy.endpoint, key: searchKey } }),
            },
            opts,
          )
        : undefined;

    const mainKey = modelProxy?.agentKeys[MAIN_AGENT] ?? Object.values(modelProxy?.agentKeys ?? {})[0];
    if (args.adminAccess) {
      new AdminAccess(`${name}-admin`, { ...args.adminAccess, ...this.common, gateway: gatewayEndpoint }, opts);
    }
    if (args.diagnostics) {
      // Any name will do that no allow-list of ours has.
      const deniedName = plan.dnsFilter?.allow?.includes(ANY_HOST) === false ? DENIED_NAME : undefined;
      new Diagnostics(
        `${name}-diagnostics`,
        {
          ...args.diagnostics,
          ...this.common,
          gateway: gatewayEndpoint,
          modelProxy: modelProxy?.endpoint,
          search: search?.endpoint,
          messageBroker: messaging?.broker.monitoring,
          telemetry: collector?.endpoint,
          forwardProxy: wayOut("diagnostics"),
          deniedName,
        },
        opts,
      );
    }
    this.clientsOfGateway = [
      ...(collector ? ["telemetry-collector"] : []),
      ...(messaging ? ["message-relay"] : []),
      ...(args.adminAccess ? ["admin-access"] : []),
      ...withDiagnostics,
    ];
    this.connections = {
      ...(browser && { browser: browser.endpoint }),
      ...(args.browser && !withBrowserPod && { browserSidecar: args.browser }),
      ...(modelProxy &&
        mainKey && {
          modelProxy: {
            endpoint: modelProxy.endpoint,
            key: mainKey,
            models: plan.chatModels,
            embeddingModel: plan.embeddingModel,
          },
        }),
      ...(search && { search: { endpoint: search.endpoint, token: search.token } }),
      ...(forwardProxy && { forwardProxy: forwardProxy.endpointFor("gateway") }),
      ...(messaging && { hooks: hooksOfRelay(messaging.relay, args.messaging?.relay?.agent) }),
      ...(collector && { telemetry: { endpoint: collector.endpoint, attributes: { "service.namespace": name } } }),
    };
  }

  private messaging(
    name: string,
    args: AgentStackArgs,
    { broker: brokerOptions = {}, relay: relayOptions = {} }: MessagingOptions,
    gateway: Endpoint,
    opts: pulumi.ComponentResourceOptions,
  ): { broker: MessageBroker; relay: MessageRelay } {
    const broker = new MessageBroker(
      `${name}-broker`,
      { ...brokerOptions, ...this.#withSeed, tenant: args.tenant, clients: ["message-relay"] },
      opts,
    );
    const password = (user: BrokerUser): SecretKey => {
      const key = broker.passwords[user];
      if (key === undefined) throw new Error(`the broker has no user ${user}`);
      return key;
    };
    const relay = new MessageRelay(
      `${name}-relay`,
      {
        ...relayOptions,
        ...this.#withSeed,
        clients: ["gateway"],
        broker: broker.endpoint,
        setupPassword: password("setup"),
        relayPassword: password("relay"),
        redrivePassword: password("redrive"),
        gateway,
        subscribers: Object.keys(brokerOptions.subscribers ?? {}),
      },
      opts,
    );
    return { broker, relay };
  }
}

/** The relay starts turns of one agent, and takes the gateway's events where that is on. */
function hooksOfRelay({ hooksToken, events, eventsToken }: MessageRelay, agent: string | undefined): GatewayHooks {
  return {
    token: hooksToken,
    agent,
    ...(events && eventsToken && { events: { endpoint: events, token: eventsToken } }),
  };
}

/** A public name that no part has a use for. */
const DENIED_NAME = "denied.example.com";
