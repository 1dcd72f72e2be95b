import type { StackValidationPolicy } from "@pulumi/policy";
import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import { kubernetesType, podSpecOf } from "../kubernetes/workloads";

interface Config {
  /** Namespaces whose policies are made elsewhere. */
  otherwiseDenied: string[];
}

const DIRECTIONS = ["Ingress", "Egress"] as const;
type Direction = (typeof DIRECTIONS)[number];

/** A namespace that is not known, which may be any. */
const ANY = "*";

/** What no NetworkPolicy selects may talk to everyone, so a Pod that was forgotten has to be cut off by default. */
export const networkDefaultDeny: StackValidationPolicy = {
  name: "network-default-deny",
  description: "Every namespace with Pods denies all traffic by default, and no NetworkPolicy opens everything again.",
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
      checkNamespaces(resources, new Set(args.getConfig<Config>().otherwiseDenied), report);
    });
  },
};

function checkNamespaces(
  resources: StackResource[],
  otherwiseDenied: Set<string>,
  report: (message: string, urn: string) => void,
): void {
  const policies = resources.filter(({ type }) => isKind(type, "networking.k8s.io", "NetworkPolicy"));
  const denied: Record<Direction, Set<string>> = {
    Ingress: new Set(otherwiseDenied),
    Egress: new Set(otherwiseDenied),
  };
  for (const { properties } of policies) {
    const namespace = namespaceOf(properties);
    for (const direction of DIRECTIONS) {
      refuseOpen(properties, direction);
      // Where that is not known, this may be the one; then it is reported as undecided.
      if (deniesAll(properties, direction) !== false) denied[direction].add(namespace ?? ANY);
    }
  }

  // One finding a namespace, at the first resource that needs its policy.
  const seen = new Set<string>();
  for (const { type, urn, properties } of resources) {
    const isNamespace = isKind(type, "core", "Namespace");
    if (!isNamespace && podSpecOf(type, properties) === undefined) continue;
    const namespace = isNamespace ? properties.at("metadata", "name").read()?.value : namespaceOf(properties);
    if (typeof namespace !== "string" || seen.has(namespace)) continue;
    seen.add(namespace);
    const open = DIRECTIONS.filter((direction) => !denied[direction].has(namespace) && !denied[direction].has(ANY));
    if (open.length === 0) continue;
    const path = isNamespace ? "metadata.name" : "metadata.namespace";
    report(
      `${path}: nothing denies ${open.join(" and ").toLowerCase()} by default; add a NetworkPolicy with an empty podSelector and no rules`,
      urn,
    );
  }
}

function isKind(type: string, group: string, kind: string): boolean {
  const known = kubernetesType(type);
  return known?.group === group && known.kind === kind;
}

/** The namespace that an object is in; undefined when it is not known, which is then reported. */
function namespaceOf(properties: Field): string | undefined {
  const known = properties.at("metadata", "namespace").read();
  if (known === undefined) return undefined;
  return typeof known.value === "string" && known.value !== "" ? known.value : "default";
}

/** Whether a policy denies everything to every Pod of its namespace; undefined when that is not known. */
function deniesAll(policy: Field, direction: Direction): boolean | undefined {
  const selector = policy.at("spec", "podSelector");
  const answers = [
    isEmpty(selector.at("matchLabels")),
    isEmpty(selector.at("matchExpressions")),
    appliesTo(policy, direction),
    isEmpty(policy.at("spec", direction.toLowerCase())),
  ];
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
}

function isEmpty(field: Field): boolean | undefined {
  const known = field.read();
  return known === undefined ? undefined : Object.keys(known.value ?? {}).length === 0;
}

/** Kubernetes' rule: without types it is for ingress, and for egress where it has egress rules. */
function appliesTo(policy: Field, direction: Direction): boolean | undefined {
  const types = policy.at("spec", "policyTypes");
  const known = types.read();
  if (known === undefined) return undefined;
  if (known.value === undefined) {
    return direction === "Ingress" || policy.at("spec", "egress").read()?.value !== undefined;
  }
  const values = types.items().map((item) => item.read());
  if (values.some((item) => item?.value === direction)) return true;
  return values.includes(undefined) ? undefined : false;
}

/** A rule without peers and ports lets everything through. */
function refuseOpen(policy: Field, direction: Direction): void {
  const peers = direction === "Ingress" ? "from" : "to";
  for (const rule of policy.at("spec", direction.toLowerCase()).items()) {
    const empty = [peers, "ports"].every((list) => {
      const known = rule.at(list).read();
      return known !== undefined && (!Array.isArray(known.value) || known.value.length === 0);
    });
    if (empty && rule.read() !== undefined) rule.violation("lets everything through; name the peers, or the ports");
  }
}
