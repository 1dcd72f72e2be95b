import { isIP } from "node:net";
import { planAdminAccess } from "./admin-access";
import type { AgentStackArgs, MessagingOptions } from "./agent-stack";
import { BrowserMode, planBrowser } from "./browser";
import { channelHosts } from "./channels";
import { planDiagnostics } from "./diagnostics";
import type { DnsFilterOptions } from "./dns-filter-config";
import { planDnsFilter } from "./dns-filter-config";
import { planEntry, type EntryPlan } from "./entry";
import { Environment } from "./environment";
import { ValidationFailed } from "./errors";
import { FORWARD_PROXY, planForwardProxy } from "./forward-proxy";
import { LISTENER_PORTS, type ForwardProxyListener } from "./forward-proxy-config";
import { hooksOf } from "./gateway-connections";
import { planGateway } from "./gateway-plan";
import { assertHostNames, withoutCovered } from "./host-names";
import { planMessageBroker } from "./message-broker";
import { planMessageRelay } from "./message-relay-plan";
import { ModelCache, ModelDatabase, ModelMode, type ModelProxyOptions } from "./model-proxy-options";
import { planModelProxy } from "./model-proxy-plan";
import { DEFAULT_AGENT } from "./openclaw/hooks";
import type { OpenClawModel } from "./openclaw/options";
import { planSearch } from "./search-plan";
import { planTelemetry } from "./telemetry";
import { hasConsole, telemetryMode, TelemetryMode } from "./telemetry-mode";
import { TlsFrom } from "./tls-from";
import { vaultClaim } from "./vault";

/** What follows from a cell's options for all of its parts. */
export interface AgentStackPlan {
  labels: Record<string, string>;
  retain: boolean;
  hasVault: boolean;
  hasTelemetry: boolean;
  entry: EntryPlan | undefined;
  /** The `app.kubernetes.io/component` of all Pods that resolve names. */
  components: string[];
  /** Who uses the forward proxy for what; empty without one. */
  listeners: ForwardProxyListener[];
  dnsFilter: DnsFilterOptions | undefined;
  modelProxy: ModelProxyOptions | undefined;
  /** The model proxy's chat models, as the gateway offers them. */
  chatModels: OpenClawModel[];
  /** The model proxy's first embedding model. */
  embeddingModel: string | undefined;
}

/** The virtual key of the search service at the model proxy. */
export const SEARCH_AGENT = "search";

/**
 * Checks everything about a cell that can be known before anything is created. AgentStack does so itself; a program
 * with several cells calls it for each of them first, so that one's mistake leaves the others untouched as well.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planAgentStack(name: string, args: AgentStackArgs): AgentStackPlan {
  assertName(name);
  const { environment, region, tenant, podCidrs = [], vault = {}, externalSecrets } = args;
  const hasVault = vault.enabled ?? true;
  if (hasVault) vaultClaim(vault);
  const entry = args.entry && planEntry(args.entry, podCidrs);
  if (entry && externalSecrets) assertNoOwnKey(args, entry);
  const forwardProxy = args.forwardProxy !== undefined;
  const hasTelemetry =
    args.telemetry !== undefined &&
    planTelemetry(args.telemetry, {
      externalSecrets,
      // Its address is not known yet, and decides nothing here.
      ...(forwardProxy && { forwardProxy: { component: FORWARD_PROXY, host: `${name}-forward-proxy`, port: 1 } }),
    });

  if (args.search) assertSearch(args, hasVault);
  if (vault.gitSync?.egress.length === 0) {
    throw new ValidationFailed({
      what: "nothing opens the way to the git host",
      where: "vault.gitSync.egress",
      fix: "add a rule with its addresses",
    });
  }
  const modelProxy = args.modelProxy && withSearchKey(args.modelProxy, args);
  const modelPlan =
    modelProxy &&
    planModelProxy(modelProxy, {
      forwardProxy,
      telemetry: hasTelemetry,
      cacheHost: `${name}-model-proxy-cache`,
      externalSecrets,
    });
  const models = Object.entries(modelProxy?.models ?? {});
  const chatModels = models.filter(([, { mode }]) => mode !== ModelMode.Embedding).map(([id]) => ({ id }));
  const embeddingModel = models.find(([, { mode }]) => mode === ModelMode.Embedding)?.[0];

  const browser = args.browser && planBrowser(args.browser, { forwardProxy });
  if (args.messaging) assertMessaging(args.messaging, args);
  if (args.adminAccess) planAdminAccess(args.adminAccess, externalSecrets);
  if (args.diagnostics) planDiagnostics(args.diagnostics);
  planGateway(args.gateway ?? {}, {
    environment,
    publicOrigin: entry?.origin,
    trustedProxies: entry?.trustedProxies,
    vault: hasVault,
    gitSync: vault.gitSync,
    externalSecrets,
    connections: {
      browser: browser !== undefined,
      modelProxy: modelProxy && { models: chatModels, embeddingModel },
      search: args.search && "/mcp",
      forwardProxy,
      telemetry: hasTelemetry,
      hooks: args.messaging && hooksOf(args.messaging.relay?.agent, args.messaging.relay?.events),
    },
  });
  assertProvidersReachable(args);

  const components = componentsOf(args, hasTelemetry);
  assertListeners(args, components);
  const listeners = forwardProxy ? listenersOf(args, modelPlan?.allowedHosts, browser?.allowedHosts) : [];
  const proxyHosts = forwardProxy ? planForwardProxy({ ...args.forwardProxy, listeners }).hosts : [];
  const dnsFilter = args.dnsFilter && {
    ...args.dnsFilter,
    allow: withoutCovered([...(args.dnsFilter.allow ?? []), ...proxyHosts, ...directHosts(args)]),
  };
  if (dnsFilter) planDnsFilter(dnsFilter);

  return {
    labels: {
      "clawfleet.dev/environment": environment,
      ...(region !== undefined && { "clawfleet.dev/region": region }),
      ...(tenant !== undefined && { "clawfleet.dev/tenant": tenant }),
    },
    retain: args.retain ?? environment === Environment.Prod,
    hasVault,
    hasTelemetry,
    entry,
    components,
    listeners,
    dnsFilter,
    modelProxy,
    chatModels,
    embeddingModel,
  };
}

/** A private key that Pulumi makes is in its state, which a cell with a store keeps secrets out of. */
function assertNoOwnKey({ entry }: AgentStackArgs, { tlsFrom }: EntryPlan): void {
  if (tlsFrom !== TlsFrom.OwnCa || entry?.gatewayApi?.sharedGateway !== undefined) return;
  throw new ValidationFailed({
    what: "own-ca generates a private key, and the cell's secrets come from a store",
    where: "entry.tls.from",
    fix: "use cert-manager or existing, or a preset with the cloud's certificate (cloud)",
  });
}

function componentsOf(args: AgentStackArgs, hasTelemetry: boolean): string[] {
  const { browser, modelProxy, search, forwardProxy, telemetry } = args;
  const ownTelemetry = telemetry !== undefined && telemetryMode(telemetry) === TelemetryMode.Own;
  const withConsole = telemetry !== undefined && hasConsole(telemetry);
  const present: [string, boolean][] = [
    ["gateway", true],
    ["browser", browser !== undefined && browser.mode !== BrowserMode.Sidecar],
    ["model-proxy", modelProxy !== undefined],
    [
      "model-database",
      modelProxy !== undefined && (modelProxy.database?.kind ?? ModelDatabase.Own) === ModelDatabase.Own,
    ],
    ["model-cache", modelProxy?.cache?.kind === ModelCache.Own],
    ["search", search !== undefined],
    ["forward-proxy", forwardProxy !== undefined],
    ["message-broker", args.messaging !== undefined],
    ["message-relay", args.messaging !== undefined],
    ["message-redrive", args.messaging !== undefined],
    ["admin-access", args.adminAccess !== undefined],
    ["diagnostics", args.diagnostics !== undefined],
    ["telemetry-collector", hasTelemetry],
    ["telemetry-database", ownTelemetry],
    ["telemetry-console", withConsole],
    ["console-database", withConsole],
  ];
  return present.flatMap(([component, there]) => (there ? [component] : []));
}

/** The search service has a key of its own, which is good for its models alone. */
function withSearchKey(modelProxy: ModelProxyOptions, { search }: AgentStackArgs): ModelProxyOptions {
  const models = [search?.embeddingModel, search?.rerankModel].filter((model) => model !== undefined);
  if (models.length === 0) return modelProxy;
  return { ...modelProxy, agents: { main: {}, [SEARCH_AGENT]: { models }, ...modelProxy.agents } };
}

function assertSearch({ search = {}, modelProxy, externalSecrets }: AgentStackArgs, hasVault: boolean): void {
  planSearch(search, { vault: hasVault, modelProxy: modelProxy !== undefined, externalSecrets });
  const models = modelProxy?.models ?? {};
  for (const option of ["embeddingModel", "rerankModel"] as const) {
    const model = search[option];
    if (model === undefined) continue;
    const known = models[model];
    if (known !== undefined && (option !== "embeddingModel" || known.mode === ModelMode.Embedding)) continue;
    throw new ValidationFailed({
      what: known === undefined ? `the model proxy has no model ${model}` : `${model} is a chat model`,
      where: `search.${option}`,
      fix:
        known === undefined
          ? `use one of modelProxy.models: ${Object.keys(models).join(", ") || "none"}`
          : `name a model for embeddings, or set modelProxy.models.${model}.mode to embedding`,
    });
  }
}

function assertMessaging(
  { broker = {}, relay = {} }: MessagingOptions,
  { gateway, externalSecrets }: AgentStackArgs,
): void {
  const { storageBytes, maxPayloadBytes, subscribers } = planMessageBroker(broker, externalSecrets);
  planMessageRelay(relay, { storageBytes, maxPayloadBytes, subscribers, externalSecrets });
  const declared = Object.keys(gateway?.openclaw?.agents?.entries ?? {});
  const agents = declared.length === 0 ? [DEFAULT_AGENT] : declared;
  const { agent = DEFAULT_AGENT } = relay;
  if (agents.includes(agent)) return;
  throw new ValidationFailed({
    what: `the gateway has no agent ${agent}, and would refuse every message`,
    where: "messaging.relay.agent",
    fix: `name one that it has (${agents.join(", ")}), or declare it in gateway.openclaw.agents.entries`,
  });
}

/** Default deny would keep a model provider silent for ever. */
function assertProvidersReachable({ gateway, forwardProxy }: AgentStackArgs): void {
  const [id] = Object.keys(gateway?.openclaw?.models?.providers ?? {});
  if (id === undefined || forwardProxy !== undefined || (gateway?.egress ?? []).length > 0) return;
  throw new ValidationFailed({
    what: "the gateway can reach no provider outside of the cell",
    where: `gateway.openclaw.models.providers.${id}`,
    fix: "switch the forward proxy on, give gateway.egress rules, or use the model proxy",
  });
}

/** The public hosts of the model providers that the gateway asks itself. */
function providerHosts({ gateway }: AgentStackArgs): string[] {
  const providers = Object.values(gateway?.openclaw?.models?.providers ?? {});
  return publicNames(providers.map(({ baseUrl }) => hostOf(baseUrl)));
}

/** Without addresses, and without the cluster's own names, which resolve in any case. */
function publicNames(hosts: (string | undefined)[]): string[] {
  return hosts.filter(
    (host) => host !== undefined && isIP(host) === 0 && host.includes(".") && !/\.svc(\.|$)/.test(host),
  ) as string[];
}

/** A listener that is there twice, or for a part that is not there, would be forgotten without a word. */
function assertListeners(args: AgentStackArgs, components: string[]): void {
  const { forwardProxy, telemetry } = args;
  const listeners = forwardProxy?.listeners ?? [];
  const fail = (what: string, fix: string): never => {
    throw new ValidationFailed({ what, where: "forwardProxy.listeners", fix });
  };
  for (const { component } of listeners) {
    if (listeners.filter((other) => other.component === component).length > 1) {
      fail(`two listeners with component ${component}`, "put everything of a component in one listener");
    }
    if (component in LISTENER_PORTS && !components.includes(component)) {
      fail(`the cell has no ${component} that would use it`, "remove the listener, or switch that part on");
    }
  }
  if (forwardProxy === undefined || telemetry?.external === undefined) return;
  const { protocol, port } = new URL(telemetry.external.endpoint);
  const { allowedPorts = [443], plainHttp = false } =
    listeners.find(({ component }) => component === "telemetry-collector") ?? {};
  if (protocol === "https:" ? allowedPorts.includes(Number(port || 443)) : plainHttp && port === "") return;
  throw new ValidationFailed({
    what: "the forward proxy lets the collector through to port 443 by https alone",
    where: "telemetry.external.endpoint",
    fix: "add the component telemetry-collector to forwardProxy.listeners, with allowedPorts or plainHttp as the endpoint needs them",
  });
}

/** What each part may reach through the forward proxy: what its own options imply, and what the options of the proxy add. */
function listenersOf(
  args: AgentStackArgs,
  modelHosts: string[] | undefined,
  browserHosts: string[] | undefined,
): ForwardProxyListener[] {
  const { gateway, browser, telemetry } = args;
  // A browser in the gateway's Pod has the gateway's network, and so its port.
  const sidecar = browser?.mode === BrowserMode.Sidecar;
  const gatewayHosts = [
    ...channelHosts(gateway?.channels ?? {}),
    ...providerHosts(args),
    ...(sidecar ? (browserHosts ?? []) : []),
  ];
  const implied = new Map<string, string[]>([["gateway", gatewayHosts]]);
  if (modelHosts !== undefined) implied.set("model-proxy", modelHosts);
  if (browserHosts !== undefined && !sidecar) implied.set("browser", browserHosts);
  if (telemetry?.mode === TelemetryMode.External)
    implied.set("telemetry-collector", [new URL(telemetry.external?.endpoint ?? "").hostname]);
  // Its check is that the proxy refuses.
  if (args.diagnostics) implied.set("diagnostics", []);
  const added = args.forwardProxy?.listeners ?? [];
  for (const { component } of added) if (!implied.has(component)) implied.set(component, []);
  return [...implied].map(([component, hosts]) => {
    const more = added.find((listener) => listener.component === component);
    assertHostNames(more?.allowedHosts ?? [], `forwardProxy.listeners: ${component}`);
    return { ...more, component, allowedHosts: withoutCovered([...hosts, ...(more?.allowedHosts ?? [])]) };
  });
}

/** Names that parts reach without the forward proxy, and so have to resolve. */
function directHosts(args: AgentStackArgs): string[] {
  const { vault, modelProxy, telemetry, forwardProxy, adminAccess } = args;
  return publicNames([
    // The coordination server, and the relays that it names.
    adminAccess && ".tailscale.com",
    vault?.gitSync && hostOf(vault.gitSync.repository),
    modelProxy?.database?.external?.host,
    modelProxy?.cache?.external?.host,
    forwardProxy === undefined && telemetry?.external ? hostOf(telemetry.external.endpoint) : undefined,
    ...(forwardProxy === undefined ? providerHosts(args) : []),
  ]);
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

/** A StatefulSet's name and a hash of 10 characters are a label of its Pods, within 63 characters: `NAME-telemetry-collector` is the longest. */
const NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

function assertName(name: string): void {
  if (!NAME.test(name)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(name)} is no cell name`,
      where: "AgentStack's name",
      fix: "use at most 32 lower-case letters, digits and hyphens, beginning with a letter",
    });
  }
}
