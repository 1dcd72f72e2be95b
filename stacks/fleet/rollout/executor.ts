import { FleetError, Timeout } from "../../../components/errors";
import type { Clock } from "./clock";
import type { CellOutcome, EventBody, Outcome } from "./events";
import type { PlannedCell, PlannedWave } from "./plan-schema";
import { failureOf, retryDelay, type Failure } from "./retry";
import { approvalKey, type RunState } from "./run-state";
import { Unwritable } from "./unwritable";

/** What an attempt at a cell is given. */
export interface Attempt {
  wave: PlannedWave;
  emit: (event: EventBody) => void;
  /** Aborted when the attempt is to end: with a Timeout when the cell took too long. It has to clean up, and then fail. */
  signal: AbortSignal;
  /** To be called when the cell is healthy: the progress deadline no longer applies then. */
  healthy: () => void;
}

/** Rolls a cell out, with everything that belongs to it. Throws when it fails. */
export type RunCell = (cell: PlannedCell, attempt: Attempt) => Promise<"done" | "unchanged">;

/** What others ask of a run; see Control. */
export interface Requests {
  paused(): string | undefined;
  aborted(): string | undefined;
  approved(wave: string, when: "before" | "after"): string | undefined;
}

export interface ExecuteOptions {
  runCell: RunCell;
  /** Writes an event down and tells it to the listeners. */
  record: (event: EventBody) => void;
  requests: Requests;
  clock: Clock;
  /** Bytes of memory that are free. */
  freeMemory: () => number;
  /** From 0 to 1, for the retries' waits. */
  random: () => number;
  /** Who executes the run. */
  by: string;
  /** Interrupts the run; it can be resumed afterwards. */
  signal: AbortSignal;
}

/** How a run ended; `interrupted` when it can be resumed. */
export interface RunResult {
  outcome: Outcome | "interrupted";
  /** Of the first cell that failed. */
  failure?: Failure & { cell: string };
  /** Why it stopped, when that was not a cell. */
  message?: string;
}

/** Seconds between looks at requests, and at memory. */
const POLL_SECONDS = 0.25;
/** What a cell's processes need: the CLI, program, policies and three providers were seen to take 480 MiB of a small one. */
export const MEMORY_PER_CELL = 640 * 2 ** 20;

/** Executes a run from where its state says that it is, until it has ended or is interrupted. */
export async function execute(state: RunState, options: ExecuteOptions): Promise<RunResult> {
  return new Execution(state, options).run();
}

class Execution {
  private readonly stop = new AbortController();
  private readonly startedAt: number;
  private failure: RunResult["failure"];
  private message: string | undefined;
  private pausedBy: string | undefined;
  private abortedBy: string | undefined;
  private broken: unknown;

  constructor(
    private readonly state: RunState,
    private readonly options: ExecuteOptions,
  ) {
    this.startedAt = options.clock.seconds();
    const interrupt = () => {
      this.stop.abort(options.signal.reason);
    };
    if (options.signal.aborted) interrupt();
    options.signal.addEventListener("abort", interrupt, { once: true });
  }

  async run(): Promise<RunResult> {
    let failed = false;
    for (const wave of this.state.plan.waves) {
      if (failed || this.stop.signal.aborted) break;
      failed = !(await this.wave(wave));
    }
    if (this.broken !== undefined) throw this.broken as Error;
    if (this.stop.signal.aborted && this.abortedBy === undefined) {
      this.record({ type: "interrupted", by: this.options.by });
      return { outcome: "interrupted" };
    }
    return this.finish(this.abortedBy !== undefined ? "aborted" : failed ? "failed" : "done");
  }

  /** @returns whether the next wave may start. */
  private async wave(wave: PlannedWave): Promise<boolean> {
    const before = this.state.finishedWaves.get(wave.name);
    if (before !== undefined) return before === "done" && this.approval(wave, "after");
    if (!(await this.approval(wave, "before"))) return false;
    if (!this.state.startedWaves.has(wave.name)) this.record({ type: "waveStarted", wave: wave.name });
    const ended = await this.cells(wave);
    if (this.stop.signal.aborted && this.abortedBy === undefined) return false;
    const outcome = this.abortedBy !== undefined ? "aborted" : ended ? "done" : "failed";
    if (outcome !== "done") this.skipRest(wave.cells);
    this.record({ type: "waveFinished", wave: wave.name, outcome });
    return outcome === "done" && this.approval(wave, "after");
  }

  /** @returns whether every cell was attempted and no more failed than may. */
  private async cells(wave: PlannedWave): Promise<boolean> {
    const outcome = ({ id }: PlannedCell) => this.state.cells.get(id)?.outcome;
    const waiting = wave.cells.filter((cell) => outcome(cell) === undefined);
    const failures = () => wave.cells.filter((cell) => outcome(cell) === "failed").length;
    const running = new Set<Promise<void>>();
    const mayStart = () =>
      waiting.length > 0 &&
      running.size < wave.maxConcurrency &&
      (running.size === 0 || this.options.freeMemory() >= MEMORY_PER_CELL);
    for (;;) {
      this.readRequests();
      const over = failures() > wave.maxFailures || this.outOfTime();
      if (this.stop.signal.aborted || over || waiting.length === 0) break;
      while (this.pausedBy === undefined && mayStart()) {
        const cell = waiting.shift();
        if (cell === undefined) break;
        const work = this.cell(cell, wave).finally(() => running.delete(work));
        running.add(work);
      }
      await this.next(running);
    }
    while (running.size > 0) {
      this.readRequests();
      await this.next(running);
    }
    return waiting.length === 0 && failures() <= wave.maxFailures;
  }

  /** Waits for a cell to end, or for the next look at the requests. */
  private async next(running: Set<Promise<void>>): Promise<void> {
    const enough = new AbortController();
    await Promise.race([...running, this.options.clock.sleep(POLL_SECONDS, enough.signal)]);
    enough.abort();
  }

  /** Never fails: what goes wrong in a cell is the cell's alone. */
  private async cell(cell: PlannedCell, wave: PlannedWave): Promise<void> {
    const { clock } = this.options;
    const startedAt = clock.seconds();
    const finish = (outcome: CellOutcome, failure?: Failure) => {
      if (outcome === "failed" && failure !== undefined) this.failure ??= { ...failure, cell: cell.id };
      const seconds = clock.seconds() - startedAt;
      this.record({ type: "cellFinished", cell: cell.id, outcome, seconds, ...failure });
    };
    const deadline = this.deadline(cell, wave);
    try {
      for (let retries = 0; ; retries += 1) {
        const attempts = this.state.cells.get(cell.id)?.attempts ?? 0;
        this.record({ type: "cellStarted", cell: cell.id, attempt: attempts + 1 });
        try {
          const { signal, healthy } = deadline;
          const emit = (event: EventBody) => {
            this.record(event);
          };
          finish(await this.options.runCell(cell, { wave, emit, signal, healthy }));
          return;
        } catch (error) {
          if (error instanceof Unwritable) this.breakOff(error);
          if (this.stop.signal.aborted) {
            if (this.abortedBy !== undefined) finish("cancelled");
            return;
          }
          const failure = failureOf(error);
          const wait = retryDelay(error, retries, this.options.random());
          if (wait === undefined || deadline.signal.aborted || !this.mayRetry(retries)) {
            finish("failed", failure);
            return;
          }
          const { class: errorClass, message } = failure;
          this.record({ type: "cellRetried", cell: cell.id, class: errorClass, message, afterSeconds: wait });
          await clock.sleep(wait, deadline.signal);
        }
      }
    } finally {
      deadline.end();
    }
  }

  private mayRetry(retries: number): boolean {
    const { maxRetries, budgets } = this.state.plan;
    return retries < maxRetries && this.state.retries < budgets.retries;
  }

  /** A signal that ends with the run's, or when the cell took too long to become healthy. */
  private deadline(
    cell: PlannedCell,
    { progressDeadline }: PlannedWave,
  ): { signal: AbortSignal; healthy: () => void; end: () => void } {
    const late = new AbortController();
    const timer = new AbortController();
    const healthy = () => {
      timer.abort();
    };
    void this.options.clock.sleep(progressDeadline, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      late.abort(
        new Timeout({
          what: `not healthy within ${String(progressDeadline)} s`,
          where: `cell ${cell.id}`,
          fix: "see what it waited for in its last phase; a longer progressDeadline in the strategy allows more",
        }),
      );
    });
    const follow = () => {
      late.abort(this.stop.signal.reason);
    };
    if (this.stop.signal.aborted) follow();
    this.stop.signal.addEventListener("abort", follow, { once: true });
    const end = () => {
      timer.abort();
      this.stop.signal.removeEventListener("abort", follow);
    };
    return { signal: late.signal, healthy, end };
  }

  /** Waits for an approval that the wave needs. */
  private async approval(wave: PlannedWave, when: "before" | "after"): Promise<boolean> {
    if (!wave.approval.includes(when) || this.state.approvals.has(approvalKey(wave.name, when))) return true;
    if (this.stop.signal.aborted) return false;
    const { clock, requests } = this.options;
    const { pendingApproval } = this.state.plan.budgets;
    this.record({ type: "approvalNeeded", wave: wave.name, when });
    for (const since = clock.seconds(); clock.seconds() - since < pendingApproval;) {
      this.readRequests();
      if (this.stop.signal.aborted) return false;
      const by = requests.approved(wave.name, when);
      if (by !== undefined) {
        this.record({ type: "approved", wave: wave.name, when, by });
        return true;
      }
      await clock.sleep(POLL_SECONDS, this.stop.signal);
    }
    this.message = `nobody approved the wave ${wave.name} (${when}) within ${String(pendingApproval)} s`;
    return false;
  }

  private outOfTime(): boolean {
    const { time } = this.state.plan.budgets;
    if (this.options.clock.seconds() - this.startedAt <= time) return false;
    this.message = `the run has taken longer than ${String(time)} s`;
    return true;
  }

  private readRequests(): void {
    const { requests } = this.options;
    const abort = requests.aborted();
    if (abort !== undefined && this.abortedBy === undefined && !this.stop.signal.aborted) {
      this.abortedBy = abort;
      this.record({ type: "aborted", by: abort });
      this.stop.abort(new FleetError({ what: "the run was aborted" }));
    }
    const pause = requests.paused();
    if (pause !== undefined && this.pausedBy === undefined) this.record({ type: "paused", by: pause });
    if (pause === undefined && this.pausedBy !== undefined) this.record({ type: "resumed", by: this.options.by });
    this.pausedBy = pause;
  }

  private finish(outcome: Outcome): RunResult {
    if (outcome !== "done") this.skipRest(this.state.plan.waves.flatMap(({ cells }) => cells));
    const outcomes = [...this.state.cells.values()].map((cell) => cell.outcome);
    const count = (wanted: CellOutcome) => outcomes.filter((each) => each === wanted).length;
    this.record({
      type: "runFinished",
      outcome,
      done: count("done"),
      unchanged: count("unchanged"),
      failed: count("failed"),
      cancelled: count("cancelled"),
      skipped: count("skipped"),
      seconds: this.options.clock.seconds() - this.startedAt,
      ...(this.message !== undefined && { message: this.message }),
    });
    if (this.broken !== undefined) throw this.broken as Error;
    return { outcome, failure: this.failure, message: this.message };
  }

  private skipRest(cells: readonly PlannedCell[]): void {
    for (const { id } of cells)
      if (this.state.cells.get(id)?.outcome === undefined)
        this.record({ type: "cellFinished", cell: id, outcome: "skipped", seconds: 0 });
  }

  /** What cannot be written down must not happen: then everything that runs is ended, and the run can be resumed. */
  private record(event: EventBody): void {
    if (this.broken !== undefined) return;
    try {
      this.options.record(event);
    } catch (error) {
      this.breakOff(error);
    }
  }

  private breakOff(error: unknown): void {
    this.broken ??= error;
    this.stop.abort(error);
  }
}
