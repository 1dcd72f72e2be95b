import { inspect, type Field } from "../kubernetes/field";
import {
  checkClassRules,
  ingressClassOf,
  INTERNAL_ANNOTATIONS,
  INTERNAL_RULES,
  isInternal,
} from "../kubernetes/load-balancers";
import type { ResourcePolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";

interface Config {
  /** Classes of Ingresses and Gateways that may be used. Default: any that is not public. */
  allowedClasses?: string[];
  /** Classes whose load balancers the internet reaches. */
  publicClasses: string[];
  /** Classes of Gateways that need no annotation to be private. */
  privateClasses: string[];
  /** Annotations that make the load balancer of a Gateway's Service an internal one, as NAME=VALUE. */
  internalAnnotations: string[];
}

const names = (description: string, defaults?: string[]) => ({
  type: "array" as const,
  items: { type: "string" as const, minLength: 1 },
  ...(defaults === undefined ? { minItems: 1 } : { default: defaults }),
  description,
});

export const entryInternal: ResourcePolicy = {
  name: "entry-internal",
  description: "Ingresses and Gateways name a class, and its load balancer is an internal one.",
  why: "Most clouds make a public load balancer unless an annotation says otherwise, and each has another annotation.",
  severity: "high",
  remediationSteps: "Name the class, and set the annotation that the finding names.",
  url: "https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer",
  configSchema: {
    properties: {
      allowedClasses: names("Classes of Ingresses and Gateways that may be used. Default: any that is not public."),
      publicClasses: names("Classes whose load balancers the internet reaches.", [
        "gce",
        "gke-l7-gxlb",
        "gke-l7-gxlb-mc",
        "gke-l7-global-external-managed",
        "gke-l7-global-external-managed-mc",
        "gke-l7-regional-external-managed",
        "gke-l7-regional-external-managed-mc",
      ]),
      privateClasses: names("Classes of Gateways that need no annotation to be private.", [
        "gke-l7-rilb",
        "gke-l7-rilb-mc",
        "gke-l7-cross-regional-internal-managed-mc",
        "tailscale",
      ]),
      internalAnnotations: names(
        "Annotations that make the load balancer of a Gateway's Service an internal one, as NAME=VALUE.",
        INTERNAL_ANNOTATIONS,
      ),
    },
  },
  validateResource: (args, report) => {
    const isIngress = isKind(args.type, "networking.k8s.io", "Ingress") || isKind(args.type, "extensions", "Ingress");
    if (!isIngress && !isKind(args.type, "gateway.networking.k8s.io", "Gateway")) return;
    const config = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      if (isIngress) checkIngress(resource, config);
      else checkGateway(resource, config);
    });
  },
};

function checkIngress(ingress: Field, config: Config): void {
  const found = ingressClassOf(ingress);
  const place = ingress.at("spec", "ingressClassName");
  if (found !== undefined) {
    if (found.value === undefined)
      place.violation("missing, so the cluster's default decides who reaches it; name one");
    else checkClass(place, found.value, config);
  }
  checkClassRules(ingress, INTERNAL_RULES);
}

function checkGateway(gateway: Field, config: Config): void {
  const place = gateway.at("spec", "gatewayClassName");
  const found = place.read();
  if (found === undefined) return;
  checkClass(place, found.value, config);
  if ([...config.publicClasses, ...config.privateClasses].includes(String(found.value))) return;
  // With parameters, which are a resource of the proxy's own, they decide what the Service is like.
  const parameters = gateway.at("spec", "infrastructure", "parametersRef").read();
  if (parameters === undefined || parameters.value !== undefined) return;
  const annotations = gateway.at("spec", "infrastructure", "annotations");
  if (isInternal(annotations, config.internalAnnotations) === false) {
    annotations.violation("none makes the load balancer internal; set the cloud's own");
  }
}

function checkClass(place: Field, value: unknown, { allowedClasses, publicClasses }: Config): void {
  const name = String(value);
  if (publicClasses.includes(name)) place.violation("a class that the internet reaches; use the cloud's internal one");
  else if (allowedClasses !== undefined && !allowedClasses.includes(name)) {
    place.violation("not in entry-internal.allowedClasses; use one that is");
  }
}
