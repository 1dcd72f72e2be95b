import assert from "node:assert/strict";
import { labelsPresent } from "../../policy/policies/labels-present";
import { UNKNOWN, validate } from "./support";

const NAMED = { "app.kubernetes.io/name": "a", "app.kubernetes.io/instance": "b" };
const LABELS = { ...NAMED, "app.kubernetes.io/part-of": "c" };
const object = (labels: unknown, type = "kubernetes:core/v1:ConfigMap") => ({ type, props: { metadata: { labels } } });
const missing = (name: string) => `metadata.labels["app.kubernetes.io/${name}"]: missing; set it`;
const OWNER = "metadata.labels: does not say whose it is; set app.kubernetes.io/part-of or clawfleet.dev/owner";

describe("policy labels-present", () => {
  it("accepts labels that say what it is and whose, on any kind", async () => {
    for (const type of ["kubernetes:core/v1:ConfigMap", "kubernetes:example.com/v1:Widget"]) {
      assert.deepEqual(await validate(labelsPresent, object(LABELS, type)), { violations: [] });
    }
    assert.deepEqual(await validate(labelsPresent, object({ ...NAMED, "clawfleet.dev/owner": "app" })), {
      violations: [],
    });
  });

  it("names each that is missing", async () => {
    for (const labels of [undefined, {}, { "app.kubernetes.io/name": "", "clawfleet.dev/owner": "" }]) {
      assert.deepEqual((await validate(labelsPresent, object(labels))).violations, [
        missing("name"),
        missing("instance"),
        OWNER,
      ]);
    }
    assert.deepEqual((await validate(labelsPresent, object(NAMED))).violations, [OWNER]);
  });

  it("asks for them on a workload's Pods as well", async () => {
    const deployment = (labels: unknown) => ({
      type: "kubernetes:apps/v1:Deployment",
      props: { metadata: { labels: LABELS }, spec: { template: { metadata: { labels } } } },
    });
    assert.deepEqual(await validate(labelsPresent, deployment(NAMED)), { violations: [] });
    assert.deepEqual((await validate(labelsPresent, deployment({ "app.kubernetes.io/name": "a" }))).violations, [
      'spec.template.metadata.labels["app.kubernetes.io/instance"]: missing; set it',
    ]);
    assert.deepEqual((await validate(labelsPresent, object({}, "kubernetes:core/v1:Pod"))).violations.length, 3);
  });

  it("asks for what the config asks for", async () => {
    const config = { required: ["team"], owners: [] };
    assert.deepEqual(await validate(labelsPresent, object({ team: "a" }), config), { violations: [] });
    assert.deepEqual(await validate(labelsPresent, object(LABELS), config), {
      violations: ["metadata.labels.team: missing; set it"],
    });
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    const labels = { "app.kubernetes.io/name": UNKNOWN, "app.kubernetes.io/part-of": UNKNOWN };
    assert.deepEqual(await validate(labelsPresent, object(labels)), {
      violations: [missing("instance")],
      advisory:
        '2 fields not decidable in preview: metadata.labels["app.kubernetes.io/name"], metadata.labels["app.kubernetes.io/part-of"]',
    });
  });

  it("leaves lists, patches, and what is not of Kubernetes alone", async () => {
    for (const type of [
      "kubernetes:core/v1:ConfigMapList",
      "kubernetes:core/v1:ConfigMapPatch",
      "pulumi:providers:kubernetes",
      "aws:s3/bucket:Bucket",
    ]) {
      assert.deepEqual(await validate(labelsPresent, object({}, type)), { violations: [] }, type);
    }
  });
});
