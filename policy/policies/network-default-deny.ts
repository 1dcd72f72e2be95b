import { inspectStack, type StackResource } from "../kubernetes/field";
import {
  ANY_NAMESPACE,
  DIRECTIONS,
  namespaceOf,
  networkPoliciesOf,
  type Direction,
} from "../kubernetes/network-policies";
import type { StackPolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

interface Config {
  /** Namespaces whose policies are made elsewhere. */
  otherwiseDenied: string[];
}

export const networkDefaultDeny: StackPolicy = {
  name: "network-default-deny",
  description: "Every namespace with Pods denies all traffic by default, and no network policy opens everything again.",
  why: "What no NetworkPolicy selects may talk to everyone, so a Pod that was forgotten has to be cut off by default.",
  severity: "high",
  remediationSteps:
    "Add a NetworkPolicy with an empty podSelector, both policyTypes and no rules; one of Cilium's with an empty endpointSelector does as well.",
  url: "https://kubernetes.io/docs/concepts/services-networking/network-policies/#default-policies",
  configSchema: {
    properties: {
      otherwiseDenied: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: [],
        description: "Namespaces whose default-deny policy is made elsewhere.",
      },
    },
  },
  validateStack: (args, report) => {
    inspectStack(args, report, (resources) => {
      checkNamespaces(resources, args.getConfig<Config>().otherwiseDenied, report);
    });
  },
};

function checkNamespaces(
  resources: StackResource[],
  otherwiseDenied: string[],
  report: (message: string, urn: string) => void,
): void {
  const denied: Record<Direction, Set<string>> = {
    Ingress: new Set(otherwiseDenied),
    Egress: new Set(otherwiseDenied),
  };
  for (const { namespace, denies, refuseOpen } of networkPoliciesOf(resources)) {
    for (const direction of DIRECTIONS) {
      refuseOpen(direction);
      // Where that is not known, this may be the one; then it is reported as undecided.
      if (denies(direction) !== false) denied[direction].add(namespace);
    }
  }

  // One finding a namespace, at the first resource that needs its policy.
  const seen = new Set<string>();
  for (const { type, urn, properties } of resources) {
    const isNamespace = isKind(type, "core", "Namespace");
    if (!isNamespace && podSpecsOf(type, properties).length === 0) continue;
    const namespace = isNamespace ? properties.at("metadata", "name").read()?.value : namespaceOf(properties);
    if (typeof namespace !== "string" || namespace === ANY_NAMESPACE || seen.has(namespace)) continue;
    seen.add(namespace);
    const open = DIRECTIONS.filter(
      (direction) => !denied[direction].has(namespace) && !denied[direction].has(ANY_NAMESPACE),
    );
    if (open.length === 0) continue;
    const path = isNamespace ? "metadata.name" : "metadata.namespace";
    report(
      `${path}: nothing denies ${open.join(" and ").toLowerCase()} by default; add a NetworkPolicy with an empty podSelector and no rules`,
      urn,
    );
  }
}
