import assert from "node:assert/strict";
import { apisServed } from "../../policy/policies/apis-served";
import { UNKNOWN, validate } from "./support";

const verdict = (type: string, config?: Record<string, unknown>) =>
  validate(apisServed, { type: `kubernetes:${type}`, props: { spec: UNKNOWN } }, config);
const removed = (minor: number, instead: string) => ({
  violations: [`apiVersion: not served since Kubernetes 1.${String(minor)}; use ${instead}`],
});

describe("policy apis-served", () => {
  it("accepts what is served, whatever is unknown", async () => {
    for (const type of [
      "apps/v1:Deployment",
      "core/v1:Pod",
      "example.com/v1beta1:Ingress",
      "policy/v1:PodDisruptionBudget",
    ]) {
      assert.deepEqual(await verdict(type), { violations: [] }, type);
    }
  });

  const cases: [string, number, string][] = [
    ["extensions/v1beta1:Deployment", 16, "apps/v1"],
    ["extensions/v1beta1:Ingress", 22, "networking.k8s.io/v1"],
    ["apps/v1beta1:StatefulSet", 16, "apps/v1"],
    ["rbac.authorization.k8s.io/v1beta1:Role", 22, "rbac.authorization.k8s.io/v1"],
    ["batch/v1beta1:CronJob", 25, "batch/v1"],
    ["policy/v1beta1:PodSecurityPolicy", 25, "Pod Security admission"],
    ["autoscaling/v2beta2:HorizontalPodAutoscaler", 26, "autoscaling/v2"],
    ["storage.k8s.io/v1beta1:CSIStorageCapacity", 27, "storage.k8s.io/v1"],
    ["flowcontrol.apiserver.k8s.io/v1beta3:FlowSchema", 32, "flowcontrol.apiserver.k8s.io/v1"],
    ["admissionregistration.k8s.io/v1beta1:ValidatingAdmissionPolicy", 34, "admissionregistration.k8s.io/v1"],
  ];
  for (const [type, minor, instead] of cases) {
    it(`refuses ${type} from Kubernetes 1.${String(minor)} on`, async () => {
      assert.deepEqual(await verdict(type), removed(minor, instead));
      assert.deepEqual(await verdict(type, { kubernetesVersion: `1.${String(minor)}` }), removed(minor, instead));
      assert.deepEqual(await verdict(type, { kubernetesVersion: `1.${String(minor - 1)}` }), { violations: [] });
    });
  }

  it("knows what the next versions stop to serve", async () => {
    const next = { kubernetesVersion: "1.38" };
    for (const [type, minor, instead] of [
      ["networking.k8s.io/v1beta1:ServiceCIDR", 37, "networking.k8s.io/v1"],
      ["resource.k8s.io/v1beta1:ResourceClaim", 38, "resource.k8s.io/v1"],
    ] as const) {
      assert.deepEqual(await verdict(type), { violations: [] });
      assert.deepEqual(await verdict(type, next), removed(minor, instead));
    }
  });

  it("leaves other kinds of the same version alone", async () => {
    assert.deepEqual(await verdict("storage.k8s.io/v1beta1:VolumeAttributesClass"), { violations: [] });
    assert.deepEqual(await validate(apisServed, { type: "aws:s3/bucket:Bucket", props: {} }), { violations: [] });
  });
});
