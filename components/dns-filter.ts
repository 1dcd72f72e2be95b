import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { isIPv6 } from "node:net";
import { immutableConfigMap } from "./config-map";
import { DNS_FILTER_POD_PORT, planDnsFilter, type DnsFilterOptions, type PlannedUpstream } from "./dns-filter-config";
import { objectLabels, Owner } from "./labels";
import { configHash } from "./config-hash";
import type { Endpoint, PartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import type { CompleteResources } from "./resources";
import { workload } from "./workload";

export interface DnsFilterArgs extends DnsFilterOptions, PartArgs {}

/** The `app.kubernetes.io/component` of the DNS filter. */
export const DNS_FILTER = "dns-filter";

/** The uid of the user of Blocky's image, which has no other. */
const BLOCKY_UID = 100;
const CONFIG_FILE = "config.yml";

/**
 * The cell's DNS filter (Blocky): the only resolver that its Pods may ask. A name that is not allowed does not exist.
 *
 * Alone it stops nobody who knows an address; that is the business of the NetworkPolicies and of the forward proxy.
 */
export class DnsFilter extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:DnsFilter";

  /** The address of its Service: a resolver has to be an address. */
  readonly address: pulumi.Output<string>;
  /** What the other parts take as `dns`. */
  readonly endpoint: Endpoint;

  constructor(name: string, args: DnsFilterArgs, opts?: pulumi.ComponentResourceOptions) {
    super(DnsFilter.__pulumiType, name, registeredArgs(args), opts);
    const instance = args.instance ?? name;
    const plan = planDnsFilter(args);
    const labels = objectLabels({ instance, component: DNS_FILTER, owner: Owner.Platform, extra: args.labels });
    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: configHash(plan.config), data: { [CONFIG_FILE]: plan.config } },
      this,
    );
    const { service } = workload(
      name,
      {
        // It asks the cluster's DNS itself.
        part: { ...args, dns: undefined },
        component: DNS_FILTER,
        kind: "Deployment",
        uid: BLOCKY_UID,
        replicas: plan.replicas,
        ports: ["UDP", "TCP"].map((protocol) => ({
          name: `dns-${protocol.toLowerCase()}`,
          port: 53,
          podPort: DNS_FILTER_POD_PORT,
          protocol,
        })),
        egress: plan.upstreams.map(toUpstream),
        containers: [blocky(plan.image, plan.resources)],
        volumes: [{ name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } }],
      },
      this,
    );
    if (service === undefined) throw new Error("a workload with ports has a Service");
    this.address = service.spec.clusterIP;
    this.endpoint = { component: DNS_FILTER, host: this.address, port: 53, podPort: DNS_FILTER_POD_PORT };
    this.registerOutputs({ address: this.address });
  }
}

function toUpstream({ address, port, protocols }: PlannedUpstream): types.input.networking.v1.NetworkPolicyEgressRule {
  return {
    to: [{ ipBlock: { cidr: `${address}/${isIPv6(address) ? "128" : "32"}` } }],
    ports: protocols.map((protocol) => ({ protocol, port })),
  };
}

function blocky(image: string, { requests, limits }: CompleteResources): types.input.core.v1.Container {
  // Blocky answers this name itself, over TCP, whatever becomes of its upstreams: restarting would not help those.
  const probe = {
    exec: { command: ["/app/blocky", "healthcheck", "--port", String(DNS_FILTER_POD_PORT)] },
    timeoutSeconds: 5,
  };
  return {
    name: "blocky",
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["--config", `/config/${CONFIG_FILE}`],
    // No metrics and no API: with them, whoever reaches the port could switch the filter off.
    ports: ["UDP", "TCP"].map((protocol) => ({
      name: `dns-${protocol.toLowerCase()}`,
      containerPort: DNS_FILTER_POD_PORT,
      protocol,
    })),
    resources: { requests, limits },
    securityContext: restrictedContainer(),
    startupProbe: { ...probe, periodSeconds: 2, failureThreshold: 30 },
    readinessProbe: { ...probe, periodSeconds: 10, failureThreshold: 2 },
    livenessProbe: { ...probe, periodSeconds: 20, failureThreshold: 4 },
    volumeMounts: [{ name: "config", mountPath: "/config", readOnly: true }],
  };
}
