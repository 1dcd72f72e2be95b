import { isWithin } from "../components/network";

/** What a label selector of a NetworkPolicy may be; expressions are refused, since nothing here uses them. */
interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: unknown[];
}

interface Peer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: { cidr: string; except?: string[] };
}

interface Rule {
  ports?: { protocol?: string; port?: number | string; endPort?: number }[];
}

/** A NetworkPolicy, as far as it matters here. */
export interface NetworkPolicyManifest {
  metadata: { name: string; namespace?: string };
  spec: {
    podSelector: LabelSelector;
    policyTypes?: string[];
    ingress?: (Rule & { from?: Peer[] })[];
    egress?: (Rule & { to?: Peer[] })[];
  };
}

/** Pods that are alike: the template of a workload. */
export interface PodGroup {
  /** `app.kubernetes.io/component`. */
  component: string;
  namespace: string;
  labels: Record<string, string>;
  /** The addresses of its Pods, where they are known: a range of a policy may hold them. Default: none. */
  addresses?: string[];
}

/** Who may open a connection to whom. Ports are written like `4000/TCP`; `any` is every port. */
export interface Connection {
  from: string;
  to: string;
  ports: string[];
}

/** The labels of the cluster's own DNS. */
const CLUSTER_DNS: PodGroup = {
  component: "cluster DNS",
  namespace: "kube-system",
  labels: { "k8s-app": "kube-dns" },
};

/**
 * What is outside of a cell, by addresses that stand for it. The API server's is the first of the Service range; a
 * cluster may have another one, from the private ranges or the internet.
 */
export const OUTSIDE: Record<string, string[]> = {
  "API server": ["10.96.0.1", "172.20.0.1", "192.168.0.1"],
  internet: ["1.1.1.1", "203.0.113.7", "2606:4700:4700::1111"],
  "private ranges": ["10.1.2.3", "172.16.9.9", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fd00::1", "fe80::1"],
  "metadata address": ["169.254.169.254", "fd00:ec2::254"],
};

/** Pods of another namespace, which stand for all that are none of the cell's. */
const STRANGER: PodGroup = { component: "other namespaces", namespace: "stranger", labels: { app: "stranger" } };

/**
 * Computes who may reach whom from the NetworkPolicies of a cell: between two of its Pods when the one may send and the
 * other may receive, to the outside when the Pod may send, from the outside when it may receive.
 */
export function networkMatrix(policies: NetworkPolicyManifest[], pods: PodGroup[]): Connection[] {
  const inside = pods.flatMap((from) =>
    [...pods, CLUSTER_DNS].map((to) => ({
      from: from.component,
      to: to.component,
      ports: common(
        allowed(policies, from, "Egress", (peer) => matchesPod(peer, from.namespace, to)),
        to === CLUSTER_DNS ? ["any"] : allowed(policies, to, "Ingress", (peer) => matchesPod(peer, to.namespace, from)),
      ),
    })),
  );
  const out = pods.flatMap((from) => [
    ...Object.entries(OUTSIDE).map(([to, addresses]) => ({
      from: from.component,
      to,
      ports: union(
        addresses.map((address) => allowed(policies, from, "Egress", (peer) => matchesAddress(peer, address))),
      ),
    })),
    {
      from: from.component,
      to: STRANGER.component,
      ports: allowed(policies, from, "Egress", (peer) => matchesPod(peer, from.namespace, STRANGER)),
    },
  ]);
  const into = pods.map((to) => ({
    from: "outside",
    to: to.component,
    // Whoever it is: a proxy's addresses, or the Pods of another namespace.
    ports: allowed(
      policies,
      to,
      "Ingress",
      (peer) => peer.ipBlock !== undefined || peer.namespaceSelector !== undefined,
    ),
  }));
  return [...into, ...inside, ...out].filter(({ ports }) => ports.length > 0);
}

/** The ports that the policies of one direction leave open between a Pod and the peers that match. */
function allowed(
  policies: NetworkPolicyManifest[],
  pod: PodGroup,
  direction: "Ingress" | "Egress",
  matches: (peer: Peer) => boolean,
): string[] {
  const selecting = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.namespace &&
      matchesLabels(spec.podSelector, pod.labels) &&
      (spec.policyTypes ?? ["Ingress", ...(spec.egress ? ["Egress"] : [])]).includes(direction),
  );
  if (selecting.length === 0) return ["any"]; // a Pod that no policy selects is open
  const rules = selecting.flatMap(({ spec }) =>
    direction === "Ingress"
      ? (spec.ingress ?? []).map((rule) => ({ rule, peers: rule.from }))
      : (spec.egress ?? []).map((rule) => ({ rule, peers: rule.to })),
  );
  // A rule without peers means everyone.
  return union(rules.filter(({ peers }) => !peers?.length || peers.some(matches)).map(({ rule }) => portsOf(rule)));
}

function portsOf({ ports }: Rule): string[] {
  if (ports === undefined || ports.length === 0) return ["any"];
  return ports.map(({ protocol = "TCP", port = "any", endPort }) =>
    endPort === undefined ? `${String(port)}/${protocol}` : `${String(port)}-${String(endPort)}/${protocol}`,
  );
}

function matchesPod(peer: Peer, namespace: string, pod: PodGroup): boolean {
  if (peer.ipBlock !== undefined) return (pod.addresses ?? []).some((address) => matchesAddress(peer, address));
  const sameNamespace =
    peer.namespaceSelector === undefined
      ? pod.namespace === namespace
      : matchesLabels(peer.namespaceSelector, { "kubernetes.io/metadata.name": pod.namespace });
  return sameNamespace && matchesLabels(peer.podSelector ?? {}, pod.labels);
}

function matchesAddress({ ipBlock }: Peer, address: string): boolean {
  return (
    ipBlock !== undefined &&
    isWithin(ipBlock.cidr, address) &&
    !(ipBlock.except ?? []).some((range) => isWithin(range, address))
  );
}

function matchesLabels({ matchLabels = {}, matchExpressions }: LabelSelector, labels: Record<string, string>): boolean {
  if (matchExpressions?.length) throw new Error("matchExpressions of a NetworkPolicy are not understood here");
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
}

/** `any` on one side leaves what the other side says. */
function common(left: string[], right: string[]): string[] {
  if (left.includes("any")) return right;
  if (right.includes("any")) return left;
  return left.filter((port) => right.includes(port));
}

function union(lists: string[][]): string[] {
  const all = [...new Set(lists.flat())].sort();
  return all.includes("any") ? ["any"] : all;
}
