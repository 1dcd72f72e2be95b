import { Conflict, ValidationFailed } from "../../../components/errors";
import type { Plan, PlannedCell } from "./plan-schema";
import type { RunState } from "./run-state";

/** How to take a run back. */
export interface Rollback {
  /** The run that is taken back. */
  of: string;
  plan: Plan;
  /** For each cell the run whose frozen inputs are applied again. */
  inputsFrom: Map<string, string>;
  /** Cells that have never been healthy before: there is nothing to go back to. */
  without: string[];
}

/**
 * Plans to take a run back: every cell that it touched gets the inputs of the last run before that left it healthy, in the
 * reverse order of waves and cells.
 * @param runs every run, from the oldest to the newest.
 * @param hashes of the program and the policies as they are now.
 * @throws Conflict when a later run touched one of the cells; ValidationFailed when there is nothing to take back.
 */
export function planRollback(
  target: RunState,
  runs: readonly RunState[],
  hashes: Pick<Plan["frozen"], "lockHash" | "policyHash">,
): Rollback {
  const place = runs.findIndex(({ run }) => run === target.run);
  const touched = new Set(target.startedCells);
  const later = runs.slice(place + 1).find(({ startedCells }) => startedCells.some((cell) => touched.has(cell)));
  if (later !== undefined)
    throw new Conflict({
      what: `the later run ${later.run} touched cells of it`,
      where: `run ${target.run}`,
      fix: `roll ${later.run} back first`,
    });
  const earlier = runs.slice(0, place).reverse();
  const inputsFrom = new Map<string, string>();
  const without: string[] = [];
  const cellsBefore = new Map<string, PlannedCell>();
  for (const id of target.startedCells) {
    const healthy = earlier.find(({ cells }) => ["done", "unchanged"].includes(cells.get(id)?.outcome ?? ""));
    const cell = healthy?.plan.waves.flatMap(({ cells }) => cells).find((candidate) => candidate.id === id);
    if (healthy === undefined || cell === undefined) without.push(id);
    else {
      inputsFrom.set(id, healthy.run);
      cellsBefore.set(id, cell);
    }
  }
  const order = [...target.startedCells].reverse();
  const waves = [...target.plan.waves].reverse().flatMap((wave) => {
    const inWave = new Set(wave.cells.map(({ id }) => id));
    const cells = order.flatMap((id) => (inWave.has(id) ? (cellsBefore.get(id) ?? []) : []));
    return cells.length === 0 ? [] : [{ ...wave, cells, approval: [] }];
  });
  if (waves.length === 0)
    throw new ValidationFailed({
      what:
        target.startedCells.length === 0
          ? "it touched no cell"
          : `there is nothing to go back to: ${without.join(", ")} had not been healthy before`,
      where: `run ${target.run}`,
      fix: "correct the settings and roll out again",
    });
  return {
    of: target.run,
    plan: { ...target.plan, waves, frozen: { ...target.plan.frozen, ...hashes } },
    inputsFrom,
    without,
  };
}
