import * as pulumi from "@pulumi/pulumi";
import { appTeamRole } from "./app-team-role";
import { Entry, planEntry, type EntryOptions, type EntryPlan } from "./entry";
import { Environment } from "./environment";
import { ValidationFailed } from "./errors";
import { sealedGateway } from "./gateway-secrets";
import { sealedGitSync, type GitSyncOptions } from "./git-sync";
import { planGateway } from "./gateway-plan";
import { OpenClawGateway, type GatewayOptions } from "./openclaw-gateway";
import { Tenancy, type TenancyOptions } from "./tenancy";
import { Vault, vaultClaim, type VaultVolumeOptions } from "./vault";

/** The vault of a cell. */
export interface VaultOptions extends VaultVolumeOptions {
  /** Create a vault. Default: true. */
  enabled?: boolean;
  /** Keep the vault in step with a git repository. Default: off. */
  gitSync?: GitSyncOptions;
}

/** Everything about one cell but the cluster, which is the provider's business. */
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
    const { labels, retain, hasVault, entry } = planAgentStack(name, args);

    const tenancy = new Tenancy(
      name,
      { ...args.tenancy, instance: name, namespace: args.namespace, labels, retain },
      { parent: this },
    );
    const common = { instance: name, namespace: tenancy.namespace, labels };
    const vault = hasVault
      ? new Vault(`${name}-vault`, { volume: args.vault?.volume, ...common, retain }, { parent: this })
      : undefined;
    const gateway = new OpenClawGateway(
      `${name}-gateway`,
      {
        ...args.gateway,
        ...common,
        environment: args.environment,
        publicOrigin: entry?.origin,
        trustedProxies: entry?.trustedProxies,
        serviceAnnotations: entry?.serviceAnnotations,
        vaultClaim: vault?.claim,
        vaultGitSync: args.vault?.gitSync,
        retain,
      },
      // No Pod before the quota, the limits and the default-deny policy are there. Everything else need not wait for them.
      { parent: this, transformations: [podsAfter(tenancy)] },
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

function podsAfter(dependsOn: pulumi.Resource): pulumi.ResourceTransformation {
  return ({ type, props, opts }) =>
    type === "kubernetes:apps/v1:StatefulSet" ? { props, opts: pulumi.mergeOptions(opts, { dependsOn }) } : undefined;
}

/** What follows from a cell's options for all of its parts. */
interface AgentStackPlan {
  labels: Record<string, string>;
  retain: boolean;
  hasVault: boolean;
  entry: EntryPlan | undefined;
}

/**
 * Checks everything about a cell that can be known before anything is created. AgentStack does so itself; a program
 * with several cells calls it for each of them first, so that one's mistake leaves the others untouched as well.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planAgentStack(name: string, args: AgentStackArgs): AgentStackPlan {
  assertName(name);
  const { environment, region, tenant, podCidrs = [], vault = {} } = args;
  const hasVault = vault.enabled ?? true;
  const entry = args.entry && planEntry(args.entry, podCidrs);
  if (hasVault) vaultClaim(vault);
  planGateway(args.gateway ?? {}, {
    environment,
    publicOrigin: entry?.origin,
    trustedProxies: entry?.trustedProxies,
    vault: hasVault,
    gitSync: vault.gitSync,
  });
  return {
    labels: {
      "clawfleet.dev/environment": environment,
      ...(region !== undefined && { "clawfleet.dev/region": region }),
      ...(tenant !== undefined && { "clawfleet.dev/tenant": tenant }),
    },
    retain: args.retain ?? environment === Environment.Prod,
    hasVault,
    entry,
  };
}

function sealedArgs({ gateway, vault, ...args }: AgentStackArgs): AgentStackArgs {
  return {
    ...args,
    ...(gateway && { gateway: sealedGateway(gateway) }),
    ...(vault && { vault: { ...vault, gitSync: vault.gitSync && sealedGitSync(vault.gitSync) } }),
  };
}

/** Object names are `NAME-gateway-config-HASH` at the longest, within the 63 characters of a label. */
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
