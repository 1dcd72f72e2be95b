import assert from "node:assert/strict";
import { imagesPinned } from "../../policy/policies/images-pinned";
import { objectsVisible } from "../../policy/policies/objects-visible";
import { labelsPresent } from "../../policy/policies/labels-present";
import { podSecurity } from "../../policy/policies/pod-security";
import { secretsInClear } from "../../policy/policies/secrets-in-clear";
import { UNKNOWN, validate } from "./support";

const custom = (spec: unknown) => ({ type: "kubernetes:example.com/v1:Widget", props: { metadata: {}, spec } });
const PIN = "the image has no sha256 digest; write it as NAME:TAG@sha256:DIGEST";

describe("custom resources, by their shape", () => {
  const containers = [{ name: "a", image: "nginx:1.29.1" }];

  it("have their Pods checked, wherever they are", async () => {
    for (const [spec, path] of [
      [{ template: { spec: { containers } } }, "spec.template.spec"],
      [{ jobTargetRef: { template: { spec: { containers } } } }, "spec.jobTargetRef.template.spec"],
      [{ jobs: [{}, { template: { spec: { containers } } }] }, "spec.jobs[1].template.spec"],
      [{ podTemplate: { containers } }, "spec.podTemplate"],
      [{ containers }, "spec"],
    ] as const) {
      assert.deepEqual((await validate(imagesPinned, custom(spec))).violations, [
        `${path}.containers[0].image: ${PIN}`,
      ]);
      const { violations } = await validate(podSecurity, custom(spec));
      assert.ok(violations.some((violation) => violation.startsWith(`${path}.automountServiceAccountToken: `)));
    }
  });

  it("have their Pods' labels checked where there is metadata beside them", async () => {
    const { violations } = await validate(labelsPresent, custom({ jobs: [{ template: { spec: { containers } } }] }));
    assert.ok(violations.some((violation) => violation.startsWith("spec.jobs[0].template.metadata.labels[")));
  });

  it("have what they call an image checked", async () => {
    assert.deepEqual((await validate(imagesPinned, custom({ image: "a:1", sidecar: { image: "b:2" } }))).violations, [
      `spec.image: ${PIN}`,
      `spec.sidecar.image: ${PIN}`,
    ]);
    // An operator's own way to write an image is not judged.
    const written = { image: { repository: "a", tag: "1" } };
    assert.deepEqual(await validate(imagesPinned, custom(written)), { violations: [] });
  });

  it("have no credentials in clear, by their shape alone", async () => {
    const token = `ghp_${"a1".repeat(18)}`;
    const problem = "a credential in clear; keep it in a Secret and refer to that";
    const spec = { secretKey: "token", config: [{ value: token }], list: ["a", token] };
    assert.deepEqual((await validate(secretsInClear, custom(spec))).violations.sort(), [
      `spec.config[0].value: ${problem}`,
      `spec.list[1]: ${problem}`,
    ]);
  });

  it("have violations found beside unknowns, and unknowns named", async () => {
    const spec = { image: UNKNOWN, jobs: [{ containers: [{ image: UNKNOWN }, { image: "a:1" }] }] };
    assert.deepEqual(await validate(imagesPinned, custom(spec)), {
      violations: [`spec.jobs[0].containers[1].image: ${PIN}`],
      advisory: "2 fields not decidable in preview: spec.image, spec.jobs[0].containers[0].image",
    });
    assert.deepEqual(await validate(imagesPinned, custom({ template: UNKNOWN })), {
      violations: [],
      advisory: "1 field not decidable in preview: spec.template",
    });
  });
});

describe("policy objects-visible", () => {
  it("refuses a release, whose objects no policy sees, and accepts what has a resource for each", async () => {
    assert.deepEqual(
      await validate(objectsVisible, { type: "kubernetes:helm.sh/v3:Release", props: { chart: UNKNOWN } }),
      {
        violations: ["chart: its objects are hidden from policies; use helm.v4.Chart"],
      },
    );
    for (const type of [
      "kubernetes:helm.sh/v4:Chart",
      "kubernetes:yaml/v2:ConfigGroup",
      "kubernetes:apps/v1:Deployment",
    ]) {
      assert.deepEqual(await validate(objectsVisible, { type, props: {} }), { violations: [] });
    }
  });

  it("is the only one that looks at Pulumi's own components", async () => {
    for (const type of [
      "kubernetes:helm.sh/v4:Chart",
      "kubernetes:yaml/v2:ConfigGroup",
      "kubernetes:kustomize/v2:Directory",
    ]) {
      assert.deepEqual(await validate(labelsPresent, { type, props: {} }), { violations: [] }, type);
    }
  });
});
