import assert from "node:assert/strict";
import { disruptionBudgeted } from "../../policy/policies/disruption-budgeted";
import { UNKNOWN, validateStack } from "./support";

const APP = { app: "a" };
const workload = (replicas?: unknown, labels: unknown = APP, kind = "Deployment") => ({
  type: `kubernetes:apps/v1:${kind}`,
  name: "work",
  props: { metadata: { namespace: "agents" }, spec: { replicas, template: { metadata: { labels } } } },
});
const budget = (spec: Record<string, unknown>, namespace: unknown = "agents") => ({
  type: "kubernetes:policy/v1:PodDisruptionBudget",
  name: "budget",
  props: { metadata: { namespace }, spec: { selector: { matchLabels: APP }, ...spec } },
});
const ONE = budget({ maxUnavailable: 1 });
const MISSING = "work spec.template.metadata.labels: selected by no PodDisruptionBudget; add one";
const violations = async (...resources: Parameters<typeof validateStack>[1]) => {
  const verdict = await validateStack(disruptionBudgeted, resources);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};
const by = (...matchExpressions: unknown[]) => budget({ maxUnavailable: 1, selector: { matchExpressions } });

describe("policy disruption-budgeted", () => {
  it("accepts what a budget selects, by labels or by expressions", async () => {
    for (const kind of ["Deployment", "StatefulSet"])
      assert.deepEqual(await violations(workload(1, APP, kind), ONE), []);
    assert.deepEqual(await violations(workload(3), budget({ minAvailable: 2 })), []);
    assert.deepEqual(await violations(workload(1), budget({ maxUnavailable: 1, selector: {} })), []);
    for (const expression of [
      { key: "app", operator: "In", values: ["b", "a"] },
      { key: "app", operator: "NotIn", values: ["b"] },
      { key: "app", operator: "Exists" },
      { key: "tier", operator: "DoesNotExist" },
    ]) {
      assert.deepEqual(await violations(workload(), by(expression)), [], expression.operator);
    }
  });

  it("accepts a workload without Pods", async () => {
    assert.deepEqual(await violations(workload(0)), []);
  });

  it("refuses what no budget selects", async () => {
    for (const kind of ["Deployment", "StatefulSet"])
      assert.deepEqual(await violations(workload(2, APP, kind)), [MISSING]);
    assert.deepEqual(await violations(workload(2, { app: "b" }), ONE), [MISSING]);
    assert.deepEqual(await violations(workload(2), budget({ maxUnavailable: 1 }, "other")), [MISSING]);
    for (const expression of [
      { key: "app", operator: "In", values: ["b"] },
      { key: "app", operator: "NotIn", values: ["a"] },
      { key: "tier", operator: "Exists" },
      { key: "app", operator: "DoesNotExist" },
    ]) {
      assert.deepEqual(await violations(workload(), by(expression)), [MISSING], expression.operator);
    }
  });

  it("refuses a budget that lets no Pod go", async () => {
    for (const maxUnavailable of [0, "0", "0%"]) {
      assert.deepEqual(await violations(workload(2), budget({ maxUnavailable })), [
        "budget spec.maxUnavailable: lets no Pod go; set it to 1 or more",
      ]);
    }
    assert.deepEqual(await violations(workload(2), budget({ minAvailable: "100%" })), [
      "budget spec.minAvailable: lets no Pod go; use maxUnavailable: 1",
    ]);
    const tooMany = "budget spec.minAvailable: as many as there are replicas, so no Pod may go; use maxUnavailable: 1";
    assert.deepEqual(await violations(workload(2), budget({ minAvailable: 2 })), [tooMany]);
    assert.deepEqual(await violations(workload(), budget({ minAvailable: 1 })), [tooMany]);
    assert.deepEqual(await violations(workload(1), budget({})), [tooMany]);
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    const resources = [workload(UNKNOWN), { ...workload(2, { app: "b" }), name: "other" }, ONE];
    assert.deepEqual(await validateStack(disruptionBudgeted, resources), {
      violations: [MISSING.replace("work", "other")],
      advisory: "1 field not decidable in preview: work spec.replicas",
    });
    assert.deepEqual(await validateStack(disruptionBudgeted, [workload(2, { app: UNKNOWN }), ONE]), {
      violations: [],
      advisory: "1 field not decidable in preview: work spec.template.metadata.labels.app",
    });
    assert.deepEqual(await validateStack(disruptionBudgeted, [workload(2), budget({ minAvailable: UNKNOWN })]), {
      violations: [],
      advisory: "1 field not decidable in preview: budget spec.minAvailable",
    });
  });

  it("leaves other kinds alone", async () => {
    for (const kind of ["DaemonSet", "ReplicaSet"]) assert.deepEqual(await violations(workload(2, APP, kind)), []);
    assert.deepEqual(await violations({ type: "kubernetes:batch/v1:Job", props: {} }), []);
  });
});
