import assert from "node:assert/strict";
import { singleWriter } from "../../policy/policies/single-writer";
import { UNKNOWN, validateStack } from "./support";

const metadata = (name: string) => ({ metadata: { name, namespace: "agents" } });
const claim = (accessModes: unknown = ["ReadWriteOnce"]) => ({
  type: "kubernetes:core/v1:PersistentVolumeClaim",
  name: "claim",
  props: { ...metadata("state"), spec: { accessModes } },
});
const workload = (
  replicas: unknown,
  persistentVolumeClaim: unknown = { claimName: "state" },
  kind = "StatefulSet",
) => ({
  type: `kubernetes:apps/v1:${kind}`,
  name: "work",
  props: { ...metadata("gateway"), spec: { replicas, template: { spec: { volumes: [{ persistentVolumeClaim }] } } } },
});
const autoscaler = (maxReplicas: unknown, name = "gateway") => ({
  type: "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
  name: "scaler",
  props: { ...metadata("scaler"), spec: { scaleTargetRef: { kind: "StatefulSet", name }, maxReplicas } },
});
const SEVERAL = "work spec.replicas: several Pods write to one volume; use one replica, or volumeClaimTemplates";
const SCALED = "scaler spec.maxReplicas: its target writes to one volume; remove the autoscaler";
const violations = async (...resources: Parameters<typeof validateStack>[1]) => {
  const verdict = await validateStack(singleWriter, resources);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};

describe("policy single-writer", () => {
  it("accepts one replica, readers, shared claims and claims of each Pod's own", async () => {
    assert.deepEqual(await violations(claim(), workload(1), autoscaler(1)), []);
    assert.deepEqual(await violations(claim(), workload(undefined)), []);
    assert.deepEqual(await violations(claim(), workload(3, { claimName: "state", readOnly: true }), autoscaler(5)), []);
    assert.deepEqual(await violations(claim(["ReadWriteMany"]), workload(3), autoscaler(5)), []);
    assert.deepEqual(await violations(claim(), workload(3, { claimName: "other" }), autoscaler(5)), []);
    assert.deepEqual(await violations(claim(), workload(3, undefined), autoscaler(5, "other")), [SEVERAL]);
  });

  it("refuses several writers of one claim", async () => {
    for (const kind of ["StatefulSet", "Deployment", "ReplicaSet"]) {
      for (const modes of [["ReadWriteOnce"], ["ReadWriteOncePod"]]) {
        assert.deepEqual(await violations(claim(modes), workload(2, undefined, kind)), [SEVERAL]);
      }
    }
  });

  it("refuses an autoscaler of a writer", async () => {
    for (const maxReplicas of [2, undefined]) {
      assert.deepEqual(await violations(claim(), workload(1), autoscaler(maxReplicas)), [SCALED]);
    }
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(await validateStack(singleWriter, [claim(), workload(UNKNOWN), autoscaler(5)]), {
      violations: [SCALED],
      advisory: "1 field not decidable in preview: work spec.replicas",
    });
  });

  it("leaves other kinds alone", async () => {
    assert.deepEqual(await violations(claim(), workload(3, undefined, "DaemonSet"), autoscaler(5)), []);
  });
});
