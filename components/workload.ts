import type * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { Deployment, StatefulSet } from "@pulumi/kubernetes/apps/v1";
import { Service } from "@pulumi/kubernetes/core/v1";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1";
import { confine } from "./confinement";
import { podsOf } from "./network";
import type { PartArgs } from "./part";

/** A port that a part's Service has, and its Pods too. */
export interface WorkloadPort {
  name: string;
  /** The port of the Service. */
  port: number;
  /** The container's port. Default: the same. */
  podPort?: number;
  /** `TCP` or `UDP`. Default: `TCP`. */
  protocol?: string;
  /** The components whose Pods may connect. Default: the part's `clients`. */
  clients?: string[];
}

/** What a part is made of, beside its config and its secrets. */
export interface WorkloadArgs {
  /** What the part's component was given. */
  part: PartArgs;
  /** `app.kubernetes.io/component`. */
  component: string;
  /** A StatefulSet for whatever is the single writer of a volume. */
  kind: "Deployment" | "StatefulSet";
  /** The uid, gid and fsGroup of its image's user. */
  uid: number;
  /** How many Pods. Default: 1. */
  replicas?: number;
  containers: types.input.core.v1.Container[];
  initContainers?: types.input.core.v1.Container[];
  volumes?: types.input.core.v1.Volume[];
  /** Default: none, and so no Service. */
  ports?: WorkloadPort[];
  /** What its Pods may reach beside DNS. Default: nothing. */
  egress?: types.input.networking.v1.NetworkPolicyEgressRule[];
  /** Annotations of its Pods, for example the versions of its secrets. Default: none. */
  podAnnotations?: Record<string, pulumi.Input<string>>;
  /** Seconds between SIGTERM and SIGKILL. Default: 30. */
  terminationGracePeriodSeconds?: number;
  /** Fields of the Pod's spec that only this part needs. */
  podSpec?: Partial<types.input.core.v1.PodSpec>;
  /** What has to exist before its Pods. */
  dependsOn?: pulumi.Resource[];
}

/** The objects that others refer to. */
export interface Workload {
  /** The Service; undefined without ports. */
  service: Service | undefined;
  controller: Deployment | StatefulSet;
}

/**
 * A part's ServiceAccount (without a token), NetworkPolicy in both directions, PodDisruptionBudget, Service and Pods,
 * hardened as everything here is. All of them are named `name`.
 */
export function workload(name: string, args: WorkloadArgs, parent: pulumi.Resource): Workload {
  const { part, component, uid, ports = [], replicas = 1 } = args;
  const ingress = ingressOf(part.instance ?? name, ports, part.clients ?? []);
  const confinement = confine(name, { part, component, uid, ingress, egress: args.egress }, parent);
  const { metadata, policy } = confinement;
  const selector = { matchLabels: confinement.selector };
  new PodDisruptionBudget(
    name,
    // One replica: minAvailable 1 would block every node drain for ever.
    { metadata, spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector } },
    { parent },
  );
  const service =
    ports.length === 0
      ? undefined
      : new Service(
          name,
          {
            // Endpoints come with the Pods, whose readiness is waited for; waiting here as well costs 10 s.
            metadata: { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } },
            spec: {
              type: "ClusterIP",
              selector: selector.matchLabels,
              ports: ports.map(({ name: portName, port, podPort, protocol = "TCP" }) => ({
                name: portName,
                port,
                targetPort: podPort ?? port,
                protocol,
              })),
            },
          },
          { parent },
        );
  const template = {
    metadata: { labels: metadata.labels, ...(args.podAnnotations && { annotations: args.podAnnotations }) },
    spec: {
      ...confinement.podSpec,
      terminationGracePeriodSeconds: args.terminationGracePeriodSeconds ?? 30,
      ...(replicas > 1 && { topologySpreadConstraints: [spread(selector)] }),
      ...args.podSpec,
      ...(args.initContainers && { initContainers: args.initContainers }),
      containers: args.containers,
      volumes: args.volumes ?? [],
    },
  };
  // The Pods must not run for a moment before the policy that confines them.
  const opts = { parent, dependsOn: [policy, ...(args.dependsOn ?? [])] };
  const controller =
    args.kind === "Deployment"
      ? new Deployment(name, { metadata, spec: { replicas, selector, template } }, opts)
      : new StatefulSet(name, { metadata, spec: { replicas, serviceName: name, selector, template } }, opts);
  return { service, controller };
}

function ingressOf(
  instance: string,
  ports: WorkloadPort[],
  defaultClients: string[],
): types.input.networking.v1.NetworkPolicyIngressRule[] {
  return ports
    .map(({ port, podPort, protocol = "TCP", clients = defaultClients }) => ({
      from: clients.map((client) => podsOf(instance, client)),
      ports: [{ protocol, port: podPort ?? port }],
    }))
    .filter(({ from }) => from.length > 0); // an empty list would mean everyone
}

function spread(labelSelector: { matchLabels: Record<string, string> }): types.input.core.v1.TopologySpreadConstraint {
  return { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway", labelSelector };
}
