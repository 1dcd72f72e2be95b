import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ValidationFailed } from "../../components/errors";
import { readProc } from "../proc";
import { startTimeOf } from "../process-start";

/**
 * A process that we started. A pid alone is no identity, since the kernel hands it out again; together with the moment
 * the process started it is one. Nothing is ever signalled unless both match.
 */
export interface ProcessRecord {
  pid: number;
  /** Opaque; compared for equality only. */
  startTime: string;
}

/** How to start a process that outlives us. */
export interface ProcessSpec {
  command: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Truncated at start, mode 0600; takes stdout and stderr. */
  logFile: string;
  /** Takes the ProcessRecord, mode 0600. */
  pidFile: string;
}

const POLL_MS = 20;

/** Whether this very process still runs, not just another one with its pid. */
export function isRunning(record: ProcessRecord): boolean {
  return startTimeOf(record.pid) === record.startTime;
}

/** The process a pid file speaks of, if it still runs. */
export function readRunning(pidFile: string): ProcessRecord | undefined {
  let record: unknown;
  try {
    record = JSON.parse(readFileSync(pidFile, "utf8"));
  } catch {
    return undefined;
  }
  return isProcessRecord(record) && isRunning(record) ? { pid: record.pid, startTime: record.startTime } : undefined;
}

function isProcessRecord(value: unknown): value is ProcessRecord {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTime } = value as Partial<Record<keyof ProcessRecord, unknown>>;
  // 0 and negative numbers would address process groups.
  return typeof pid === "number" && Number.isSafeInteger(pid) && pid > 1 && typeof startTime === "string";
}

/** Resident memory in bytes, 0 when the process is gone. */
export function residentMemory(pid: number): number {
  try {
    if (process.platform !== "linux") {
      return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).trim()) * 1024;
    }
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, "status") ?? "") ?? [];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/**
 * Starts a process in a session of its own, so that neither our end nor a Ctrl-C in our terminal ends it, and writes its
 * pid file at once: whatever happens to us after that, the next call finds it.
 * @throws ValidationFailed when the program can't be run.
 */
export function startProcess(spec: ProcessSpec): ProcessRecord {
  const log = openSync(spec.logFile, "w", 0o600);
  try {
    const child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ["ignore", log, log],
    });
    // Without a listener a failed spawn would end us; the missing pid below reports it.
    child.on("error", () => undefined);
    child.unref();
    const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid);
    if (child.pid === undefined || startTime === undefined) {
      throw new ValidationFailed({
        what: "this program of a local cluster can't be started",
        where: spec.command,
        fix: "check that the file exists and is executable, or run `make doctor`",
      });
    }
    const record = { pid: child.pid, startTime };
    writeFileSync(spec.pidFile, JSON.stringify(record), { mode: 0o600 });
    return record;
  } finally {
    closeSync(log);
  }
}

/** Ends a process with SIGTERM, after `graceMs` with SIGKILL, and waits until it is gone. */
export async function stopProcess(record: ProcessRecord, graceMs: number): Promise<void> {
  signal(record, "SIGTERM");
  for (let waited = 0; isRunning(record); waited += POLL_MS) {
    if (waited >= graceMs) signal(record, "SIGKILL");
    await sleep(POLL_MS);
  }
}

function signal(record: ProcessRecord, name: NodeJS.Signals): void {
  if (!isRunning(record)) return;
  try {
    process.kill(record.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Ends what a pid file speaks of, if that still runs, and removes the file. */
export async function stopRecorded(pidFile: string, graceMs: number): Promise<boolean> {
  const record = readRunning(pidFile);
  if (record !== undefined) await stopProcess(record, graceMs);
  rmSync(pidFile, { force: true });
  return record !== undefined;
}
