import type { Inspected } from "./support";

type Json = Record<string, unknown>;

/** A safeguard of our own stack: how to take it away, and who has to say so. */
export interface Safeguard {
  what: string;
  /** The Pulumi type, without `kubernetes:`, and the name of the resource. */
  resource: string;
  /** The object in its properties that is changed; empty for the properties themselves. */
  path: string;
  change: (object: Json) => void;
  policies: string[];
}

/** The object that is at a path, for example `spec.template.spec`. */
export function at(value: unknown, path: string): Json {
  const keys = path === "" ? [] : path.split(".");
  return keys.reduce<Json>((object, key) => object[key] as Json, value as Json);
}

/** The resources of a stack without one of its safeguards. */
export function without(safeguard: Safeguard, stack: Inspected[]): Inspected[] {
  const resources = structuredClone(stack);
  const found = resources.find(
    ({ type, name }) => `${type.replace(/^kubernetes:/, "")} ${name ?? ""}` === safeguard.resource,
  );
  if (found === undefined) throw new Error(`no ${safeguard.resource}`);
  safeguard.change(at(found.props, safeguard.path));
  return resources;
}

const GATEWAY = "apps/v1:StatefulSet cell-gateway";
const PROXY = "apps/v1:Deployment cell-dns-filter";
const SERVICE = "core/v1:Service cell-gateway";
const ENTRY = "networking.k8s.io/v1:Ingress cell-entry";
const CELL = "clawfleet:index:AgentStack cell";
const NAMESPACE = "core/v1:Namespace cell";
const CLAIM = "core/v1:PersistentVolumeClaim cell-vault";
const BUDGET = "policy/v1:PodDisruptionBudget cell-broker";
const DENY = "networking.k8s.io/v1:NetworkPolicy cell-default-deny";
const ROLE = "rbac.authorization.k8s.io/v1:Role cell-app-team";
const PROVIDER = "pulumi:providers:kubernetes cluster";
const CONFIG = "core/v1:ConfigMap cell-gateway-config";

const POD = "spec.template.spec";
const MAIN = `${POD}.containers.0`;
const CONTEXT = `${MAIN}.securityContext`;

const guard = (
  policies: string,
  what: string,
  resource: string,
  path: string,
  change: (object: Json) => void,
): Safeguard => ({ what, resource, path, change, policies: policies.split(" ") });

/** Takes something away from the Pod and from its first container. */
const fromBoth = (name: string) => (pod: Json) => {
  const contexts = [at(pod, "securityContext"), at(pod, "containers.0.securityContext")];
  for (const context of contexts) Reflect.deleteProperty(context, name);
};

/** Changes OpenClaw's config. */
const openclaw = (policies: string, what: string, change: (config: Json) => void): Safeguard =>
  guard(policies, what, CONFIG, "data", (data) => {
    const config = JSON.parse(data["openclaw.json"] as string) as Json;
    change(config);
    data["openclaw.json"] = JSON.stringify(config);
  });

const images: Safeguard[] = [
  guard("images-pinned", "the image's digest", GATEWAY, MAIN, (c) => (c.image = String(c.image).split("@")[0])),
  guard("images-pinned", "the image's tag", GATEWAY, MAIN, (c) => (c.image = String(c.image).replace(/:[^:@]+@/, "@"))),
  guard("images-pinned", "a version instead of latest", GATEWAY, MAIN, (c) => {
    c.image = String(c.image).replace(/:[^:@]+@/, ":latest@");
  }),
  guard("images-pinned", "an allowed registry", PROXY, MAIN, (c) => {
    c.image = String(c.image).replace(/^[^/]+/, "registry.example");
  }),
];

const resources: Safeguard[] = [
  guard("resources-limited", "a CPU limit", GATEWAY, `${MAIN}.resources.limits`, (l) => delete l.cpu),
  guard("resources-limited", "a memory request", PROXY, `${MAIN}.resources.requests`, (r) => delete r.memory),
  guard("resources-limited", "a request for storage", GATEWAY, `${MAIN}.resources.requests`, (r) => {
    delete r["ephemeral-storage"];
  }),
  guard("resources-limited", "limits near to requests", PROXY, `${MAIN}.resources.limits`, (l) => (l.memory = "64Gi")),
  guard("namespace-bounded", "the quota", "core/v1:ResourceQuota cell-quota", "metadata", (m) => (m.namespace = "a")),
  guard("namespace-bounded", "the limits by default", "core/v1:LimitRange cell-limits", "metadata", (m) => {
    m.namespace = "a";
  }),
];

const pods: Safeguard[] = [
  guard("pod-security", "runAsNonRoot", GATEWAY, POD, fromBoth("runAsNonRoot")),
  guard("pod-security", "the seccomp profile", GATEWAY, POD, fromBoth("seccompProfile")),
  guard("pod-security openclaw-gateway", "the read-only root", GATEWAY, CONTEXT, (c) => {
    delete c.readOnlyRootFilesystem;
  }),
  guard("pod-security openclaw-gateway", "dropped capabilities", GATEWAY, CONTEXT, (c) => delete c.capabilities),
  guard("pod-security openclaw-gateway", "no privilege escalation", GATEWAY, CONTEXT, (c) => {
    delete c.allowPrivilegeEscalation;
  }),
  guard("pod-security openclaw-gateway", "the refused API token", GATEWAY, POD, (p) => {
    delete p.automountServiceAccountToken;
  }),
  guard("pod-security", "no privileges", PROXY, CONTEXT, (c) => (c.privileged = true)),
  guard("pod-security", "no added capability", PROXY, `${CONTEXT}.capabilities`, (c) => (c.add = ["NET_ADMIN"])),
  guard("pod-security", "a uid that is not root's", PROXY, POD, (p) => (at(p, "securityContext").runAsUser = 0)),
  guard("pod-security", "a network of its own", PROXY, POD, (p) => (p.hostNetwork = true)),
  guard("pod-security", "process ids of its own", PROXY, POD, (p) => (p.hostPID = true)),
  guard("pod-security", "no folder of the node", GATEWAY, POD, (p) => {
    (p.volumes as Json[]).push({ name: "node", hostPath: { path: "/" } });
  }),
  guard("pod-security", "no port of the node", PROXY, MAIN, (c) => (at(c, "ports.0").hostPort = 53)),
  guard("pod-security", "the namespace's Pod Security level", NAMESPACE, "metadata.labels", (l) => {
    delete l["pod-security.kubernetes.io/enforce"];
  }),
];

const operation: Safeguard[] = [
  guard("probes-present", "a liveness probe", GATEWAY, MAIN, (c) => delete c.livenessProbe),
  guard("probes-present", "a readiness probe", GATEWAY, MAIN, (c) => delete c.readinessProbe),
  guard("openclaw-gateway", "the time to drain", GATEWAY, POD, (p) => (p.terminationGracePeriodSeconds = 30)),
  guard("openclaw-gateway", "the gateway's memory", GATEWAY, `${MAIN}.resources.limits`, (l) => (l.memory = "1Gi")),
  guard("single-writer", "the single writer", GATEWAY, "spec", (s) => {
    s.replicas = 2;
    at(s, "template.spec").topologySpreadConstraints = [{}];
  }),
  guard("replicas-spread", "the spread", PROXY, POD, (p) => delete p.topologySpreadConstraints),
  guard("disruption-budgeted", "a budget", BUDGET, "spec.selector", (s) => (s.matchLabels = { a: "b" })),
  guard("disruption-budgeted", "a Pod that the budget lets go", BUDGET, "spec", (s) => (s.maxUnavailable = 0)),
  guard("labels-present", "a label", GATEWAY, "metadata.labels", (l) => delete l["app.kubernetes.io/instance"]),
  guard("labels-present", "an owner", SERVICE, "metadata.labels", (l) => {
    delete l["app.kubernetes.io/part-of"];
    delete l["clawfleet.dev/owner"];
  }),
  guard("provider-explicit", "the cluster's identifier", PROVIDER, "", (p) => delete p.clusterIdentifier),
];

const network: Safeguard[] = [
  guard("network-default-deny", "denied egress", DENY, "spec", (s) => (s.policyTypes = ["Ingress"])),
  guard("network-default-deny", "denied ingress", DENY, "spec", (s) => (s.policyTypes = ["Egress"])),
  guard("network-default-deny", "named peers", "networking.k8s.io/v1:NetworkPolicy cell-gateway", "spec", (s) => {
    s.egress = [{}];
  }),
  guard("entry-private", "a ClusterIP", SERVICE, "spec", (s) => (s.type = "LoadBalancer")),
  guard("entry-private", "no port of the nodes", SERVICE, "spec", (s) => (s.type = "NodePort")),
  guard("entry-private", "no external address", SERVICE, "spec", (s) => (s.externalIPs = ["203.0.113.7"])),
  guard("entry-private", "TLS", ENTRY, "spec", (s) => delete s.tls),
  guard("entry-private", "an exact host", ENTRY, "spec", (s) => {
    at(s, "rules.0").host = "*.example.com";
    s.tls = [{ secretName: "tls" }];
  }),
  guard("entry-private", "TLS alone", ENTRY, "metadata.annotations", (a) => {
    a["nginx.ingress.kubernetes.io/ssl-redirect"] = "false";
  }),
  guard("entry-internal", "a named class", ENTRY, "spec", (s) => delete s.ingressClassName),
  guard("entry-internal", "a private load balancer", ENTRY, "spec", (s) => (s.ingressClassName = "alb")),
];

const state: Safeguard[] = [
  guard("state-block-storage", "block storage", CLAIM, "spec", (s) => (s.accessModes = ["ReadWriteMany"])),
  guard("state-block-storage", "a class of block storage", CLAIM, "spec", (s) => (s.storageClassName = "nfs-client")),
  guard("state-kept", "retained volumes", CELL, "", (c) => (c.retain = false)),
];

const rights: Safeguard[] = [
  guard("rbac-narrow", "named resources", ROLE, "rules.0", (r) => (r.resources = ["*"])),
  guard("rbac-narrow", "named verbs", ROLE, "rules.0", (r) => (r.verbs = ["*"])),
  guard("rbac-narrow", "no way to more rights", ROLE, "rules.0", (r) => (r.verbs = ["bind"])),
  guard("rbac-narrow", "Secrets that nobody lists", ROLE, "rules.0", (r) => {
    r.resources = ["secrets"];
    r.verbs = ["list"];
  }),
  guard("rbac-narrow", "a role of one's own", "rbac.authorization.k8s.io/v1:RoleBinding cell-app-team", "", (b) => {
    b.roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
  }),
];

const secrets: Safeguard[] = [
  openclaw("secrets-in-clear", "a reference to a Secret", (c) => (at(c, "hooks").token = "canary")),
  guard("secrets-in-clear", "a variable from a Secret", GATEWAY, MAIN, (c) => {
    (c.env as Json[]).push({ name: "ADMIN_TOKEN", value: "canary" });
  }),
  guard("secrets-in-clear", "arguments without credentials", PROXY, MAIN, (c) => (c.args = ["--token", "canary"])),
];

const agents: Safeguard[] = [
  openclaw("openclaw-config", "the gateway's login", (c) => (at(c, "gateway.auth").mode = "none")),
  openclaw("openclaw-config", "exact origins", (c) => (at(c, "gateway.controlUi").allowedOrigins = ["*"])),
  openclaw("openclaw-config", "elevated tools off", (c) => delete at(c, "tools").elevated),
  openclaw("openclaw-config", "narrow trusted proxies", (c) => (at(c, "gateway").trustedProxies = ["10.0.0.0/8"])),
  openclaw("openclaw-config", "messages from known people", (c) => (c.channels = { telegram: { dmPolicy: "open" } })),
  openclaw("openclaw-config", "paired browsers", (c) => {
    at(c, "gateway.controlUi").dangerouslyDisableDeviceAuth = true;
  }),
  guard("cell-guarded", "egress by host names", CELL, "gateway.egress.0", (e) => (e.cidr = "0.0.0.0/0")),
  guard("cell-guarded", "the forward proxy", CELL, "", (c) => delete c.forwardProxy),
  guard("cell-guarded", "commands that are denied", CELL, "gateway", (g) => (g.openclaw = { tools: { exec: "full" } })),
];

/** Every safeguard that a cell of production has, and a policy looks after. */
export const SAFEGUARDS: Safeguard[] = [
  ...images,
  ...resources,
  ...pods,
  ...operation,
  ...network,
  ...state,
  ...rights,
  ...secrets,
  ...agents,
];
