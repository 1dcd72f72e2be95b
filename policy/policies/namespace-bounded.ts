import { inspectStack, type StackResource } from "../kubernetes/field";
import { ANY_NAMESPACE, namespaceOf } from "../kubernetes/network-policies";
import type { StackPolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";

interface Config {
  /** Namespaces whose quota and limits are made elsewhere. */
  otherwiseBounded: string[];
}

const BOUNDS = ["ResourceQuota", "LimitRange"];

export const namespaceBounded: StackPolicy = {
  name: "namespace-bounded",
  description: "Every namespace that the program makes has a ResourceQuota and a LimitRange.",
  why: "Without a quota one tenant can take the whole cluster; without limits by default, a Pod of somebody else's can.",
  severity: "medium",
  remediationSteps: "Add a ResourceQuota and a LimitRange to the namespace.",
  url: "https://kubernetes.io/docs/concepts/policy/resource-quotas/",
  configSchema: {
    properties: {
      otherwiseBounded: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: [],
        description: "Namespaces whose quota and limits are made elsewhere.",
      },
    },
  },
  validateStack: (args, report) => {
    const { otherwiseBounded } = args.getConfig<Config>();
    inspectStack(args, report, (resources) => {
      const bounded = BOUNDS.map((kind) => ({ kind, namespaces: namespacesWith(resources, kind) }));
      for (const { properties } of resources.filter(({ type }) => isKind(type, "core", "Namespace"))) {
        const place = properties.at("metadata", "name");
        const name = place.read()?.value;
        if (typeof name !== "string" || otherwiseBounded.includes(name)) continue;
        // One whose namespace is not known may be in this one.
        const missing = bounded.filter(({ namespaces }) => !namespaces.has(name) && !namespaces.has(ANY_NAMESPACE));
        if (missing.length > 0) place.violation(`has no ${missing.map(({ kind }) => kind).join(" and no ")}; add it`);
      }
    });
  },
};

/** The namespaces that have an object of a kind. */
function namespacesWith(resources: StackResource[], kind: string): Set<string> {
  return new Set(
    resources.filter(({ type }) => isKind(type, "core", kind)).map(({ properties }) => namespaceOf(properties)),
  );
}
