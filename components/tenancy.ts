import * as pulumi from "@pulumi/pulumi";
import { LimitRange, Namespace, ResourceQuota } from "@pulumi/kubernetes/core/v1";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { objectLabels, Owner } from "./labels";

/** How much a cell may use in all. A Pod that would exceed it is refused by the API server. */
export interface QuotaOptions {
  /** Sum of CPU requests, in cores. Default: 4. */
  requestsCpu?: string;
  /** Sum of memory requests. Default: `12Gi`. */
  requestsMemory?: string;
  /** Sum of CPU limits, in cores. Default: 32. */
  limitsCpu?: string;
  /** Sum of memory limits. Default: `32Gi`. */
  limitsMemory?: string;
  /** Sum of ephemeral storage limits. Default: `30Gi`. */
  limitsEphemeralStorage?: string;
  /** Sum of the sizes of all volume claims. Default: `100Gi`. */
  requestsStorage?: string;
  /** Number of Pods. Default: 40. */
  pods?: number;
  /** Number of volume claims. Default: 15. */
  persistentVolumeClaims?: number;
}

/** What a team may tune of its cell's tenancy. */
export interface TenancyOptions {
  /** What all Pods and claims of the cell may use together. */
  quota?: QuotaOptions;
  /** Groups that get the app team's Role: change what the app owns, read the rest, see no Secret. Default: none. */
  appTeamGroups?: string[];
}

export interface TenancyArgs extends TenancyOptions {
  /** The cell that the namespace belongs to. Default: the component's name. */
  instance?: string;
  /** The namespace's name. Default: the component's name. */
  namespace?: string;
  /** Labels for every object, for example tenant and region. */
  labels?: Record<string, string>;
  /** Keep the Namespace when the stack is destroyed. Needed when anything in it is kept. Default: false. */
  retain?: boolean;
}

/**
 * A namespace with everything that keeps it apart from others: the `restricted` Pod Security level, a quota, default
 * resources, and no traffic in or out until a policy allows it. All of it is owned by the platform team.
 */
export class Tenancy extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Tenancy";

  /** The namespace's name. */
  readonly namespace: pulumi.Output<string>;

  constructor(name: string, args: TenancyArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Tenancy.__pulumiType, name, args, opts);
    const labels = objectLabels({
      instance: args.instance ?? name,
      component: "tenancy",
      owner: Owner.Platform,
      extra: args.labels,
    });

    const namespace = new Namespace(
      name,
      { metadata: { name: args.namespace ?? name, labels: { ...labels, ...podSecurityLabels() } } },
      { parent: this, retainOnDelete: args.retain ?? false },
    );
    const metadata = (suffix: string) => ({ name: suffix, namespace: namespace.metadata.name, labels });

    new ResourceQuota(
      `${name}-quota`,
      { metadata: metadata("quota"), spec: { hard: quota(args.quota ?? {}) } },
      { parent: this },
    );
    new LimitRange(
      `${name}-limits`,
      { metadata: metadata("limits"), spec: { limits: [CONTAINER_DEFAULTS] } },
      { parent: this },
    );
    new NetworkPolicy(
      `${name}-default-deny`,
      { metadata: metadata("default-deny"), spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] } },
      { parent: this },
    );

    this.namespace = namespace.metadata.name;
    this.registerOutputs({ namespace: this.namespace });
  }
}

function podSecurityLabels(): Record<string, string> {
  const modes = ["enforce", "audit", "warn"];
  return Object.fromEntries(
    modes.flatMap((mode) => [
      [`pod-security.kubernetes.io/${mode}`, "restricted"],
      [`pod-security.kubernetes.io/${mode}-version`, "latest"],
    ]),
  );
}

function quota(options: QuotaOptions): Record<string, string> {
  return {
    "requests.cpu": options.requestsCpu ?? "4",
    "requests.memory": options.requestsMemory ?? "12Gi",
    "limits.cpu": options.limitsCpu ?? "32",
    "limits.memory": options.limitsMemory ?? "32Gi",
    "limits.ephemeral-storage": options.limitsEphemeralStorage ?? "30Gi",
    "requests.storage": options.requestsStorage ?? "100Gi",
    pods: String(options.pods ?? 40),
    persistentvolumeclaims: String(options.persistentVolumeClaims ?? 15),
    // An entry point is an Ingress or a Gateway, never a Service that opens a port of its own.
    "services.loadbalancers": "0",
    "services.nodeports": "0",
  };
}

/** For Pods that say nothing themselves; every container of this package does. */
const CONTAINER_DEFAULTS = {
  type: "Container",
  defaultRequest: { cpu: "50m", memory: "64Mi", "ephemeral-storage": "64Mi" },
  default: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "512Mi" },
};
