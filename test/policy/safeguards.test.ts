import assert from "node:assert/strict";
import { everyPart } from "./cell";
import { findingsIn, inspectedCell } from "./pack";
import type { Inspected } from "./support";

type Json = Record<string, unknown>;

/** The object that is at a path, for example `spec.template.spec`. */
function at(value: unknown, path: string): Json {
  return path.split(".").reduce<Json>((object, key) => object[key] as Json, value as Json);
}

const POD = "spec.template.spec";
const MAIN = `${POD}.containers.0`;
const GATEWAY = "apps/v1:StatefulSet cell-gateway";
const openclaw = (change: (config: Json) => void) => (data: Json) => {
  const config = JSON.parse(data["openclaw.json"] as string) as Json;
  change(config);
  data["openclaw.json"] = JSON.stringify(config);
};

/** What is taken away, from which object, where, and the policy that has to say so. */
const SAFEGUARDS: [what: string, object: string, path: string, change: (object: Json) => void, policy: string][] = [
  ["the image's digest", GATEWAY, MAIN, (c) => (c.image = String(c.image).split("@")[0]), "images-pinned"],
  ["a CPU limit", GATEWAY, `${MAIN}.resources.limits`, (l) => delete l.cpu, "resources-limited"],
  [
    "a request for storage",
    GATEWAY,
    `${MAIN}.resources.requests`,
    (r) => delete r["ephemeral-storage"],
    "resources-limited",
  ],
  [
    "runAsNonRoot",
    GATEWAY,
    POD,
    (p) => {
      delete at(p, "securityContext").runAsNonRoot;
      delete at(p, "containers.0.securityContext").runAsNonRoot;
    },
    "pod-security",
  ],
  [
    "the seccomp profile",
    GATEWAY,
    POD,
    (p) => {
      delete at(p, "securityContext").seccompProfile;
      delete at(p, "containers.0.securityContext").seccompProfile;
    },
    "pod-security",
  ],
  ["the read-only root", GATEWAY, `${MAIN}.securityContext`, (c) => delete c.readOnlyRootFilesystem, "pod-security"],
  ["dropped capabilities", GATEWAY, `${MAIN}.securityContext`, (c) => delete c.capabilities, "pod-security"],
  [
    "allowPrivilegeEscalation",
    GATEWAY,
    `${MAIN}.securityContext`,
    (c) => delete c.allowPrivilegeEscalation,
    "pod-security",
  ],
  ["the refused API token", GATEWAY, POD, (p) => delete p.automountServiceAccountToken, "pod-security"],
  ["a liveness probe", GATEWAY, MAIN, (c) => delete c.livenessProbe, "probes-present"],
  ["a readiness probe", GATEWAY, MAIN, (c) => delete c.readinessProbe, "probes-present"],
  ["the time to drain", GATEWAY, POD, (p) => (p.terminationGracePeriodSeconds = 30), "openclaw-gateway"],
  ["the gateway's memory", GATEWAY, `${MAIN}.resources.limits`, (l) => (l.memory = "1Gi"), "openclaw-gateway"],
  [
    "the single writer",
    GATEWAY,
    "spec",
    (s) => {
      s.replicas = 2;
      at(s, "template.spec").topologySpreadConstraints = [{}];
    },
    "single-writer",
  ],
  ["a label", GATEWAY, "metadata.labels", (l) => delete l["app.kubernetes.io/instance"], "labels-present"],
  [
    "the spread",
    "apps/v1:Deployment cell-dns-filter",
    POD,
    (p) => delete p.topologySpreadConstraints,
    "replicas-spread",
  ],
  [
    "a budget",
    "policy/v1:PodDisruptionBudget cell-broker",
    "spec.selector",
    (s) => (s.matchLabels = { a: "b" }),
    "disruption-budgeted",
  ],
  [
    "a budget's Pod",
    "policy/v1:PodDisruptionBudget cell-broker",
    "spec",
    (s) => (s.maxUnavailable = 0),
    "disruption-budgeted",
  ],
  [
    "default deny",
    "networking.k8s.io/v1:NetworkPolicy cell-default-deny",
    "spec",
    (s) => (s.policyTypes = ["Ingress"]),
    "network-default-deny",
  ],
  ["a ClusterIP", "core/v1:Service cell-gateway", "spec", (s) => (s.type = "LoadBalancer"), "entry-private"],
  ["TLS", "networking.k8s.io/v1:Ingress cell-entry", "spec", (s) => delete s.tls, "entry-private"],
  [
    "block storage",
    "core/v1:PersistentVolumeClaim cell-vault",
    "spec",
    (s) => (s.accessModes = ["ReadWriteMany"]),
    "state-block-storage",
  ],
  [
    "a role's names",
    "rbac.authorization.k8s.io/v1:Role cell-app-team",
    "rules.0",
    (r) => (r.resources = ["*"]),
    "rbac-narrow",
  ],
  [
    "the gateway's login",
    "core/v1:ConfigMap cell-gateway-config",
    "data",
    openclaw((c) => (at(c, "gateway.auth").mode = "none")),
    "openclaw-config",
  ],
  [
    "exact origins",
    "core/v1:ConfigMap cell-gateway-config",
    "data",
    openclaw((c) => (at(c, "gateway.controlUi").allowedOrigins = ["*"])),
    "openclaw-config",
  ],
  [
    "elevated tools off",
    "core/v1:ConfigMap cell-gateway-config",
    "data",
    openclaw((c) => delete at(c, "tools").elevated),
    "openclaw-config",
  ],
  [
    "a reference to a Secret",
    "core/v1:ConfigMap cell-gateway-config",
    "data",
    openclaw((c) => (at(c, "hooks").token = "canary")),
    "secrets-in-clear",
  ],
];

describe("a safeguard of our own stack that is taken away", () => {
  let cell: Inspected[];
  before(async () => {
    cell = await inspectedCell(everyPart());
  });

  for (const [what, object, path, change, policy] of SAFEGUARDS) {
    it(`is found: ${what}`, async () => {
      const resources = structuredClone(cell);
      const changed = resources.find(({ type, name }) => `${type} ${name ?? ""}` === `kubernetes:${object}`);
      assert.ok(changed !== undefined, object);
      change(at(changed.props, path));
      const findings = await findingsIn(resources);
      assert.notEqual(findings.length, 0);
      for (const finding of findings) assert.equal(finding.split(":")[0], policy, finding);
      assert.ok(!findings.join().includes("canary"));
    });
  }

  it("is found: an explicit provider", async () => {
    const [first, ...others] = cell.filter(({ type }) => type === "kubernetes:core/v1:Service");
    assert.ok(first !== undefined && others.length > 0);
    const provider = { type: "pulumi:providers:kubernetes", name: "default_4_27_0" };
    const findings = await findingsIn([{ ...first, provider }]);
    assert.deepEqual(
      findings.map((finding) => finding.split(":")[0]),
      ["provider-explicit"],
    );
  });
});
