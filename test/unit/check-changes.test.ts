import assert from "node:assert/strict";
import { changesOf, countChanges, isStateful, type Step } from "../../stacks/fleet/check/changes";
import { PLACEHOLDER, withoutSecrets } from "../../stacks/fleet/check/checkpoint";
import { readEvents } from "../../stacks/fleet/check/engine-events";
import { compareObjects } from "../../stacks/fleet/check/objects";
import { ValidationFailed } from "../../components/errors";

const urn = (type: string, name: string) => `urn:pulumi:prod::clawfleet::clawfleet:index:AgentStack$${type}::${name}`;
const SET = urn("kubernetes:apps/v1:StatefulSet", "gateway");
const CLAIM = urn("kubernetes:core/v1:PersistentVolumeClaim", "vault");
const CONFIG = urn("kubernetes:core/v1:ConfigMap", "config");
const SECRET = urn("kubernetes:core/v1:Secret", "token");
const PROVIDER = "urn:pulumi:prod::clawfleet::pulumi:providers:kubernetes::prod-eu";

const plan = (steps: Step[], unknown?: (urn: string) => string[]) =>
  changesOf(steps, unknown).map(({ op, name, paths }) => [op, name, ...paths].join(" "));

describe("the changes of a preview", () => {
  it("are creations, updates with their paths, deletions, and what stays the same", () => {
    assert.deepEqual(
      plan([
        { op: "same", urn: "urn:pulumi:prod::clawfleet::pulumi:pulumi:Stack::clawfleet-prod" },
        { op: "create", urn: "urn:pulumi:prod::clawfleet::clawfleet:index:AgentStack::prod-eu" },
        { op: "create", urn: CONFIG },
        { op: "update", urn: SET, detailedDiff: { "spec.replicas": {}, "spec.paused": {} }, diffReasons: ["spec"] },
        { op: "update", urn: SECRET, diffReasons: ["metadata"], detailedDiff: null },
        { op: "delete", urn: CLAIM },
        { op: "read", urn: urn("kubernetes:core/v1:Pod", "pod") },
        { op: "same", urn: urn("kubernetes:core/v1:Service", "service") },
      ]),
      [
        "create config",
        "update gateway spec.paused spec.replicas",
        "update token metadata",
        "delete vault",
        "same service",
      ],
    );
  });

  it("are one change for a replacement, in one step or in the three that it consists of", () => {
    const reasons = {
      replaceReasons: ["spec.serviceName"],
      detailedDiff: { "spec.serviceName": {}, "spec.replicas": {} },
    };
    const whole = changesOf([{ op: "replace", urn: SET, ...reasons }]);
    const halves = changesOf([
      { op: "create-replacement", urn: SET, ...reasons },
      { op: "replace", urn: SET, ...reasons },
      { op: "delete-replaced", urn: SET, oldState: { type: "kubernetes:apps/v1:StatefulSet", retainOnDelete: false } },
    ]);
    assert.deepEqual(halves, whole);
    assert.deepEqual(whole[0]?.replacePaths, ["spec.serviceName"]);
    assert.deepEqual(countChanges(halves), { create: 0, update: 0, replace: 1, delete: 0 });
  });

  it("leave a provider's update out, and not its replacement", () => {
    assert.deepEqual(plan([{ op: "update", urn: PROVIDER, detailedDiff: { kubeconfig: {} } }]), []);
    assert.deepEqual(plan([{ op: "replace", urn: PROVIDER, replaceReasons: ["clusterIdentifier"] }]), [
      "replace prod-eu clusterIdentifier",
    ]);
  });

  it("say nothing of properties that were not known before", () => {
    const unknown = (of: string) => (of === SECRET ? ["data", "metadata.annotations"] : []);
    const step = (...paths: string[]): Step => ({
      op: "update",
      urn: SECRET,
      detailedDiff: Object.fromEntries(paths.map((path) => [path, {}])),
    });
    assert.deepEqual(plan([step("data", "data.token", 'metadata.annotations["a.b/c"]')], unknown), ["same token"]);
    assert.deepEqual(plan([step("data.token", "database", "metadata.name")], unknown), [
      "update token database metadata.name",
    ]);
  });

  it("tell a stateful object, and one that stays when it is deleted", () => {
    const [kept] = changesOf([{ op: "delete", urn: CLAIM, oldState: { type: "", retainOnDelete: true } }]);
    assert.deepEqual([kept?.stateful, kept?.retained], [true, true]);
    const stateful = [
      "core/v1:Namespace",
      "core/v1:PersistentVolume",
      "apiextensions.k8s.io/v1:CustomResourceDefinition",
    ];
    for (const type of stateful) assert.ok(isStateful(`kubernetes:${type}`), type);
    for (const type of ["core/v1:ConfigMap", "apps/v1:Deployment", "core/v1:NamespacePatch"])
      assert.ok(!isStateful(`kubernetes:${type}`), type);
  });
});

describe("the events of a run", () => {
  const line = (event: object) => JSON.stringify({ sequence: 1, ...event });

  it("become steps, findings and messages; what else is printed is left alone", () => {
    const run = readEvents(
      [
        "a warning that is no JSON",
        line({
          resourcePreEvent: { metadata: { op: "update", urn: SET, old: null, detailedDiff: { a: {} }, keys: ["b"] } },
        }),
        line({
          policyEvent: {
            message: "<{%fg 13%}>About.\nspec: wrong<{%reset%}>\n",
            policyName: "p",
            enforcementLevel: "advisory",
          },
        }),
        line({ diagnosticEvent: { message: "RPC prepared", severity: "debug" } }),
        line({ diagnosticEvent: { message: "refused\n", severity: "error" } }),
        line({ diagnosticEvent: { message: "refused\n", severity: "error" } }),
        line({ diagnosticEvent: { message: "beware", severity: "warning" } }),
        line({ summaryEvent: {} }),
        "{ broken",
      ].join("\n"),
    );
    assert.deepEqual(changesOf(run.steps)[0]?.paths, ["a", "b"]);
    assert.equal(run.policies[0]?.message, "About.\nspec: wrong");
    assert.deepEqual([run.errors, run.warnings, run.finished], [["refused"], ["beware"], true]);
    assert.equal(readEvents("").finished, false);
  });
});

describe("an exported state", () => {
  const CANARY = "canary-77aa";
  const secret = (value: string) => ({
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: value,
  });
  const exported = {
    version: 3,
    deployment: {
      manifest: { version: "v3.230.0" },
      secrets_providers: { type: "passphrase", state: { salt: CANARY } },
      pending_operations: [{ resource: { inputs: { token: secret(CANARY) } } }],
      resources: [
        {
          urn: SECRET,
          inputs: { data: secret(CANARY), kind: "Secret" },
          outputs: { data: secret(CANARY), __inputs: { data: secret(CANARY) } },
        },
        {
          urn: urn("random:index/randomPassword:RandomPassword", "password"),
          outputs: { result: secret(CANARY), length: 32, __pulumi_raw_state_delta: { obj: secret(CANARY) } },
        },
        { urn: CONFIG, inputs: { data: { a: "b" }, list: [{ deep: secret(CANARY) }] } },
      ],
    },
  };

  it("keeps everything but its secrets, and tells where they were", () => {
    const { deployment, secrets } = withoutSecrets(JSON.stringify(exported), "prod.json");
    const text = JSON.stringify(deployment);
    assert.ok(!text.includes(CANARY), text);
    assert.deepEqual(secrets.get(SECRET), ["data", "__inputs.data"]);
    assert.deepEqual(secrets.get(CONFIG), ["list[0].deep"]);
    const [token, password, config] = deployment.resources ?? [];
    assert.deepEqual(token?.inputs?.kind, "Secret");
    assert.equal((token?.inputs?.data as { plaintext: string }).plaintext, "{}");
    assert.equal((password?.outputs?.result as { plaintext: string }).plaintext, JSON.stringify(PLACEHOLDER));
    assert.equal(password?.outputs?.length, 32);
    assert.deepEqual(config?.inputs?.data, { a: "b" });
  });

  it("is refused when it is something else, without a word of it", () => {
    for (const text of [`{"canary": "${CANARY}"`, "null", "[]", '{"deployment": {"resources": 1}}'])
      assert.throws(
        () => withoutSecrets(text, "prod.json"),
        (error) =>
          error instanceof ValidationFailed && /prod\.json/.test(error.message) && !error.message.includes(CANARY),
      );
  });
});

describe("rendered objects", () => {
  const object = (kind: string, name: string, rest: object = {}, cluster = "prod-eu") => ({
    cell: "prod",
    cluster,
    manifest: {
      apiVersion: kind === "StatefulSet" ? "apps/v1" : "v1",
      kind,
      metadata: { name, namespace: "cell" },
      ...rest,
    },
  });

  it("are compared by cluster, namespace, kind and name, value by value", () => {
    const spec = (replicas: number, ...args: string[]) => ({
      spec: { replicas, template: { containers: [{ args }] } },
    });
    const changes = compareObjects(
      [
        object("ConfigMap", "gone"),
        object("ConfigMap", "same", { data: { a: "1" } }),
        object("StatefulSet", "gateway", spec(1, "a", "b")),
        object("Service", "elsewhere", {}, "prod-us"),
      ],
      [
        object("ConfigMap", "same", { data: { a: "1" } }),
        object("StatefulSet", "gateway", spec(2, "a")),
        object("PersistentVolumeClaim", "new"),
        object("Service", "elsewhere"),
      ],
    );
    assert.deepEqual(
      changes.map(({ op, type, name, paths, replacement }) => [op, type, name, paths, replacement]),
      [
        ["delete", "kubernetes:core/v1:ConfigMap", "cell/gone", [], undefined],
        ["create", "kubernetes:core/v1:PersistentVolumeClaim", "cell/new", [], undefined],
        ["create", "kubernetes:core/v1:Service", "cell/elsewhere", [], undefined],
        [
          "update",
          "kubernetes:apps/v1:StatefulSet",
          "cell/gateway",
          ["spec.replicas", "spec.template.containers[0].args[1]"],
          "undecided",
        ],
        ["delete", "kubernetes:core/v1:Service", "cell/elsewhere", [], undefined],
      ],
    );
  });
});
