import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect, type Field, type Problems } from "../kubernetes/field";
import { kubernetesType } from "../kubernetes/workloads";

interface Config {
  /** Annotations by which an Ingress names a certificate that is kept outside of the cluster. */
  certificateAnnotations: string[];
}

/** What is reachable from outside of the cluster is reachable by name and over TLS only. */
export const entryPrivate: ResourceValidationPolicy = {
  name: "entry-private",
  description: "Services stay inside the cluster; what comes in has an exact host name and TLS.",
  configSchema: {
    properties: {
      certificateAnnotations: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["alb.ingress.kubernetes.io/certificate-arn"],
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

const CHECKS: Record<string, (resource: Field, config: Config) => void> = {
  "core:Service": checkService,
  "networking.k8s.io:Ingress": checkIngress,
  "extensions:Ingress": checkIngress,
  "gateway.networking.k8s.io:Gateway": checkGateway,
  "gateway.networking.k8s.io:HTTPRoute": checkRoute,
  "gateway.networking.k8s.io:GRPCRoute": checkRoute,
  "gateway.networking.k8s.io:TLSRoute": checkRoute,
};

const USE_ENTRY = "use a ClusterIP Service behind an Ingress or an HTTPRoute";

function checkService(service: Field): void {
  service
    .at("spec", "type")
    .check((type) =>
      type === "LoadBalancer" || type === "NodePort" ? [`opens the Service to the outside; ${USE_ENTRY}`] : [],
    );
  service
    .at("spec", "externalIPs")
    .check((addresses) => (isEmpty(addresses) ? [] : [`opens the Service to the outside; ${USE_ENTRY}`]));
}

function checkIngress(ingress: Field, { certificateAnnotations }: Config): void {
  for (const backend of ["defaultBackend", "backend"]) {
    ingress
      .at("spec", backend)
      .check((value) => (value === undefined ? [] : ["serves every host; move it into a rule with a host"]));
  }
  const hosts = ingress
    .at("spec", "rules")
    .items()
    .map((rule) => rule.at("host"));
  for (const host of hosts) host.check(hostProblems);

  const annotations = certificateAnnotations.map((name) => ingress.at("metadata", "annotations", name).read());
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

function checkGateway(gateway: Field): void {
  for (const listener of gateway.at("spec", "listeners").items()) {
    listener.at("hostname").check(hostProblems);
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

function checkRoute(route: Field): void {
  const hostnames = route.at("spec", "hostnames");
  hostnames.check((value) => (isEmpty(value) ? ["missing, so every host is served; name the host"] : []));
  for (const hostname of hostnames.items()) hostname.check(hostProblems);
}

function hostProblems(host: unknown): Problems {
  if (typeof host !== "string" || host === "") return ["missing, so every host is served; name the host"];
  return host.includes("*") ? ["a wildcard; name the host"] : [];
}

function isEmpty(list: unknown): boolean {
  return !Array.isArray(list) || list.length === 0;
}
