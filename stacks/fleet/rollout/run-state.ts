import type { CellOutcome, EventBody, Outcome, RolloutEvent } from "./events";
import type { Plan } from "./plan-schema";

/** What a journal says of a cell. */
export interface CellState {
  /** Attempts that were started, over all processes. */
  attempts: number;
  /** Undefined while the cell has not finished. */
  outcome: CellOutcome | undefined;
}

/** What a journal says of a run. */
export interface RunState {
  run: string;
  plan: Plan;
  /** The run that this one rolls back; undefined when it is none of that kind. */
  rollbackOf: string | undefined;
  /** ISO time of the first event. */
  startedAt: string;
  cells: Map<string, CellState>;
  /** The cells in the order in which their first attempts were started. */
  startedCells: string[];
  startedWaves: Set<string>;
  finishedWaves: Map<string, Outcome>;
  /** `WAVE before` and `WAVE after`. */
  approvals: Set<string>;
  /** Retries of all cells. */
  retries: number;
  /** Undefined while the run has not ended: it runs, or was interrupted, or was killed. */
  outcome: Outcome | undefined;
}

/**
 * Folds a run's events into its state.
 * @returns undefined without a first event, as after a kill in the very first write.
 */
export function runState(events: readonly RolloutEvent[]): RunState | undefined {
  const [first] = events;
  if (first === undefined || (first.type !== "runStarted" && first.type !== "rollbackStarted")) return undefined;
  const state: RunState = {
    run: first.run,
    plan: first.plan,
    rollbackOf: first.type === "rollbackStarted" ? first.of : undefined,
    startedAt: first.at,
    cells: new Map(
      first.plan.waves.flatMap(({ cells }) => cells.map(({ id }) => [id, { attempts: 0, outcome: undefined }])),
    ),
    startedCells: [],
    startedWaves: new Set(),
    finishedWaves: new Map(),
    approvals: new Set(),
    retries: 0,
    outcome: undefined,
  };
  for (const event of events) applyEvent(state, event);
  return state;
}

/** Brings a state up to date with an event. */
export function applyEvent(state: RunState, event: EventBody): void {
  if (event.type === "waveStarted") state.startedWaves.add(event.wave);
  else if (event.type === "waveFinished") state.finishedWaves.set(event.wave, event.outcome);
  else if (event.type === "approved") state.approvals.add(approvalKey(event.wave, event.when));
  else if (event.type === "cellRetried") state.retries += 1;
  else if (event.type === "runFinished") state.outcome = event.outcome;
  else if (event.type === "cellStarted" || event.type === "cellFinished") {
    const cell = state.cells.get(event.cell);
    if (cell === undefined) return;
    if (event.type === "cellFinished") cell.outcome = event.outcome;
    else {
      if (cell.attempts === 0) state.startedCells.push(event.cell);
      cell.attempts = event.attempt;
    }
  }
}

/** How an approval is kept. */
export function approvalKey(wave: string, when: "before" | "after"): string {
  return `${wave} ${when}`;
}
