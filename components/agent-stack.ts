import * as pulumi from "@pulumi/pulumi";
import { sealedAdminAccess, type AdminAccessOptions } from "./admin-access";
import { AgentStackParts } from "./agent-stack-parts";
import { planAgentStack } from "./agent-stack-plan";
import { appTeamRole } from "./app-team-role";
import type { BrowserOptions } from "./browser";
import type { DiagnosticsOptions } from "./diagnostics";
import type { DnsFilterOptions } from "./dns-filter-config";
import { Entry, type EntryOptions } from "./entry";
import type { Environment } from "./environment";
import type { ExternalSecretsOptions } from "./external-secrets";
import type { ForwardProxyOptions } from "./forward-proxy";
import { sealedGateway } from "./gateway-secrets";
import { sealedGitSync, type GitSyncOptions } from "./git-sync";
import { sealedMessageBroker, type MessageBrokerOptions } from "./message-broker";
import { sealedMessageRelay } from "./message-relay";
import type { MessageRelayOptions } from "./message-relay-plan";
import { sealedModelProxy } from "./model-proxy";
import type { ModelProxyOptions } from "./model-proxy-options";
import { OpenClawGateway, type GatewayOptions } from "./openclaw-gateway";
import type { SchedulingOptions } from "./scheduling";
import type { SearchOptions } from "./search";
import { sealed } from "./secrets";
import { sealedTelemetry, type TelemetryOptions } from "./telemetry";
import { Tenancy, type TenancyOptions } from "./tenancy";
import { Vault, type VaultVolumeOptions } from "./vault";

export { planAgentStack } from "./agent-stack-plan";

/** The vault of a cell. */
export interface VaultOptions extends VaultVolumeOptions {
  /** Create a vault. Default: true. */
  enabled?: boolean;
  /** Keep the vault in step with a git repository. Default: off. */
  gitSync?: GitSyncOptions;
}

/** The messaging of a cell. */
export interface MessagingOptions {
  /** NATS: the streams, and who may publish and take events. */
  broker?: MessageBrokerOptions;
  /** Bento: it hands messages to the gateway's agent. */
  relay?: MessageRelayOptions;
}

/** Everything about one cell but the cluster, which is the provider's business. A part that has no options here is not there. */
export interface AgentStackArgs {
  /** The stage of promotion: it decides defaults, is a label, and is shown in the Control UI. */
  environment: Environment;
  /** The region, as a label. Default: none. */
  region?: string;
  /** The tenant whose agents run here, as a label: one gateway serves one tenant. Default: none. */
  tenant?: string;
  /** The namespace to create. Default: the component's name. */
  namespace?: string;
  /** The Pod CIDRs of the cluster; an entry's proxy that runs in the cluster has its address from there. Default: none. */
  podCidrs?: string[];
  /** What the cell may use, and who may change it. */
  tenancy?: TenancyOptions;
  /** The OpenClaw gateway: its config, image, size, secrets and what it may reach. */
  gateway?: GatewayOptions;
  /** The way in from outside of the cluster. Default: none: port-forward only. */
  entry?: EntryOptions;
  /** The vault of notes. */
  vault?: VaultOptions;
  /** Chromium, which agents browse with. Default: none. */
  browser?: BrowserOptions;
  /** LiteLLM, which holds the model providers' keys. Default: none: the gateway asks providers itself, with keys of its own. */
  modelProxy?: ModelProxyOptions;
  /** Hybrid search over the vault. Default: none: OpenClaw's built-in memory search alone. */
  search?: SearchOptions;
  /** The resolver of every Pod of the cell, which knows allowed names alone. Default: none: the cluster's DNS. */
  dnsFilter?: DnsFilterOptions;
  /** The way to the internet, by host names. What the parts need by their own options is allowed already; `listeners` adds to it. Default: none: only what `egress` rules open. */
  forwardProxy?: ForwardProxyOptions;
  /** The message broker and its relay: messages for the agents that survive every restart. Default: none. */
  messaging?: MessagingOptions;
  /** Tailscale SSH for operators. Default: none. */
  adminAccess?: AdminAccessOptions;
  /** Checks from within the cell, every 15 minutes. Default: none. */
  diagnostics?: DiagnosticsOptions;
  /** Traces, metrics and logs of all parts, with alerts. Default: none. */
  telemetry?: TelemetryOptions;
  /** The store that secrets come from, by External Secrets Operator. Default: none: generated or given. */
  externalSecrets?: ExternalSecretsOptions;
  /** Where all Pods may run, and how important they are; what `gateway.scheduling` says wins for the gateway. */
  scheduling?: SchedulingOptions;
  /** Keep the volumes, and the namespace that holds them, when the stack is destroyed; a later `pulumi up` takes them over again. Default: true in prod, false elsewhere. */
  retain?: boolean;
}

/**
 * The OpenClaw agent stack on one cluster for one tenant: a cell.
 *
 * The cluster is chosen by `opts.provider`, a Kubernetes provider with an explicit `clusterIdentifier`.
 */
export class AgentStack extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:AgentStack";

  /** The namespace that everything is in. */
  readonly namespace: pulumi.Output<string>;
  /** The gateway's Service. */
  readonly service: pulumi.Output<string>;
  /** Where clients reach the gateway: the entry's URL, or the one within the cluster. */
  readonly url: pulumi.Output<string>;
  /** The gateway's token; a secret. Empty when it is an existing Secret. */
  readonly token: pulumi.Output<string>;
  /** PEM of the authority that clients have to trust; empty when the certificate is not ours. */
  readonly caCertificate: pulumi.Output<string>;
  /** The hash of OpenClaw's config. */
  readonly configHash: pulumi.Output<string>;

  constructor(name: string, args: AgentStackArgs, opts?: pulumi.ComponentResourceOptions) {
    super(AgentStack.__pulumiType, name, sealedArgs(args), opts);
    const plan = planAgentStack(name, args);
    const { labels, retain, entry } = plan;

    const tenancy = new Tenancy(
      name,
      { ...args.tenancy, instance: name, namespace: args.namespace, labels, retain },
      { parent: this },
    );
    const common = { instance: name, namespace: tenancy.namespace, labels };
    // No Pod before the quota, the limits and the default-deny policy are there. Everything else need not wait for them.
    const withPods = { parent: this, transformations: [podsAfter(tenancy)] };
    const vault = plan.hasVault
      ? new Vault(`${name}-vault`, { volume: args.vault?.volume, ...common, retain }, { parent: this })
      : undefined;
    const parts = new AgentStackParts(name, args, plan, { ...common, retain, vaultClaim: vault?.claim }, withPods);
    const gateway = new OpenClawGateway(
      `${name}-gateway`,
      {
        ...args.gateway,
        ...parts.common,
        ...parts.connections,
        scheduling: args.gateway?.scheduling ?? args.scheduling,
        clients: parts.clientsOfGateway,
        environment: args.environment,
        publicOrigin: entry?.origin,
        trustedProxies: entry?.trustedProxies,
        serviceAnnotations: entry?.serviceAnnotations,
        vaultClaim: vault?.claim,
        vaultGitSync: args.vault?.gitSync,
      },
      withPods,
    );
    const entryPoint =
      args.entry &&
      new Entry(
        `${name}-entry`,
        { ...args.entry, ...common, service: gateway.service, podCidrs: args.podCidrs },
        { parent: this },
      );
    if (args.tenancy?.appTeamGroups !== undefined && args.tenancy.appTeamGroups.length > 0) {
      appTeamRole(
        `${name}-app-team`,
        {
          ...common,
          groups: args.tenancy.appTeamGroups,
          owned: { statefulSets: [gateway.statefulSet], configMaps: [gateway.configMap], services: [gateway.service] },
        },
        this,
      );
    }

    this.namespace = tenancy.namespace;
    this.service = gateway.service;
    this.url = entryPoint?.url ?? gateway.url;
    this.token = gateway.token;
    this.caCertificate = entryPoint?.caCertificate ?? pulumi.output("");
    this.configHash = gateway.configHash;
    this.registerOutputs({
      namespace: this.namespace,
      service: this.service,
      url: this.url,
      configHash: this.configHash,
    });
  }
}

/** The kinds that run Pods. */
const WORKLOAD = /^kubernetes:(apps\/v1:(StatefulSet|Deployment)|batch\/v1:(Job|CronJob))$/;

function podsAfter(dependsOn: pulumi.Resource): pulumi.ResourceTransformation {
  return ({ type, props, opts }) =>
    WORKLOAD.test(type) ? { props, opts: pulumi.mergeOptions(opts, { dependsOn }) } : undefined;
}

function sealedArgs(args: AgentStackArgs): AgentStackArgs {
  const { gateway, vault, modelProxy, search, telemetry, messaging, adminAccess } = args;
  return {
    ...args,
    ...(adminAccess && { adminAccess: sealedAdminAccess(adminAccess) }),
    ...(messaging && {
      messaging: {
        broker: messaging.broker && sealedMessageBroker(messaging.broker),
        relay: messaging.relay && sealedMessageRelay(messaging.relay),
      },
    }),
    ...(gateway && { gateway: sealedGateway(gateway) }),
    ...(vault && { vault: { ...vault, gitSync: vault.gitSync && sealedGitSync(vault.gitSync) } }),
    ...(modelProxy && { modelProxy: sealedModelProxy(modelProxy) }),
    ...(search && { search: { ...search, token: search.token && sealed(search.token) } }),
    ...(telemetry && { telemetry: sealedTelemetry(telemetry) }),
  };
}
