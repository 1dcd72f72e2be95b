import { cpSync, rmSync } from "node:fs";
import { Conflict, NotFound, ValidationFailed } from "../../../components/errors";
import { withLock } from "../../../engine/toolchain/lock";
import type { Clock } from "./clock";
import type { EventBody, Listener, RolloutEvent } from "./events";
import { programHashes, readFleetFiles, sharedStacks } from "./fleet-plan";
import { freezeCell } from "./inputs";
import { Journal } from "./journal";
import type { Plan } from "./plan-schema";
import type { Rollback } from "./rollback";
import { existingRun, newRunId, privateFolder, RunFolder, runIds, startLock, whoAmI } from "./run-folder";
import { applyEvent, runState, type RunState } from "./run-state";

/** A run that this process executes. */
export interface Run {
  folder: RunFolder;
  state: RunState;
  /** Writes an event onto the disk, then tells the listeners. */
  record: (event: EventBody) => void;
  close: () => void;
}

export interface RunOptions {
  stateFolder: string;
  listeners: readonly Listener[];
  clock: Clock;
  log: (line: string) => void;
  signal: AbortSignal;
}

/**
 * Begins a run of a plan: freezes the inputs of its cells and opens the journal.
 * @throws Conflict when another run that has not ended has one of the cells; ValidationFailed for a cell's settings.
 */
export function startRun(plan: Plan, intent: string | undefined, options: RunOptions): Promise<Run> {
  return begin(plan, options, (folder) => {
    const files = readFleetFiles(plan.folder);
    const [shared] = sharedStacks(files, plan);
    if (shared !== undefined)
      throw new ValidationFailed({
        what: `${shared}, and are rolled out one by one`,
        where: "fleet.yaml: environments",
        fix: "give each cell a stack of its own: `environments: [{ id: ENVIRONMENT, stacks: cell }]`",
      });
    for (const cell of plan.waves.flatMap(({ cells }) => cells)) freezeCell(files, cell, folder.inputs(cell.id));
    return { type: "runStarted", plan, by: whoAmI(), ...(intent !== undefined && { intent }) };
  });
}

/** Begins a run that takes cells back to the inputs of earlier runs. */
export function startRollback({ of, plan, inputsFrom }: Rollback, options: RunOptions): Promise<Run> {
  return begin(plan, options, (folder) => {
    for (const [cell, run] of inputsFrom)
      cpSync(new RunFolder(options.stateFolder, run).inputs(cell), folder.inputs(cell), { recursive: true });
    return { type: "rollbackStarted", plan, by: whoAmI(), of };
  });
}

function begin(plan: Plan, options: RunOptions, freeze: (folder: RunFolder) => EventBody): Promise<Run> {
  return locked(options, "start a rollout", () => {
    assertFree(plan, options.stateFolder);
    const folder = new RunFolder(options.stateFolder, newRunId(runIds(options.stateFolder)));
    privateFolder(folder.path);
    folder.hold();
    let first: EventBody;
    try {
      first = freeze(folder);
    } catch (error) {
      rmSync(folder.path, { recursive: true, force: true });
      throw error;
    }
    const { journal } = Journal.open(folder.journal);
    const at = stamp(folder.run, first, options.clock);
    journal.append(at);
    const state = runState([at]);
    if (state === undefined) throw new Error("a run begins with its plan");
    tell(options.listeners, at);
    return opened(folder, journal, state, options);
  });
}

/**
 * Takes a run up where its journal ends.
 * @param root the root of the package.
 * @throws NotFound for a run that does not exist or never began; Conflict when it has ended, when another process executes
 * it, or when the program or the policies are not those that it began with.
 */
export function resumeRun(id: string, root: string, options: RunOptions): Promise<Run> {
  return locked(options, `resume ${id}`, () => {
    const folder = existingRun(options.stateFolder, id);
    const holder = folder.runningHolder();
    if (holder !== undefined)
      throw new Conflict({
        what: `the process ${String(holder.pid)} on ${holder.host} executes it`,
        where: `run ${id}`,
        fix: "wait for it, or end it with `clawfleet abort`",
      });
    const { journal, events } = Journal.open(folder.journal);
    const state = runState(events);
    const refuse = (what: string, fix: string) => {
      journal.close();
      return new Conflict({ what, where: `run ${id}`, fix });
    };
    if (state === undefined) {
      journal.close();
      throw new NotFound({ what: "it was killed before it began", where: `run ${id}`, fix: "start it again" });
    }
    if (state.outcome !== undefined)
      throw refuse(
        `it has ended: ${state.outcome}`,
        "start a new one with `clawfleet up`; what is done is found unchanged",
      );
    const now = programHashes(root);
    const { lockHash, policyHash, gitRevision } = state.plan.frozen;
    if (now.lockHash !== lockHash || now.policyHash !== policyHash)
      throw refuse(
        "the program or the policies are not those that it began with",
        `check out ${gitRevision === "" ? "the same version" : gitRevision} and build it, or give the run up with \`clawfleet abort ${id}\``,
      );
    folder.hold();
    const run = opened(folder, journal, state, options);
    for (const event of events) tell(options.listeners, event);
    run.record({ type: "resumed", by: whoAmI() });
    return run;
  });
}

/**
 * Ends a run that no process executes, without doing anything.
 * @throws as resumeRun, but whatever the program is now.
 */
export async function abandonRun(id: string, options: RunOptions): Promise<void> {
  await locked(options, `abort ${id}`, () => {
    const folder = existingRun(options.stateFolder, id);
    const { journal, events } = Journal.open(folder.journal);
    const state = runState(events);
    if (state === undefined || state.outcome !== undefined) {
      journal.close();
      throw new Conflict({ what: "it has ended", where: `run ${id}`, fix: "there is nothing to abort" });
    }
    const run = opened(folder, journal, state, options);
    run.record({ type: "aborted", by: whoAmI() });
    for (const [cell, { outcome, attempts }] of state.cells)
      if (outcome === undefined)
        run.record({ type: "cellFinished", cell, outcome: attempts === 0 ? "skipped" : "cancelled", seconds: 0 });
    const outcomes = [...state.cells.values()].map(({ outcome }) => outcome);
    const count = (wanted: string) => outcomes.filter((outcome) => outcome === wanted).length;
    run.record({
      type: "runFinished",
      outcome: "aborted",
      done: count("done"),
      unchanged: count("unchanged"),
      failed: count("failed"),
      cancelled: count("cancelled"),
      skipped: count("skipped"),
      seconds: 0,
    });
    run.close();
  });
}

function locked<T>({ stateFolder, log, signal }: RunOptions, purpose: string, work: () => T): Promise<T> {
  return withLock(startLock(stateFolder), { purpose, log, signal }, () => Promise.resolve(work()));
}

function opened(folder: RunFolder, journal: Journal, state: RunState, { listeners, clock }: RunOptions): Run {
  return {
    folder,
    state,
    record: (body) => {
      const event = stamp(folder.run, body, clock);
      journal.append(event);
      applyEvent(state, event);
      tell(listeners, event);
    },
    close: () => {
      journal.close();
      folder.release();
    },
  };
}

/** Who only watches cannot stop a run. */
function tell(listeners: readonly Listener[], event: RolloutEvent): void {
  for (const listener of listeners) {
    try {
      listener(event);
    } catch {
      // its own picture of the run is incomplete now; the journal is not
    }
  }
}

function stamp(run: string, body: EventBody, clock: Clock): RolloutEvent {
  return { at: clock.now().toISOString(), run, ...body };
}

/** A cell is in one run at a time, also when that one was interrupted: it has frozen what the cell is to become. */
function assertFree(plan: Plan, stateFolder: string): void {
  const wanted = new Set(plan.waves.flatMap(({ cells }) => cells.map(({ id }) => id)));
  for (const id of runIds(stateFolder)) {
    const folder = new RunFolder(stateFolder, id);
    const state = folder.state();
    if (state === undefined || state.outcome !== undefined) continue;
    const shared = [...state.cells.keys()].filter((cell) => wanted.has(cell));
    if (shared.length === 0) continue;
    const holder = folder.runningHolder();
    throw new Conflict({
      what:
        holder === undefined
          ? `the run ${id} was interrupted, and has ${shared.slice(0, 5).join(", ")}`
          : `the run ${id} (process ${String(holder.pid)} on ${holder.host}) has ${shared.slice(0, 5).join(", ")}`,
      fix:
        holder === undefined
          ? `go on with \`clawfleet resume ${id}\`, or give it up with \`clawfleet abort ${id}\``
          : `wait for it, or end it with \`clawfleet abort ${id}\``,
    });
  }
}
