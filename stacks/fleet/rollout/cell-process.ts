import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FleetError } from "../../../components/errors";
import { pids, readProc } from "../../../engine/proc";
import { startTimeOf } from "../../../engine/process-start";
import * as z from "../../zod";
import { EngineReport } from "./engine-events";
import { UNWRITABLE, type ChildSpec, type ProcessIdentity } from "./pulumi-child";
import { readRecord } from "./record-file";
import { Unwritable } from "./unwritable";
import { writeWhole } from "./whole-file";

/** Marks every process of a cell in its environment, so that what a killed one leaves behind is found. */
const MARK = "CLAWFLEET_CELL_PROCESS";
const identitySchema: z.ZodType<ProcessIdentity> = z.object({ pid: z.int(), started: z.string() });
const POLL_MS = 100;
/** How long Pulumi may take to finish what it is at when it is interrupted, in milliseconds. */
const GRACE_MS = 30_000;

/** How a command of Pulumi is run in a process of its own. */
export interface CellProcess {
  /** The folder for its files; one process at a time. */
  folder: string;
  /** The command's name in files, for example `up`. */
  name: string;
  cli: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** On abort the command is interrupted, and killed when it does not end. */
  signal: AbortSignal;
  /** Called when there is something new in the report. */
  onReport: (report: EngineReport) => void;
}

/** How a command ended, and what it told. */
export interface CommandResult {
  code: number | null;
  report: EngineReport;
}

/** Runs a command of Pulumi. Does not return before all of its processes have ended. */
export async function runCellProcess(options: CellProcess): Promise<CommandResult> {
  const { folder, name, cli, args, cwd, env, signal } = options;
  const output = join(folder, `${name}.jsonl`);
  rmSync(output, { force: true });
  const spec: ChildSpec = { cli, args, cwd, output, processFile: processFile(folder) };
  const specFile = join(folder, `${name}.spec.json`);
  writeWhole(specFile, JSON.stringify(spec));
  // A session of its own: Ctrl-C in the terminal is ours to pass on, and our end is not its end.
  const child = spawn(process.execPath, [join(__dirname, "pulumi-child.js"), specFile], {
    cwd,
    env: { ...env, [MARK]: folder },
    detached: true,
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((exited) => {
    child.on("error", () => {
      exited(null);
    });
    child.on("close", (code) => {
      exited(code);
    });
  });
  const report = new EngineReport();
  const lines = new Lines(output);
  const read = () => {
    const fresh = lines.read();
    for (const line of fresh) report.add(line);
    if (fresh.length > 0) options.onReport(report);
  };
  const timer = setInterval(read, POLL_MS);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopCellProcesses(folder);
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (child.pid !== undefined) record(supervisorFile(folder), child.pid);
    const code = await ended;
    // One that was killed from outside, or failed, may leave what it had started.
    if (code !== 0) stop();
    await stopping;
    read();
    if (code === UNWRITABLE) throw new Unwritable(output, "ENOSPC");
    return { code, report };
  } catch (error) {
    stop();
    await stopping;
    throw error;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    rmSync(supervisorFile(folder), { force: true });
    rmSync(specFile, { force: true });
  }
}

/**
 * Ends whatever still runs for a cell, also of an earlier process of ours that was killed: asks first, and kills after 30 s.
 */
export async function stopCellProcesses(folder: string): Promise<void> {
  // Who supervises passes the signal on; Pulumi itself is left only when its supervisor was killed.
  for (const file of [supervisorFile(folder), processFile(folder)]) {
    const identity = readRecord(file, identitySchema);
    if (identity === undefined) continue;
    signalTo(identity, "SIGINT");
    for (let waited = 0; isRunning(identity) && waited < GRACE_MS; waited += POLL_MS) await wait(POLL_MS);
    signalTo(identity, "SIGKILL");
  }
  for (const pid of markedProcesses(folder)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it has ended by itself
    }
  }
  for (let waited = 0; markedProcesses(folder).length > 0 && waited < GRACE_MS; waited += POLL_MS) await wait(POLL_MS);
}

/** The last process of Pulumi for a cell, when it has ended: a lock of its is ours to remove. */
export function endedProcess(folder: string): ProcessIdentity | undefined {
  const identity = readRecord(processFile(folder), identitySchema);
  return identity === undefined || isRunning(identity) ? undefined : identity;
}

function processFile(folder: string): string {
  return join(folder, "pulumi.json");
}

function supervisorFile(folder: string): string {
  return join(folder, "supervisor.json");
}

function record(file: string, pid: number): void {
  writeWhole(file, JSON.stringify({ pid, started: startTimeOf(pid) ?? "" }));
}

function isRunning({ pid, started }: ProcessIdentity): boolean {
  return startTimeOf(pid) === started;
}

function signalTo(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH")
      throw new FleetError({ what: `the process ${String(identity.pid)} cannot be ended`, fix: "end it by hand" });
  }
}

/** Linux shows the environment of one's own processes; elsewhere plugins end by themselves when Pulumi is gone. */
function markedProcesses(folder: string): number[] {
  const mark = `${MARK}=${folder}`;
  return pids().filter(
    (pid) => readProc(pid, "environ")?.split("\0").includes(mark) === true && startTimeOf(pid) !== undefined,
  );
}

/** The lines that were added to a file since the last look. */
class Lines {
  private offset = 0;
  private rest = "";

  constructor(private readonly file: string) {}

  read(): string[] {
    if (!existsSync(this.file)) return [];
    const descriptor = openSync(this.file, "r");
    try {
      const buffer = Buffer.alloc(1 << 16);
      const parts: Buffer[] = [];
      for (let count = readSync(descriptor, buffer, 0, buffer.length, this.offset); count > 0;) {
        parts.push(Buffer.from(buffer.subarray(0, count)));
        this.offset += count;
        count = readSync(descriptor, buffer, 0, buffer.length, this.offset);
      }
      // A character may be cut at the end; latin1 keeps its bytes until the rest is there.
      const lines = (this.rest + Buffer.concat(parts).toString("latin1")).split("\n");
      this.rest = lines.pop() ?? "";
      return lines.map((line) => Buffer.from(line, "latin1").toString("utf8"));
    } finally {
      closeSync(descriptor);
    }
  }
}
