import assert from "node:assert/strict";
import { replicasAutoscaled } from "../../policy/policies/replicas-autoscaled";
import { UNKNOWN, validateStack } from "./support";

const deployment = (spec: unknown, inputs?: unknown) => ({
  type: "kubernetes:apps/v1:Deployment",
  name: "web",
  props: { metadata: { name: "web" }, spec, ...(inputs !== undefined && { __inputs: { spec: inputs } }) },
});
const autoscaler = (changes: Record<string, unknown> = {}, name: unknown = "web") => ({
  type: "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
  name: "hpa",
  props: {
    metadata: { name: "hpa" },
    spec: { scaleTargetRef: { kind: "Deployment", name }, minReplicas: 2, maxReplicas: 6, ...changes },
  },
});
const BOTH = "web spec.replicas: an autoscaler sets it as well; leave it out, or ignore its changes";

describe("policy replicas-autoscaled", () => {
  it("accepts a workload that leaves the number to its autoscaler, or has none", async () => {
    for (const resources of [
      [deployment({}), autoscaler()],
      [deployment({ replicas: 3 })],
      [deployment({ replicas: 3 }), autoscaler({}, "other")],
    ]) {
      assert.deepEqual(await validateStack(replicasAutoscaled, resources), { violations: [] });
    }
  });

  it("refuses a number that the autoscaler sets as well", async () => {
    const { violations } = await validateStack(replicasAutoscaled, [deployment({ replicas: 3 }), autoscaler()]);
    assert.deepEqual(violations, [BOTH]);
  });

  it("goes by what the program says, not by what the cluster adds", async () => {
    const byDefault = deployment({ replicas: 1 }, {});
    assert.deepEqual(await validateStack(replicasAutoscaled, [byDefault, autoscaler()]), { violations: [] });
    const said = deployment({ replicas: 5 }, { replicas: 3 });
    assert.deepEqual((await validateStack(replicasAutoscaled, [said, autoscaler()])).violations, [BOTH]);
  });

  it("accepts a number whose changes are ignored", async () => {
    const ignoring = { ...deployment({ replicas: 3 }), ignoreChanges: ["spec.replicas"] };
    assert.deepEqual(await validateStack(replicasAutoscaled, [ignoring, autoscaler()]), { violations: [] });
  });

  it("refuses an autoscaler that has no room to scale", async () => {
    const problem = "hpa spec.maxReplicas: not above minReplicas, so nothing is scaled; raise it";
    for (const range of [{ maxReplicas: 2 }, { minReplicas: undefined, maxReplicas: 1 }]) {
      assert.deepEqual((await validateStack(replicasAutoscaled, [autoscaler(range)])).violations, [problem]);
    }
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    const resources = [deployment({ replicas: UNKNOWN }), autoscaler({ maxReplicas: 2 })];
    assert.deepEqual(await validateStack(replicasAutoscaled, resources), {
      violations: ["hpa spec.maxReplicas: not above minReplicas, so nothing is scaled; raise it"],
      advisory: "1 field not decidable in preview: web spec.replicas",
    });
  });
});
