import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { podSecurity } from "../../policy/policies/pod-security";
import { corpus, podOf, type KubernetesManifest } from "../policy/corpus";
import { validate } from "../policy/support";
import { TestFleet } from "../support/fleet";

const CLUSTER = "admission";
const NAMESPACE = "restricted";

interface EphemeralPod extends KubernetesManifest {
  spec: { ephemeralContainers?: object[] };
}

/** Every Pod of the corpus, by the file that it is from. */
const PODS = corpus().flatMap(({ name, objects, admission }) =>
  objects.flatMap((object) => {
    const pod = podOf(object);
    return pod === undefined ? [] : [{ file: name.replace("/", "."), pod: pod as EphemeralPod, admission }];
  }),
);

/** The pack's verdict on the corpus's Pods, and that of the API server, which enforces `restricted` in a namespace. */
describe("pod-security beside a real API server's admission", function () {
  this.timeout(300_000);
  let fleet: TestFleet;
  /** What the API server says of each Pod: nothing, or why not. */
  const refusals = new Map<string, string>();

  before(async function () {
    fleet = await TestFleet.start([CLUSTER]);
    await fleet.kubectl(CLUSTER, "create", "namespace", NAMESPACE);
    await fleet.kubectl(CLUSTER, "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted");
    const folder = join(fleet.folder, "pods");
    mkdirSync(folder);
    for (const { file, pod } of PODS) {
      const { ephemeralContainers, ...spec } = pod.spec;
      const plain = named({ ...pod, spec }, file);
      // Ephemeral containers are added to a Pod that is there.
      if (ephemeralContainers === undefined) writeFileSync(join(folder, `${file}.json`), JSON.stringify(plain));
      else refusals.set(file, await addEphemeral(plain, ephemeralContainers));
    }
    const output = await kubectlFails("create", "--dry-run=server", "-f", folder);
    for (const [, file = "", reason = ""] of output.matchAll(/when creating "[^"]*\/([^"/]+)\.json": (.*)/g)) {
      refusals.set(file, reason);
    }
    // Each was created, had it been in earnest, or was refused.
    const created = [...output.matchAll(/created \(server dry run\)/g)].length;
    assert.equal(refusals.size + created, PODS.length, output);
  });
  after(() => fleet.stop());

  /** What kubectl prints, whether it succeeds or not. */
  const kubectlFails = (...args: string[]) =>
    fleet
      .kubectl(CLUSTER, "-n", NAMESPACE, ...args)
      .catch((error: { stdout?: string; stderr?: string }) => `${error.stdout ?? ""}${error.stderr ?? ""}`);
  const named = (pod: KubernetesManifest, name: string) => ({
    ...pod,
    metadata: { ...pod.metadata, name, namespace: NAMESPACE },
  });
  const addEphemeral = async (pod: KubernetesManifest, ephemeralContainers: object[]) => {
    const file = join(fleet.folder, "ephemeral.json");
    writeFileSync(file, JSON.stringify(pod));
    await fleet.kubectl(CLUSTER, "create", "-f", file);
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${pod.metadata.name}`;
    const stored = JSON.parse(await fleet.kubectl(CLUSTER, "get", "--raw", path)) as EphemeralPod;
    writeFileSync(file, JSON.stringify({ ...stored, spec: { ...stored.spec, ephemeralContainers } }));
    const output = await kubectlFails("replace", "--raw", `${path}/ephemeralcontainers?dryRun=All`, "-f", file);
    return output.includes("Error from server") ? output : "";
  };

  it("is asked about every control of the standard, and refuses for no other reason", () => {
    assert.ok(PODS.length >= 140, String(PODS.length));
    const reasons = [...refusals.values()].filter((reason) => reason !== "");
    const others = reasons.filter((reason) => !reason.includes('violates PodSecurity "restricted:latest"'));
    assert.deepEqual(others, []);
    for (const control of [
      ...["host namespaces", "hostPort", "privileged", "hostProcess", "procMount", "AppArmor", "seLinuxOptions"],
      ...["forbidden sysctls", "probe or lifecycle host", "restricted volume types", "allowPrivilegeEscalation"],
      ...["runAsNonRoot", "runAsUser=0", "seccompProfile", "unrestricted capabilities"],
    ]) {
      assert.ok(
        reasons.some((reason) => reason.includes(control)),
        control,
      );
    }
  });

  for (const { file, pod, admission } of PODS) {
    it(`agrees on ${file}${admission === undefined ? "" : `, but for a reason: ${admission.reason}`}`, async () => {
      const { violations } = await validate(podSecurity, {
        type: "kubernetes:core/v1:Pod",
        props: pod as unknown as Record<string, unknown>,
      });
      const allowed = (refusals.get(file) ?? "") === "";
      assert.equal(
        allowed,
        admission?.allowed ?? violations.length === 0,
        `${refusals.get(file) ?? "allowed"}\n${violations.join("\n")}`,
      );
      // A reason is for a difference.
      if (admission !== undefined) assert.notEqual(allowed, violations.length === 0);
    });
  }
});
