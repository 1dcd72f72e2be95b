import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { AdminAccess, planAdminAccess, type AdminAccessArgs } from "../../components/admin-access";
import { catalogueImage } from "../../components/images";
import { SecretFrom } from "../../components/secrets";
import type { Container, PodSpec } from "./cells";
import { differences, providers, record, type Recorder } from "./support";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const CANARY = "canary-tailscale-key";
const OPTIONS = { authKey: { from: SecretFrom.Existing, existingName: "tailnet" }, tag: "tag:agents-dev" };

function recordAccess(args: Partial<AdminAccessArgs> = {}): Promise<Recorder> {
  return record((recorder) => {
    new AdminAccess(
      "ops",
      { namespace: "agents", instance: "cell", ...OPTIONS, ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

const podSpec = (recorder: Recorder): PodSpec =>
  (recorder.get(DEPLOYMENT, "ops").inputs as { spec: { template: { spec: PodSpec } } }).spec.template.spec;

function onlyContainer(recorder: Recorder): Container & { lifecycle?: unknown } {
  const [container, ...others] = podSpec(recorder).containers;
  assert.ok(container !== undefined && others.length === 0);
  return container;
}

interface Rule {
  to: { podSelector?: { matchLabels: Record<string, string> }; ipBlock?: { cidr: string; except: string[] } }[];
  ports: { protocol: string; port: number }[];
}

const rules = (recorder: Recorder) =>
  (recorder.get("kubernetes:networking.k8s.io/v1:NetworkPolicy", "ops").inputs.spec as { egress: Rule[] }).egress;

describe("AdminAccess", () => {
  it("registers exactly these resources alone: no Service, no Role, no Secret of its own", async () => {
    assert.deepEqual(
      (await recordAccess()).list().map((line) => line.replace(/[0-9a-f]{12}$/, "HASH")),
      [
        "clawfleet:index:AdminAccess ops",
        `${DEPLOYMENT} ops`,
        "kubernetes:core/v1:ConfigMap ops-passwd",
        "kubernetes:core/v1:ServiceAccount ops",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy ops",
        "kubernetes:policy/v1:PodDisruptionBudget ops",
      ],
    );
  });

  it("runs in userspace as an ordinary user who has an entry, with its state in memory", async () => {
    const recorder = await recordAccess();
    const { securityContext, volumes, automountServiceAccountToken } = podSpec(recorder);
    assert.equal((securityContext as { runAsUser: number }).runAsUser, 1000);
    assert.equal(automountServiceAccountToken, false);
    const { data } = recorder.get("kubernetes:core/v1:ConfigMap", "ops-passwd").inputs as { data: { passwd: string } };
    assert.match(data.passwd, /^admin:x:1000:1000:/);
    const { env, securityContext: container, volumeMounts } = onlyContainer(recorder);
    const value = (name: string) => env.find((variable) => variable.name === name)?.value;
    assert.equal(value("TS_USERSPACE"), "true");
    assert.ok(env.some((variable) => variable.name === "TS_KUBE_SECRET" && variable.value === undefined));
    assert.equal(value("TS_STATE_DIR"), undefined);
    assert.equal(value("TS_EXTRA_ARGS"), "--ssh --advertise-tags=tag:agents-dev");
    assert.equal(value("TS_HOSTNAME"), "ops");
    assert.deepEqual(container, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual(volumes[0], { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "32Mi" } });
    assert.deepEqual(
      volumeMounts.map(({ mountPath, subPath }) => [mountPath, subPath]),
      [
        ["/tmp", undefined],
        ["/etc/passwd", "passwd"],
        ["/var/run/tailscale-key", undefined],
      ],
    );
  });

  it("reads the key from a file of its Secret: it is in no argument and no environment", async () => {
    const recorder = await recordAccess({ authKey: { value: pulumi.secret(CANARY) } });
    const { secrets } = recorder.get("kubernetes:core/v1:Secret", "ops-key");
    assert.deepEqual(secrets, ["stringData"]);
    const key = onlyContainer(recorder).env.find(({ name }) => name === "TS_AUTHKEY");
    assert.equal(key?.value, "file:/var/run/tailscale-key/TS_AUTHKEY");
    assert.deepEqual(podSpec(recorder).volumes[2], {
      name: "key",
      secret: { secretName: "ops-key", defaultMode: 0o440, items: [{ key: "TS_AUTHKEY", path: "TS_AUTHKEY" }] },
    });
    for (const { type, inputs } of recorder.resources) {
      if (type !== "kubernetes:core/v1:Secret") assert.ok(!JSON.stringify(inputs).includes(CANARY), type);
    }
  });

  it("rolls when its key is rotated", async () => {
    const rotated = await recordAccess({ authKey: { ...OPTIONS.authKey, version: 2 } });
    assert.deepEqual(differences(await recordAccess(), rotated), [
      `${DEPLOYMENT} ops spec.template.metadata.annotations.clawfleet.dev/secrets`,
    ]);
  });

  it("reaches DNS, the gateway and public addresses by TCP 443; nobody reaches it", async () => {
    const recorder = await recordAccess({ gateway: { component: "gateway", host: "cell-gateway", port: 18789 } });
    const [, gateway, v4, v6, ...others] = rules(recorder);
    assert.equal(gateway?.to[0]?.podSelector?.matchLabels["app.kubernetes.io/component"], "gateway");
    assert.equal(v4?.to[0]?.ipBlock?.cidr, "0.0.0.0/0");
    assert.ok(v4.to[0]?.ipBlock?.except.includes("10.0.0.0/8"));
    assert.ok(v4.to[0]?.ipBlock?.except.includes("169.254.0.0/16"));
    assert.deepEqual(v4.ports, [{ protocol: "TCP", port: 443 }]);
    assert.equal(v6?.to[0]?.ipBlock?.cidr, "::/0");
    assert.deepEqual(others, []);
    const { ingress } = recorder.get("kubernetes:networking.k8s.io/v1:NetworkPolicy", "ops").inputs.spec as {
      ingress: unknown[];
    };
    assert.deepEqual(ingress, []);
  });

  it("opens UDP for direct connections only when told", async () => {
    const direct = rules(await recordAccess({ directConnections: true })).at(-1);
    assert.deepEqual(direct?.ports, [
      { protocol: "UDP", port: 3478 },
      { protocol: "UDP", port: 41641 },
    ]);
    for (const { ipBlock } of direct.to) assert.ok((ipBlock?.except.length ?? 0) > 0);
  });

  it("proves by its probes that it is in the tailnet and that the daemon answers, and leaves when it ends", async () => {
    const { startupProbe, readinessProbe, livenessProbe, lifecycle } = onlyContainer(await recordAccess());
    for (const probe of [startupProbe, readinessProbe])
      assert.match(JSON.stringify(probe?.exec), /127\.0\.0\.1:9002\/healthz/);
    assert.match(JSON.stringify(livenessProbe?.exec), /"version","--daemon"/);
    assert.deepEqual(lifecycle, {
      preStop: { exec: { command: ["tailscale", "--socket=/tmp/tailscaled.sock", "logout"] } },
    });
  });

  it("runs the catalogue's image by digest", async () => {
    const { repository, tag, digest } = catalogueImage("tailscale");
    assert.equal(onlyContainer(await recordAccess()).image, `${repository}:${tag}@${digest}`);
  });

  it("needs a key and a tag, and says which option", () => {
    assert.throws(() => planAdminAccess({ tag: "tag:x" }), /adminAccess\.authKey: no key/);
    assert.throws(() => planAdminAccess({ authKey: OPTIONS.authKey }), /adminAccess\.tag: "" is no ACL tag/);
    assert.throws(() => planAdminAccess({ ...OPTIONS, tag: "agents" }), /adminAccess\.tag/);
    assert.throws(() => planAdminAccess({ ...OPTIONS, tag: "tag:a --accept-routes" }), /adminAccess\.tag/);
    assert.throws(() => planAdminAccess({ ...OPTIONS, hostname: "a b" }), /adminAccess\.hostname/);
    assert.throws(
      () => planAdminAccess({ ...OPTIONS, authKey: { from: SecretFrom.Generated } }),
      /adminAccess\.authKey\.from: .*cannot be generated/,
    );
  });
});
