import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetError, NotFound } from "../components/errors";
import { residentMemory } from "../engine/clusters/process";
import { pids, readStat, type ProcessStat } from "../engine/proc";
import type { Cost } from "./statistics";

/** A command that was measured ended with an error; its output is in the message. */
export class CommandFailed extends FleetError {}

export interface Command {
  program: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** How long it may take. Default: 300. */
  timeoutSeconds?: number;
}

/** Each sample takes some 3 ms from what is measured. */
const SAMPLE_MILLISECONDS = 100;
/** Linux counts processor time in hundredths of a second, on every architecture (USER_HZ). */
export const TICKS_PER_SECOND = 100;
const TIMEOUT_SECONDS = 300;

/**
 * Runs a command to its end and measures it with everything that it starts.
 *
 * On Linux, memory is the highest sum of the processes' resident sets in samples 100 ms apart, so pages that they share
 * count for each. Processor time is what the kernel adds up for children that were waited for, or what the samples saw,
 * whichever is more: a plugin that nobody waits for is in the samples alone, a short-lived process in the kernel's sum.
 * @throws CommandFailed when it ends with another code than 0; the signal's reason when aborted
 */
export async function measure(command: Command, signal?: AbortSignal): Promise<Cost> {
  const waitedBefore = waitedSeconds();
  const start = performance.now();
  const coresBefore = coreTimes();
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    env: command.env,
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGTERM", // what was started in the background of a shell ignores SIGINT
    timeout: (command.timeoutSeconds ?? TIMEOUT_SECONDS) * 1000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = new Promise<number | null>((fulfil, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (signal?.aborted !== true)
        reject(
          new NotFound({ what: `${command.program} does not start (${error.message})`, fix: "run `make doctor`" }),
        );
    });
    child.on("close", fulfil);
  });
  const tree = new ProcessTree(child.pid ?? -1);
  let wall: number | undefined;
  const code = ended.finally(() => (wall = (performance.now() - start) / 1000));
  while (wall === undefined) {
    tree.sample();
    await Promise.race([code, sleep(SAMPLE_MILLISECONDS)]);
  }
  const busy = busyShare(coresBefore, coreTimes());
  signal?.throwIfAborted();
  if ((await code) !== 0) {
    throw new CommandFailed({
      what: `${command.program} ${command.args.join(" ")} ended with ${String(await code)}\n${output}`,
      fix: "correct the cause above",
    });
  }
  const waited = waitedSeconds();
  return {
    wall,
    cpu:
      waited === undefined || waitedBefore === undefined
        ? undefined
        : Math.max(waited - waitedBefore, tree.processorSeconds),
    memory: tree.peakMemory,
    busy,
  };
}

/** Milliseconds of all cores since the machine started. */
function coreTimes(): { idle: number; all: number } {
  const times = cpus().map((core) => core.times);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.flatMap((core) => Object.values(core))) };
}

function busyShare(before: ReturnType<typeof coreTimes>, after: ReturnType<typeof coreTimes>): number {
  const all = after.all - before.all;
  return all === 0 ? 0 : 1 - (after.idle - before.idle) / all;
}

/** Seconds of all children that this process has waited for, with theirs; undefined but on Linux. */
function waitedSeconds(): number | undefined {
  const stat = readStat(process.pid);
  return stat && stat.waitedTicks / TICKS_PER_SECOND;
}

/** Samples a process and everything that it started, also what has lost its parent since. */
class ProcessTree {
  readonly #ticks = new Map<number, number>();
  #peak = 0;

  constructor(root: number) {
    this.#ticks.set(root, 0);
  }

  get processorSeconds(): number {
    return [...this.#ticks.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
  }

  get peakMemory(): number | undefined {
    return this.#peak === 0 ? undefined : this.#peak;
  }

  sample(): void {
    const stats = new Map<number, ProcessStat>();
    for (const pid of pids()) {
      const stat = readStat(pid);
      if (stat !== undefined) stats.set(pid, stat);
    }
    let memory = 0;
    for (const [pid, { ticks }] of stats) {
      if (!this.#belongs(pid, stats)) continue;
      this.#ticks.set(pid, ticks);
      memory += residentMemory(pid);
    }
    this.#peak = Math.max(this.#peak, memory);
  }

  #belongs(pid: number, stats: Map<number, ProcessStat>): boolean {
    if (this.#ticks.has(pid)) return true;
    const parent = stats.get(pid)?.parent;
    return parent !== undefined && parent > 1 && this.#belongs(parent, stats);
  }
}
