import { isIP } from "node:net";
import { planAdminAccess } from "./admin-access";
import type { AgentStackArgs, MessagingOptions } from "./agent-stack";
import { BrowserMode, planBrowser } from "./browser";
import { channelHosts } from "./channels";
import { planDiagnostics } from "./diagnostics";
import type { DnsFilterOptions } from "./dns-filter-config";
import { planDnsFilter } from "./dns-filter-config";
import { TlsFrom } from "./certificate";
import { planEntry, type EntryPlan } from "./entry";
import { Environment } from "./environment";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { FORWARD_PROXY, planForwardProxy } from "./forward-proxy";
import type { ForwardProxyListener } from "./forward-proxy-config";
import { planGateway } from "./gateway-plan";
import { assertHostNames, withoutCovered } from "./host-names";
import { planMessageBroker } from "./message-broker";
import { planMessageRelay } from "./message-relay-plan";
import { ModelCache, ModelDatabase, ModelMode, type ModelProxyOptions } from "./model-proxy-options";
import { planModelProxy } from "./model-proxy-plan";
import type { OpenClawModel } from "./openclaw/options";
import { planSearch } from "./search-plan";
import { planTelemetry } from "./telemetry";
import { TelemetryMode } from "./telemetry-mode";
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
  if (args.messaging) assertMessaging(args.messaging, externalSecrets);
  if (args.adminAccess) planAdminAccess(args.adminAccess, externalSecrets);
  if (args.diagnostics) planDiagnostics(args.diagnostics);
  if (args.search)
    assertSearch(
      args,
      hasVault,
      models.map(([id]) => id),
    );
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
      hooks: args.messaging !== undefined,
    },
  });

  const listeners = forwardProxy ? listenersOf(args, modelPlan?.allowedHosts, browser?.allowedHosts) : [];
  if (forwardProxy) planForwardProxy({ ...args.forwardProxy, listeners });
  const dnsFilter = args.dnsFilter && {
    ...args.dnsFilter,
    allow: withoutCovered([
      ...(args.dnsFilter.allow ?? []),
      ...(forwardProxy ? planForwardProxy({ ...args.forwardProxy, listeners }).hosts : []),
      ...directHosts(args),
    ]),
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
    components: componentsOf(args, hasTelemetry),
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
  const ownTelemetry = hasTelemetry && (telemetry?.mode ?? TelemetryMode.Own) === TelemetryMode.Own;
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
    ["telemetry-console", ownTelemetry && (telemetry?.consoleEnabled ?? true)],
    ["console-database", ownTelemetry && (telemetry?.consoleEnabled ?? true)],
  ];
  return present.flatMap(([component, there]) => (there ? [component] : []));
}

/** The search service has a key of its own, which is good for its models alone. */
function withSearchKey(modelProxy: ModelProxyOptions, { search }: AgentStackArgs): ModelProxyOptions {
  const models = [search?.embeddingModel, search?.rerankModel].filter((model) => model !== undefined);
  if (models.length === 0) return modelProxy;
  return { ...modelProxy, agents: { main: {}, [SEARCH_AGENT]: { models }, ...modelProxy.agents } };
}

function assertSearch(
  { search = {}, modelProxy, externalSecrets }: AgentStackArgs,
  hasVault: boolean,
  models: string[],
): void {
  planSearch(search, { vault: hasVault, modelProxy: modelProxy !== undefined, externalSecrets });
  for (const option of ["embeddingModel", "rerankModel"] as const) {
    const model = search[option];
    if (model === undefined || models.includes(model)) continue;
    throw new ValidationFailed({
      what: `the model proxy has no model ${model}`,
      where: `search.${option}`,
      fix: `use one of modelProxy.models: ${models.join(", ") || "none"}`,
    });
  }
}

function assertMessaging(
  { broker = {}, relay = {} }: MessagingOptions,
  externalSecrets?: ExternalSecretsOptions,
): void {
  const { storageBytes, maxPayloadBytes, subscribers } = planMessageBroker(broker, externalSecrets);
  planMessageRelay(relay, { storageBytes, maxPayloadBytes, subscribers, externalSecrets });
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
  const gatewayHosts = [...channelHosts(gateway?.channels ?? {}), ...(sidecar ? (browserHosts ?? []) : [])];
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
function directHosts({ vault, modelProxy, telemetry, forwardProxy, adminAccess }: AgentStackArgs): string[] {
  const hosts = [
    // The coordination server, and the relays that it names.
    adminAccess && ".tailscale.com",
    vault?.gitSync && hostOf(vault.gitSync.repository),
    modelProxy?.database?.external?.host,
    modelProxy?.cache?.external?.host,
    forwardProxy === undefined && telemetry?.external ? hostOf(telemetry.external.endpoint) : undefined,
  ];
  // The cluster's own names resolve in any case.
  return hosts.filter(
    (host) => host !== undefined && isIP(host) === 0 && host.includes(".") && !/\.svc(\.|$)/.test(host),
  ) as string[];
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
