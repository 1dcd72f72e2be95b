import assert from "node:assert/strict";
import { replicasSpread } from "../../policy/policies/replicas-spread";
import { UNKNOWN, validate } from "./support";

const workload = (replicas: unknown, spec: Record<string, unknown> = {}, kind = "Deployment") => ({
  type: `kubernetes:apps/v1:${kind}`,
  props: { spec: { replicas, template: { spec } } },
});
const MISSING = "spec.template.spec.topologySpreadConstraints: missing; spread the replicas by kubernetes.io/hostname";
const SPREAD = { topologySpreadConstraints: [{ topologyKey: "kubernetes.io/hostname" }] };
const APART = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } } };

describe("policy replicas-spread", () => {
  it("accepts one replica, and several that are spread or kept apart", async () => {
    for (const kind of ["Deployment", "StatefulSet"]) {
      for (const resource of [
        workload(1, {}, kind),
        workload(undefined, {}, kind),
        workload(3, SPREAD, kind),
        workload(2, APART, kind),
      ]) {
        assert.deepEqual(await validate(replicasSpread, resource), { violations: [] });
      }
    }
  });

  it("refuses several that may all be on one node", async () => {
    for (const kind of ["Deployment", "StatefulSet"]) {
      for (const spec of [{}, { topologySpreadConstraints: [] }, { affinity: { nodeAffinity: {} } }]) {
        assert.deepEqual(await validate(replicasSpread, workload(2, spec, kind)), { violations: [MISSING] });
      }
    }
  });

  it("refuses fewer than the config asks for, of a Deployment", async () => {
    const problem = "spec.replicas: fewer than 2; raise it, or exempt what can run once only";
    assert.deepEqual(await validate(replicasSpread, workload(1), { minimum: 2 }), { violations: [problem] });
    assert.deepEqual(await validate(replicasSpread, workload(undefined), { minimum: 2 }), { violations: [problem] });
    assert.deepEqual(await validate(replicasSpread, workload(1, {}, "StatefulSet"), { minimum: 2 }), {
      violations: [],
    });
  });

  it("finds a violation beside an unknown, and names the unknown", async () => {
    assert.deepEqual(await validate(replicasSpread, workload(2, { affinity: UNKNOWN }), { minimum: 3 }), {
      violations: ["spec.replicas: fewer than 3; raise it, or exempt what can run once only"],
      advisory: "1 field not decidable in preview: spec.template.spec.affinity",
    });
    assert.deepEqual(await validate(replicasSpread, workload(UNKNOWN)), {
      violations: [],
      advisory: "1 field not decidable in preview: spec.replicas",
    });
  });

  it("leaves other kinds alone", async () => {
    for (const kind of ["DaemonSet", "ReplicaSet"]) {
      assert.deepEqual(await validate(replicasSpread, workload(2, {}, kind)), { violations: [] });
    }
  });
});
