import assert from "node:assert/strict";
import { Environment } from "../../components/environment";
import { Conflict, ValidationFailed } from "../../components/errors";
import type { EventBody } from "../../stacks/fleet/rollout/events";
import { planRollback } from "../../stacks/fleet/rollout/rollback";
import { runState, type RunState } from "../../stacks/fleet/rollout/run-state";

const NOW = { lockHash: "now", policyHash: "now" };

/** A run with its waves, and how the cells that it touched ended, in the order of their starts. */
function run(
  id: string,
  waves: Record<string, string[]>,
  ends: Record<string, "done" | "unchanged" | "failed">,
): RunState {
  const plan = {
    folder: "/fleet",
    waves: Object.entries(waves).map(([name, cells]) => ({
      name,
      cells: cells.map((cell) => ({
        id: cell,
        stack: cell,
        environment: Environment.Dev,
        configHash: `${id} ${cell}`,
      })),
      maxConcurrency: 2,
      maxFailures: 0,
      minSuccessTime: 0,
      progressDeadline: 60,
      approval: ["before" as const],
    })),
    maxRetries: 1,
    budgets: { time: 60, retries: 1, pendingApproval: 60 },
    frozen: { gitRevision: id, configHash: "", lockHash: "then", policyHash: "then" },
  };
  const bodies: EventBody[] = [
    { type: "runStarted", plan, by: "me@here" },
    ...Object.entries(ends).flatMap(([cell, outcome]): EventBody[] => [
      { type: "cellStarted", cell, attempt: 1 },
      { type: "cellFinished", cell, outcome, seconds: 1 },
    ]),
  ];
  const state = runState(bodies.map((body) => ({ at: "2026-11-21T18:00:00.000Z", run: id, ...body })));
  assert.ok(state);
  return state;
}

describe("the rollback of a run", () => {
  const waves = { one: ["a", "b"], two: ["c", "d"] };
  const first = run("r1", waves, { a: "done", b: "done", c: "done", d: "failed" });
  const second = run("r2", waves, { a: "done", b: "unchanged", c: "failed" });
  const third = run("r3", waves, { b: "done", a: "failed", c: "done", d: "done" });

  it("takes every cell that was touched to the last run that left it healthy, last wave and last cell first", () => {
    const { plan, inputsFrom, without } = planRollback(third, [first, second, third], NOW);
    assert.deepEqual(
      plan.waves.map(({ name, cells }) => [name, cells.map(({ id }) => id)]),
      [
        ["two", ["c"]],
        ["one", ["a", "b"]],
      ],
    );
    assert.deepEqual(
      [...inputsFrom],
      [
        ["b", "r2"],
        ["a", "r2"],
        ["c", "r1"],
      ],
    );
    assert.deepEqual(without, ["d"]);
    assert.deepEqual(
      plan.waves[1]?.cells.map(({ configHash }) => configHash),
      ["r2 a", "r2 b"],
    );
    assert.deepEqual(
      plan.waves.flatMap(({ approval }) => approval),
      [],
    );
    assert.equal(plan.frozen.lockHash, "now");
  });

  it("leaves cells alone that the run did not touch", () => {
    const { inputsFrom } = planRollback(second, [first, second], NOW);
    assert.deepEqual([...inputsFrom.keys()], ["a", "b", "c"]);
  });

  it("refuses to overtake a later run", () => {
    assert.throws(
      () => planRollback(second, [first, second, third], NOW),
      (error) => error instanceof Conflict && /r3/.test(error.message),
    );
  });

  it("says that there is nothing to go back to", () => {
    assert.throws(() => planRollback(first, [first], NOW), ValidationFailed);
    const untouched = run("r4", waves, {});
    assert.throws(() => planRollback(untouched, [first, untouched], NOW), /it touched no cell/);
  });
});
