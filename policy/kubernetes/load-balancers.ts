import type { Field } from "./field";

/** Annotations by which the load balancer of a Service is one that the internet does not reach, per cloud, as NAME=VALUE. */
export const INTERNAL_ANNOTATIONS = [
  "service.beta.kubernetes.io/aws-load-balancer-scheme=internal",
  "service.beta.kubernetes.io/aws-load-balancer-internal=true",
  "networking.gke.io/load-balancer-type=Internal",
  "cloud.google.com/load-balancer-type=Internal",
  "service.beta.kubernetes.io/azure-load-balancer-internal=true",
  "service.beta.kubernetes.io/oci-load-balancer-internal=true",
  "service.beta.kubernetes.io/openstack-internal-load-balancer=true",
  "service.beta.kubernetes.io/do-loadbalancer-network=INTERNAL",
  "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type=intranet",
  "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type=private",
];

/** Whether one of the annotations, as NAME=VALUE, is there; undefined when that is not known. */
export function isInternal(annotations: Field, wanted: readonly string[]): boolean | undefined {
  const found = wanted.map((annotation) => {
    const separator = annotation.indexOf("=");
    const known = annotations.at(annotation.slice(0, separator)).read();
    return known === undefined ? undefined : known.value === annotation.slice(separator + 1);
  });
  return found.includes(true) ? true : found.includes(undefined) ? undefined : false;
}

/** The class of an Ingress; in old ones it is an annotation. */
export function ingressClassOf(ingress: Field): { value: unknown } | undefined {
  const named = ingress.at("spec", "ingressClassName").read();
  if (named === undefined || named.value !== undefined) return named;
  return ingress.at("metadata", "annotations", "kubernetes.io/ingress.class").read();
}

/** What an Ingress needs to say, by its class, to be private and to answer nobody without TLS. */
export interface ClassRule {
  classes: string[];
  annotation: string;
  isRight: (value: unknown) => boolean;
  problem: string;
}

const AZURE = ["azure-application-gateway", "azure/application-gateway"];

/** The load balancers that are public unless an annotation says otherwise. */
export const INTERNAL_RULES: ClassRule[] = [
  {
    classes: ["alb"],
    annotation: "alb.ingress.kubernetes.io/scheme",
    isRight: (value) => value === "internal",
    problem: "not internal; set it to internal",
  },
  {
    classes: AZURE,
    annotation: "appgw.ingress.kubernetes.io/use-private-ip",
    isRight: (value) => value === "true",
    problem: "not true, so its address is public; set it",
  },
];

/** The proxies that answer on plain HTTP as well. */
export const TLS_RULES: ClassRule[] = [
  {
    classes: ["nginx"],
    annotation: "nginx.ingress.kubernetes.io/ssl-redirect",
    isRight: (value) => value !== "false",
    problem: "serves plain HTTP as well; leave it out",
  },
  {
    classes: ["gce", "gce-internal"],
    annotation: "kubernetes.io/ingress.allow-http",
    isRight: (value) => value === "false",
    problem: "not false, so plain HTTP is served as well; set it",
  },
  {
    classes: AZURE,
    annotation: "appgw.ingress.kubernetes.io/ssl-redirect",
    isRight: (value) => value === "true",
    problem: "not true, so plain HTTP is served as well; set it",
  },
  {
    classes: ["alb"],
    annotation: "alb.ingress.kubernetes.io/listen-ports",
    isRight: (value) => value === undefined || (typeof value === "string" && !/"HTTP"/.test(value)),
    problem: "serves plain HTTP as well; listen on HTTPS alone",
  },
];

/** Reports which rules of its class an Ingress does not keep to. */
export function checkClassRules(ingress: Field, rules: readonly ClassRule[]): void {
  // With a class that is not known, no rule is known to be for it.
  const found = ingressClassOf(ingress);
  for (const { classes, annotation, isRight, problem } of rules) {
    if (found === undefined || !classes.includes(String(found.value))) continue;
    ingress.at("metadata", "annotations", annotation).check((value) => (isRight(value) ? [] : [problem]));
  }
}
