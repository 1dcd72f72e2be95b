import type { Field, StackResource } from "./field";
import { isKind } from "./resource-type";

export const DIRECTIONS = ["Ingress", "Egress"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What a policy that is not known to be in one namespace, or is in all of them, counts for. */
export const ANY_NAMESPACE = "*";

/** What a NetworkPolicy, or one of Cilium's, does. */
export interface NetworkPolicy {
  namespace: string;
  /** Whether it cuts off every Pod of its namespace, but for what it allows by name; undefined when that is not known. */
  denies: (direction: Direction) => boolean | undefined;
  /** Reports rules that let everything through. */
  refuseOpen: (direction: Direction) => void;
}

/** The network policies of a stack. */
export function networkPoliciesOf(resources: StackResource[]): NetworkPolicy[] {
  return resources.flatMap(({ type, properties }) => {
    if (isKind(type, "networking.k8s.io", "NetworkPolicy")) return [ofKubernetes(properties)];
    if (isKind(type, "cilium.io", "CiliumNetworkPolicy")) return ofCilium(properties, namespaceOf(properties));
    return isKind(type, "cilium.io", "CiliumClusterwideNetworkPolicy") ? ofCilium(properties, ANY_NAMESPACE) : [];
  });
}

/** The namespace that an object is in; any, when it is not known, which is then reported. */
export function namespaceOf(properties: Field): string {
  const known = properties.at("metadata", "namespace").read();
  if (known === undefined) return ANY_NAMESPACE;
  return typeof known.value === "string" && known.value !== "" ? known.value : "default";
}

function ofKubernetes(policy: Field): NetworkPolicy {
  const rules = (direction: Direction) => policy.at("spec", direction.toLowerCase());
  return {
    namespace: namespaceOf(policy),
    denies: (direction) =>
      every([selectsAll(policy.at("spec", "podSelector")), appliesTo(policy, direction), isEmpty(rules(direction))]),
    refuseOpen: (direction) => {
      const peers = direction === "Ingress" ? "from" : "to";
      for (const rule of rules(direction).items()) {
        const empty = [peers, "ports"].every((list) => isEmpty(rule.at(list)) === true);
        if (empty && rule.read() !== undefined) {
          rule.violation("lets everything through; name the peers, or the ports");
        }
      }
    },
  };
}

/** A policy of Cilium's has one spec, or a list of them. A rule that names no peer there lets nothing through. */
function ofCilium(policy: Field, namespace: string): NetworkPolicy[] {
  return [policy.at("spec"), ...policy.at("specs").items()].map((spec) => ({
    namespace,
    denies: (direction) => {
      const name = direction.toLowerCase();
      const switched = spec.at("enableDefaultDeny", name).read();
      const hasNone = every([name, `${name}Deny`].map((rules) => isEmpty(spec.at(rules))));
      return every([
        selectsAll(spec.at("endpointSelector")),
        // Where nothing says so, a direction is denied by default as soon as it has rules.
        switched === undefined || hasNone === undefined ? undefined : (switched.value ?? !hasNone) === true,
      ]);
    },
    refuseOpen: (direction) => {
      const from = direction === "Ingress" ? "from" : "to";
      for (const rule of spec.at(direction.toLowerCase()).items()) {
        for (const { list, key, open } of OPEN_PEERS) {
          for (const peer of rule.at(`${from}${list}`).items()) {
            (key === undefined ? peer : peer.at(key)).check((value) =>
              open.includes(value as string) ? ["lets everything through; name the peers"] : [],
            );
          }
        }
      }
    },
  }));
}

/** The peers of Cilium's rules that are everybody. */
const OPEN_PEERS: { list: string; key?: string; open: string[] }[] = [
  { list: "Entities", open: ["all", "world"] },
  { list: "CIDR", open: ["0.0.0.0/0", "::/0"] },
  { list: "FQDNs", key: "matchPattern", open: ["*", "**"] },
];

function selectsAll(selector: Field): boolean | undefined {
  return every([isEmpty(selector.at("matchLabels")), isEmpty(selector.at("matchExpressions"))]);
}

function isEmpty(field: Field): boolean | undefined {
  const known = field.read();
  return known === undefined ? undefined : Object.keys(known.value ?? {}).length === 0;
}

function every(answers: (boolean | undefined)[]): boolean | undefined {
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
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
