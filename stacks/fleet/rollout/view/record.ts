import type { CellOutcome, Phase, RolloutEvent } from "../events";
import type { PlannedCell } from "../plan-schema";

type Of<T extends RolloutEvent["type"]> = Extract<RolloutEvent, { type: T }>;

/** A stretch of time, in milliseconds since 1970; without an end while it lasts. */
export interface Stretch {
  startedAt: number;
  endedAt?: number;
}

/** A phase of a cell, as it was gone through in one attempt. */
export interface PhaseRecord extends Stretch {
  phase: Phase;
  attempt: number;
}

/** What is known of a cell. */
export interface CellRecord {
  id: string;
  /** What the plan says of it. */
  planned: PlannedCell;
  /** Undefined before its first start. */
  startedAt?: number;
  endedAt?: number;
  /** 0 before its first start. */
  attempt: number;
  /** Of all attempts, in order. */
  phases: PhaseRecord[];
  /** Resources, of the phase that is under way. */
  progress?: { done: number; total: number };
  changes?: Of<"cellChanges">;
  findings: Of<"policyFinding">[];
  notices: Of<"cellNotice">[];
  retries: Of<"cellRetried">[];
  /** How it ended; undefined before it did. */
  finished?: Of<"cellFinished">;
}

/** What is known of a wave. */
export interface WaveRecord {
  name: string;
  /** `waiting` for its turn, `running`, or how it ended. */
  status: "waiting" | "running" | Of<"waveFinished">["outcome"];
  /** Which approval it waits for; undefined when it waits for none. */
  awaits?: "before" | "after";
  startedAt?: number;
  endedAt?: number;
  /** How many of its cells run at once. */
  maxConcurrency: number;
  approvals: Of<"approved">[];
  cells: CellRecord[];
}

/** What all events so far come to. */
export interface RolloutRecord extends Stretch {
  run: string;
  /** Undefined until the run's first event. */
  started?: Of<"runStarted"> | Of<"rollbackStarted">;
  finished?: Of<"runFinished">;
  status: "running" | "paused" | "interrupted" | Of<"runFinished">["outcome"];
  waves: WaveRecord[];
  /** When the last event was. */
  lastAt: number;
}

/** A rollout of which nothing has happened yet. */
export function emptyRecord(): RolloutRecord {
  return { run: "", status: "running", startedAt: 0, lastAt: 0, waves: [] };
}

/** What events come to, from the first to the last. */
export function recordOf(events: Iterable<RolloutEvent>): RolloutRecord {
  const record = emptyRecord();
  for (const event of events) applyEvent(record, event);
  return record;
}

/** Adds an event to what is known, in place: a fleet of 10,000 cells is not copied for each of its events. */
export function applyEvent(record: RolloutRecord, event: RolloutEvent): void {
  // The order of events counts; a clock that was set back does not.
  const at = Math.max(Date.parse(event.at), record.lastAt);
  if ("cell" in event) applyCellEvent(record, event, at);
  else if ("wave" in event) applyWaveEvent(record, event, at);
  else applyRunEvent(record, event, at);
  record.lastAt = at;
}

function applyRunEvent(
  record: RolloutRecord,
  event: Exclude<RolloutEvent, { cell: string } | { wave: string }>,
  at: number,
): void {
  switch (event.type) {
    case "runStarted":
    case "rollbackStarted":
      Object.assign(record, { run: event.run, started: event, startedAt: at, waves: wavesOf(event) });
      break;
    case "paused":
      record.status = "paused";
      break;
    case "resumed":
      // What was under way when the process died ended with it.
      for (const cell of cellsOf(record)) endPhase(cell, record.lastAt);
      record.status = "running";
      record.finished = undefined;
      record.endedAt = undefined;
      break;
    case "interrupted":
    case "aborted":
      record.status = event.type;
      break;
    case "runFinished":
      for (const cell of cellsOf(record)) endPhase(cell, at);
      Object.assign(record, { status: event.outcome, finished: event, endedAt: at });
      break;
  }
}

function wavesOf({ plan }: Of<"runStarted"> | Of<"rollbackStarted">): WaveRecord[] {
  return plan.waves.map(({ name, maxConcurrency, cells }) => ({
    name,
    status: "waiting",
    maxConcurrency,
    approvals: [],
    cells: cells.map((planned) => ({
      id: planned.id,
      planned,
      attempt: 0,
      phases: [],
      findings: [],
      notices: [],
      retries: [],
    })),
  }));
}

function applyWaveEvent(record: RolloutRecord, event: Extract<RolloutEvent, { wave: string }>, at: number): void {
  const wave = record.waves.find(({ name }) => name === event.wave);
  if (wave === undefined) return;
  switch (event.type) {
    case "waveStarted":
      wave.status = "running";
      wave.startedAt ??= at;
      wave.endedAt = undefined;
      break;
    case "approvalNeeded":
      wave.awaits = event.when;
      break;
    case "approved":
      wave.approvals.push(event);
      wave.awaits = undefined;
      break;
    case "waveFinished":
      wave.status = event.outcome;
      wave.endedAt = at;
      break;
  }
}

function applyCellEvent(record: RolloutRecord, event: Extract<RolloutEvent, { cell: string }>, at: number): void {
  const cell = cellById(record, event.cell);
  if (cell === undefined) return;
  switch (event.type) {
    case "cellStarted":
      endPhase(cell, record.lastAt);
      cell.startedAt ??= at;
      cell.endedAt = undefined;
      cell.finished = undefined;
      cell.attempt = event.attempt;
      break;
    case "cellPhase":
      endPhase(cell, at);
      cell.phases.push({ phase: event.phase, attempt: cell.attempt, startedAt: at });
      break;
    case "cellProgress":
      cell.progress = { done: event.done, total: event.total };
      break;
    case "cellChanges":
      cell.changes = event;
      break;
    case "policyFinding":
      cell.findings.push(event);
      break;
    case "cellNotice":
      cell.notices.push(event);
      break;
    case "cellRetried":
      endPhase(cell, at);
      cell.retries.push(event);
      break;
    case "cellFinished":
      endPhase(cell, at);
      cell.finished = event;
      cell.endedAt = at;
      break;
  }
}

function endPhase(cell: CellRecord, at: number): void {
  const last = cell.phases.at(-1);
  if (last !== undefined) last.endedAt ??= Math.max(at, last.startedAt);
  cell.progress = undefined;
}

const indexes = new WeakMap<WaveRecord[], Map<string, CellRecord>>();

/** A cell of a rollout; undefined when it is not in the plan. */
function cellById({ waves }: RolloutRecord, id: string): CellRecord | undefined {
  let index = indexes.get(waves);
  if (index === undefined) {
    index = new Map(waves.flatMap(({ cells }) => cells.map((cell) => [cell.id, cell])));
    indexes.set(waves, index);
  }
  return index.get(id);
}

/** All cells, in the order of the plan. */
export function cellsOf({ waves }: RolloutRecord): CellRecord[] {
  return waves.flatMap(({ cells }) => cells);
}

/** The phase that a cell is in; undefined when it is in none. */
export function phaseOf({ phases, finished }: CellRecord): PhaseRecord | undefined {
  const last = phases.at(-1);
  return finished === undefined && last?.endedAt === undefined ? last : undefined;
}

/** How many cells ended, by how. */
export function outcomesOf(cells: CellRecord[]): Partial<Record<CellOutcome, number>> {
  const counts: Partial<Record<CellOutcome, number>> = {};
  for (const { finished } of cells)
    if (finished !== undefined) counts[finished.outcome] = (counts[finished.outcome] ?? 0) + 1;
  return counts;
}

/**
 * Milliseconds that the rest will take if the cells to come take as long as those that were rolled out so far: wave by
 * wave, as many at once as the wave lets. Undefined before the first one is done. Waiting for approvals is not in it.
 */
export function remainingMs(record: RolloutRecord, now: number): number | undefined {
  const took = cellsOf(record).flatMap(({ startedAt, endedAt, finished }) =>
    finished?.outcome === "done" && startedAt !== undefined && endedAt !== undefined ? [endedAt - startedAt] : [],
  );
  if (took.length === 0) return undefined;
  const mean = took.reduce((sum, ms) => sum + ms, 0) / took.length;
  return record.waves.reduce((sum, wave) => {
    const open = wave.cells.filter(({ finished }) => finished === undefined);
    const work = open.map(({ startedAt }) => (startedAt === undefined ? mean : Math.max(0, mean - (now - startedAt))));
    const atOnce = Math.min(wave.maxConcurrency, open.length);
    const longest = Math.max(0, ...work);
    return sum + (atOnce === 0 ? 0 : Math.max(longest, work.reduce((total, ms) => total + ms, 0) / atOnce));
  }, 0);
}
