import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { ciliumEgress } from "./cilium-egress";
import { NotFound, ValidationFailed } from "./errors";
import {
  ForwardProxyLog,
  planListeners,
  spellingsOf,
  squidConfig,
  type ForwardProxyListener,
  type InternalDestination,
  type PlannedListener,
} from "./forward-proxy-config";
import { withoutCovered } from "./host-names";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { egressTo, egressToPart } from "./network";
import { configHash } from "./config-hash";
import { endpointUrl, type Endpoint, type PartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import { dnsOf } from "./confinement";
import { workload } from "./workload";

/** What a team may tune of its forward proxy. */
export interface ForwardProxyOptions {
  /** Who uses it, and what each of them may reach: a port for each. Default: `gateway`, which may reach nothing. */
  listeners?: ForwardProxyListener[];
  /** Opens the internet by Cilium's FQDN policy instead of a NetworkPolicy for every public address: needs Cilium with its DNS proxy as the cluster's network. Default: false. */
  ciliumFqdnPolicy?: boolean;
  /** What it writes to standard output. Default: `all`. */
  log?: ForwardProxyLog;
  /** How many Pods. Default: 2. */
  replicas?: number;
  /** Requests and limits. Default: 50m and 64Mi, up to 1 CPU and 256Mi; it was measured at 27 (6.13) to 55 MiB (5.7) idle. */
  resources?: ResourceOptions;
  /** Image to run, with tag and digest. Default: `squid` of components/images.json. */
  image?: string;
}

export interface ForwardProxyArgs extends ForwardProxyOptions, PartArgs {}

/** The `app.kubernetes.io/component` of the forward proxy. */
export const FORWARD_PROXY = "forward-proxy";

/** User `proxy` of Debian and Ubuntu, which the image is made of. */
const PROXY_UID = 13;
const CONFIG_FILE = "squid.conf";

const RESOURCES: Required<ResourceOptions> = {
  requestsCpu: "50m",
  requestsMemory: "64Mi",
  limitsCpu: "1",
  limitsMemory: "256Mi",
  limitsEphemeralStorage: "64Mi",
};

/** The options with their defaults, checked. */
export interface ForwardProxyPlan {
  image: string;
  listeners: PlannedListener[];
  log: ForwardProxyLog;
  replicas: number;
  resources: CompleteResources;
  /** The public hosts that any listener allows: what the cell's DNS filter has to resolve. */
  hosts: string[];
  /** The ports of the internet that any listener allows. */
  ports: number[];
}

/**
 * Completes the options of a forward proxy.
 * @throws ValidationFailed for listeners that contradict each other, and for what is no host name or port.
 */
export function planForwardProxy(options: ForwardProxyOptions = {}): ForwardProxyPlan {
  const listeners = planListeners(options.listeners ?? [{ component: "gateway" }]);
  if (listeners.length === 0) {
    throw new ValidationFailed({
      what: "the list is empty: a proxy that nobody uses",
      where: "forwardProxy.listeners",
      fix: "name the components that use it, or switch the forward proxy off",
    });
  }
  const replicas = options.replicas ?? 2;
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new ValidationFailed({
      what: `replicas is ${String(replicas)}`,
      where: "forwardProxy.replicas",
      fix: "use 1 or more, or switch the forward proxy off",
    });
  }
  const outward = listeners.filter(({ allowedHosts }) => allowedHosts.length > 0);
  const ports = outward.flatMap(({ allowedPorts, plainHttp }) => [...allowedPorts, ...(plainHttp ? [80] : [])]);
  return {
    image: resolveImage("squid", options.image, "forwardProxy.image"),
    listeners,
    log: options.log ?? ForwardProxyLog.All,
    replicas,
    resources: completeResources(options.resources ?? {}, RESOURCES, "forwardProxy.resources"),
    hosts: withoutCovered(outward.flatMap(({ allowedHosts }) => allowedHosts)),
    ports: [...new Set(ports)].sort((a, b) => a - b),
  };
}

/**
 * The cell's way to the internet (Squid): a port for each component that uses it, and for each port the hosts that may be
 * reached by name. The NetworkPolicy decides who reaches which port, and so binds a list to a component.
 *
 * It sees the name that a client asks it for and not what is inside TLS: where several sites share an address, a client
 * that lies about its destination within TLS reaches another site of the same address.
 */
export class ForwardProxy extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:ForwardProxy";

  /** The Service's name. */
  readonly service: pulumi.Output<string>;
  /** Where each component finds its port, by component. */
  readonly endpoints: Record<string, Endpoint>;

  constructor(name: string, args: ForwardProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super(ForwardProxy.__pulumiType, name, registeredArgs(args), opts);
    const instance = args.instance ?? name;
    const plan = planForwardProxy(args);
    if (args.clients !== undefined && args.clients.length > 0) {
      throw new ValidationFailed({
        what: "clients has no meaning for a forward proxy: each listener has a component of its own",
        where: "forwardProxy.clients",
        fix: "name the components in forwardProxy.listeners",
      });
    }
    const labels = objectLabels({ instance, component: FORWARD_PROXY, owner: Owner.Platform, extra: args.labels });
    const text = internalDestinations(plan.listeners, args.namespace).apply((internal) =>
      squidConfig(plan.listeners, { log: plan.log, internal }),
    );
    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: text.apply(configHash), data: { [CONFIG_FILE]: text } },
      this,
    );
    const toPublic = plan.hosts.length === 0 || args.ciliumFqdnPolicy ? [] : [{ cidr: "0.0.0.0/0", ports: plan.ports }];
    const internal = plan.listeners.flatMap((listener) => listener.internal);
    const { service } = workload(
      name,
      {
        part: args,
        component: FORWARD_PROXY,
        kind: "Deployment",
        uid: PROXY_UID,
        replicas: plan.replicas,
        ports: plan.listeners.map(({ component, port }) => ({ name: component, port, clients: [component] })),
        egress: [
          ...egressTo(toPublic, "forwardProxy"),
          ...internal.map((endpoint) => egressToPart(instance, endpoint)),
        ],
        containers: [squid(plan)],
        volumes: [
          { name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } },
          // Squid lays tables out there that several processes of it would share; it counts as memory.
          { name: "shm", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
        ],
        // Squid asks for full names almost alone: no detour over the search list.
        podSpec: dnsOf(args.dns, args.namespace, 1),
      },
      this,
    );
    if (args.ciliumFqdnPolicy && plan.hosts.length > 0) {
      const { hosts, ports } = plan;
      ciliumEgress(
        `${name}-fqdn`,
        { namespace: args.namespace, instance, component: FORWARD_PROXY, labels, dns: args.dns, hosts, ports },
        this,
      );
    }
    if (service === undefined) throw new Error("a workload with ports has a Service");
    const host = service.metadata.name;
    this.service = host;
    this.endpoints = Object.fromEntries(
      plan.listeners.map(({ component, port }) => [component, { component: FORWARD_PROXY, host, port }]),
    );
    this.registerOutputs({ service: this.service });
  }

  /**
   * Where a component finds its port.
   * @throws NotFound for a component without a listener.
   */
  endpointFor(component: string): Endpoint {
    const endpoint = this.endpoints[component];
    if (endpoint !== undefined) return endpoint;
    throw new NotFound({
      what: `the forward proxy has no port for ${component}`,
      where: "forwardProxy.listeners",
      fix: "add a listener for it",
    });
  }
}

/**
 * The environment variables by which programs find a forward proxy, in both cases: there is no standard.
 * @param direct hosts that are reached without it, as NO_PROXY has them: `.svc`, `10.0.0.1`; loopback always is.
 */
export function forwardProxyEnv(endpoint: Endpoint, direct: string[] = []): types.input.core.v1.EnvVar[] {
  const url = endpointUrl(endpoint);
  const noProxy = ["127.0.0.1", "::1", "localhost", ...direct].join(",");
  return ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => {
    const value = name === "NO_PROXY" ? noProxy : url;
    return [
      { name, value },
      { name: name.toLowerCase(), value },
    ];
  });
}

/** The internal endpoints of all listeners, once the addresses of their Services are known. */
function internalDestinations(
  listeners: PlannedListener[],
  namespace: pulumi.Input<string>,
): pulumi.Output<Record<string, InternalDestination[]>> {
  const byComponent = listeners.map(({ component, internal }) => ({
    component,
    endpoints: internal.map(({ host, port }) => ({ host, port })),
  }));
  return pulumi
    .all([byComponent, namespace])
    .apply(([known, ns]) =>
      Object.fromEntries(
        known.map(({ component, endpoints }) => [
          component,
          endpoints.map(({ host, port }) => ({ hosts: spellingsOf(host, ns), port })),
        ]),
      ),
    );
}

function squid({ image, listeners, resources }: ForwardProxyPlan): types.input.core.v1.Container {
  const probe = { tcpSocket: { port: listeners[0]?.port ?? 0 }, timeoutSeconds: 3 };
  return {
    name: "squid",
    image,
    imagePullPolicy: "IfNotPresent",
    // Not by the image's entry point, which wants to be root. -N: in the foreground, one process; -d 1: errors to standard error.
    command: ["/usr/sbin/squid", "-N", "-d", "1", "-f", `/config/${CONFIG_FILE}`],
    ports: listeners.map(({ port }) => ({ containerPort: port, protocol: "TCP" })),
    resources: { requests: resources.requests, limits: resources.limits },
    securityContext: restrictedContainer(),
    startupProbe: { ...probe, periodSeconds: 2, failureThreshold: 30 },
    readinessProbe: { ...probe, periodSeconds: 10, failureThreshold: 2 },
    livenessProbe: { ...probe, periodSeconds: 20, failureThreshold: 4 },
    volumeMounts: [
      { name: "config", mountPath: "/config", readOnly: true },
      { name: "shm", mountPath: "/dev/shm" },
    ],
  };
}
