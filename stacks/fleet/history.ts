import type { RolloutEvent } from "./rollout/events";
import { cellsOf, outcomesOf, recordOf } from "./rollout/view/record";
import { changesInWords, duration, reasonOf } from "./rollout/view/words";

/** A rollout in a fleet's history. */
export interface PastRollout {
  run: string;
  /** ISO time. */
  startedAt: string;
  by: string;
  intent?: string;
  /** The run that it undid. */
  undid?: string;
  /** `done`, `failed`, `aborted`; `running`, `paused` or `interrupted` when it has not ended. */
  outcome: string;
  /** Cells by how they ended. */
  cells: Record<string, number>;
  seconds: number;
}

/** A rollout in a cell's history. */
export interface PastCellRollout {
  run: string;
  /** ISO time. */
  startedAt: string;
  by: string;
  /** How it ended for the cell; undefined when it has not. */
  outcome?: string;
  attempts: number;
  seconds: number;
  /** What its preview showed, in words; undefined without a preview. */
  changes?: string;
  /** Why it failed. */
  reason?: string;
  configHash: string;
}

/** The rollouts of a fleet, from the newest to the oldest. @param runs the events of each. */
export function pastRollouts(runs: Iterable<readonly RolloutEvent[]>): PastRollout[] {
  const past = [...runs].flatMap((events): PastRollout[] => {
    const record = recordOf(events);
    const { started } = record;
    if (started === undefined) return [];
    return [
      {
        run: record.run,
        startedAt: started.at,
        by: started.by,
        ...(started.type === "runStarted" ? { intent: started.intent } : { undid: started.of }),
        outcome: record.status,
        cells: outcomesOf(cellsOf(record)),
        seconds: ((record.endedAt ?? record.lastAt) - record.startedAt) / 1000,
      },
    ];
  });
  return past.reverse();
}

/** The rollouts that a cell was in, from the newest to the oldest; one that never came to the cell is none. */
export function pastCellRollouts(runs: Iterable<readonly RolloutEvent[]>, id: string): PastCellRollout[] {
  const past = [...runs].flatMap((events): PastCellRollout[] => {
    const record = recordOf(events);
    const cell = cellsOf(record).find((candidate) => candidate.id === id);
    if (record.started === undefined || cell?.startedAt === undefined) return [];
    const reason = reasonOf(cell);
    return [
      {
        run: record.run,
        startedAt: new Date(cell.startedAt).toISOString(),
        by: record.started.by,
        ...(cell.finished && { outcome: cell.finished.outcome }),
        attempts: cell.attempt,
        seconds: ((cell.endedAt ?? record.lastAt) - cell.startedAt) / 1000,
        ...(cell.changes && { changes: changesInWords(cell.changes) }),
        ...(reason !== "" && { reason }),
        configHash: cell.planned.configHash,
      },
    ];
  });
  return past.reverse();
}

/** A fleet's history as rows of a table, below its header. */
export function rolloutRows(past: readonly PastRollout[]): string[][] {
  return [
    ["RUN", "STARTED", "BY", "OUTCOME", "CELLS", "TOOK", "INTENT"],
    ...past.map(({ run, startedAt, by, outcome, cells, seconds, intent, undid }) => [
      run,
      startedAt,
      by,
      outcome,
      Object.entries(cells)
        .map(([how, count]) => `${String(count)} ${how}`)
        .join(", "),
      duration(seconds * 1000),
      undid === undefined ? (intent ?? "") : `undoes ${undid}`,
    ]),
  ];
}

/** A cell's history as rows of a table, below its header. */
export function cellRolloutRows(past: readonly PastCellRollout[]): string[][] {
  return [
    ["RUN", "STARTED", "BY", "OUTCOME", "ATTEMPTS", "TOOK", "CONFIG", "CHANGES", "REASON"],
    ...past.map(({ run, startedAt, by, outcome, attempts, seconds, configHash, changes, reason }) => [
      run,
      startedAt,
      by,
      outcome ?? "not finished",
      String(attempts),
      duration(seconds * 1000),
      configHash.slice(0, 8),
      changes ?? "-",
      reason ?? "",
    ]),
  ];
}
