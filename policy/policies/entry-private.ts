import { inspect, type Field, type Problems } from "../kubernetes/field";
import { checkClassRules, INTERNAL_ANNOTATIONS, isInternal, TLS_RULES } from "../kubernetes/load-balancers";
import type { ResourcePolicy } from "../kubernetes/policy";
import { kubernetesType } from "../kubernetes/resource-type";

interface Config {
  /** Hosts that may be served, each exact or as `*.example.com`. Default: any. */
  allowedHosts?: string[];
  /** Whether a Service may have a load balancer, if an annotation makes it an internal one. */
  internalLoadBalancers: boolean;
  /** Annotations by which an Ingress names a certificate that is kept outside of the cluster. */
  certificateAnnotations: string[];
}

export const entryPrivate: ResourcePolicy = {
  name: "entry-private",
  description: "Services stay inside the cluster; what comes in has an exact host name and TLS.",
  why: "What is reachable without a name or without TLS is found by whoever scans addresses, and read on the way.",
  severity: "high",
  remediationSteps: "Use a ClusterIP Service behind an Ingress or an HTTPRoute with one host and its certificate.",
  url: "https://kubernetes.io/docs/concepts/services-networking/ingress/#tls",
  configSchema: {
    properties: {
      allowedHosts: {
        type: "array",
        items: { type: "string", minLength: 1 },
        minItems: 1,
        description: "Hosts that may be served, each exact or as *.example.com. Default: any.",
      },
      internalLoadBalancers: {
        type: "boolean",
        default: false,
        description: "Services may have a load balancer, if an annotation makes it an internal one.",
      },
      certificateAnnotations: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["alb.ingress.kubernetes.io/certificate-arn", "networking.gke.io/managed-certificates"],
        description: "Annotations by which an Ingress names a certificate that is kept outside of the cluster.",
      },
    },
  },
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    const check = CHECKS[`${group}:${kind}`];
    if (check !== undefined) inspect(args, report, (resource) => check(resource, args.getConfig<Config>()));
  },
};

const CHECKS: Partial<Record<string, (resource: Field, config: Config) => void>> = {
  "core:Service": checkService,
  "networking.k8s.io:Ingress": checkIngress,
  "extensions:Ingress": checkIngress,
  "gateway.networking.k8s.io:Gateway": checkGateway,
  "gateway.networking.k8s.io:HTTPRoute": checkRoute,
  "gateway.networking.k8s.io:GRPCRoute": checkRoute,
  "gateway.networking.k8s.io:TLSRoute": checkRoute,
  "gateway.networking.k8s.io:TCPRoute": refuseRoute,
  "gateway.networking.k8s.io:UDPRoute": refuseRoute,
};

const USE_ENTRY = "use a ClusterIP Service behind an Ingress or an HTTPRoute";

function checkService(service: Field, { internalLoadBalancers }: Config): void {
  const type = service.at("spec", "type");
  const known = type.read()?.value;
  const isAllowed =
    known === "LoadBalancer" &&
    internalLoadBalancers &&
    isInternal(service.at("metadata", "annotations"), INTERNAL_ANNOTATIONS) !== false;
  if ((known === "LoadBalancer" || known === "NodePort") && !isAllowed) {
    type.violation(`opens the Service to the outside; ${USE_ENTRY}`);
  }
  service
    .at("spec", "externalIPs")
    .check((addresses) => (isEmpty(addresses) ? [] : [`opens the Service to the outside; ${USE_ENTRY}`]));
}

function checkIngress(ingress: Field, config: Config): void {
  for (const backend of ["defaultBackend", "backend"]) {
    ingress
      .at("spec", backend)
      .check((value) => (value === undefined ? [] : ["serves every host; move it into a rule with a host"]));
  }
  const hosts = ingress
    .at("spec", "rules")
    .items()
    .map((rule) => rule.at("host"));
  for (const host of hosts) host.check((value) => hostProblems(value, config));
  checkClassRules(ingress, TLS_RULES);

  const annotations = config.certificateAnnotations.map((name) => ingress.at("metadata", "annotations", name).read());
  // With a certificate in the cloud, or maybe with one, spec.tls is not what decides.
  if (annotations.some((annotation) => annotation === undefined || annotation.value !== undefined)) return;
  const tls = ingress.at("spec", "tls");
  tls.check((value) => (isEmpty(value) ? ["missing; name the Secret of the host's certificate"] : []));
  const covered = hostsOf(tls);
  if (covered === undefined) return;
  for (const host of hosts) {
    host.check((value) =>
      typeof value === "string" && !covered.some((pattern) => covers(pattern, value))
        ? ["not in spec.tls[].hosts; add it"]
        : [],
    );
  }
}

/** The hosts that an Ingress has certificates for; undefined where that is not known, or said already to be none. */
function hostsOf(tls: Field): string[] | undefined {
  const entries = tls.items();
  if (entries.length === 0) return undefined;
  const hosts: string[] = [];
  for (const entry of entries) {
    const known = entry.at("hosts").read();
    if (known === undefined) return undefined;
    // A certificate without a list is for every host.
    if (isEmpty(known.value)) return ["*"];
    for (const item of entry.at("hosts").items()) {
      const host = item.read();
      if (host === undefined) return undefined;
      if (typeof host.value === "string") hosts.push(host.value);
    }
  }
  return hosts;
}

function covers(pattern: string, host: string): boolean {
  return (
    pattern === "*" || pattern === host || (pattern.startsWith("*.") && pattern.slice(1) === host.replace(/^[^.]+/, ""))
  );
}

function checkGateway(gateway: Field, config: Config): void {
  for (const listener of gateway.at("spec", "listeners").items()) {
    listener.at("hostname").check((value) => hostProblems(value, config));
    listener
      .at("allowedRoutes", "namespaces", "from")
      .check((from) => (from === "All" ? ["takes routes of every namespace; use Same, or Selector"] : []));
    const protocol = listener.at("protocol").read();
    if (protocol !== undefined && protocol.value !== "HTTPS" && protocol.value !== "TLS") {
      listener.at("protocol").violation("without TLS; use HTTPS, or TLS");
    } else {
      listener
        .at("tls")
        .check((tls) => (tls === undefined ? ["missing; name the Secret of the host's certificate"] : []));
    }
  }
}

function checkRoute(route: Field, config: Config): void {
  const hostnames = route.at("spec", "hostnames");
  hostnames.check((value) => (isEmpty(value) ? ["missing, so every host is served; name the host"] : []));
  for (const hostname of hostnames.items()) hostname.check((value) => hostProblems(value, config));
}

function refuseRoute(route: Field): void {
  route.at("spec", "rules").violation("a port without a host name or TLS; use an HTTPRoute or a TLSRoute");
}

function hostProblems(host: unknown, { allowedHosts }: Config): Problems {
  if (typeof host !== "string" || host === "") return ["missing, so every host is served; name the host"];
  if (host.includes("*")) return ["a wildcard; name the host"];
  return allowedHosts === undefined || allowedHosts.some((pattern) => isBelow(pattern, host))
    ? []
    : ["not in entry-private.allowedHosts; use one that is, or have it added"];
}

/** Any number of labels deep, unlike a certificate's wildcard. */
function isBelow(pattern: string, host: string): boolean {
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : pattern === host;
}

function isEmpty(list: unknown): boolean {
  return !Array.isArray(list) || list.length === 0;
}
