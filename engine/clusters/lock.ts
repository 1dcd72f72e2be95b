import { randomUUID } from "node:crypto";
import { linkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Timeout } from "../../components/errors";
import { readRunning, startTimeOf } from "./process";

const POLL_MS = 50;

export interface LockOptions {
  /** Called once when somebody else holds the lock. */
  onWait?: () => void;
  signal?: AbortSignal;
  /** Default: 3 minutes, several times what starting a cluster takes on a busy machine. */
  timeoutMs?: number;
}

/**
 * Runs `work` while no other process does so for the same folder. A lock whose holder is dead is taken over.
 * @throws Timeout when the holder doesn't release it in time.
 */
export async function withLock<T>(folder: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, "lock");
  const mine = `${lock}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) }), { mode: 0o600 });
  try {
    await acquire(lock, mine, options);
    try {
      return await work();
    } finally {
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

async function acquire(
  lock: string,
  mine: string,
  { onWait, signal, timeoutMs = 180_000 }: LockOptions,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (let waited = false; !tryLink(mine, lock); waited = true) {
    if (readRunning(lock) === undefined && breakStale(lock)) continue;
    if (!waited) onWait?.();
    if (Date.now() > deadline) {
      throw new Timeout({
        what: `another process has held this lock for ${Math.round(timeoutMs / 1000)} s`,
        where: lock,
        fix: "wait for the other `make` of this folder, or end the process whose pid the file names",
      });
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** A link appears with its content, so that nobody ever reads a lock without a holder. */
function tryLink(mine: string, lock: string): boolean {
  try {
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Takes a dead holder's lock away; false when it turned out to be a living one's, which is then put back. */
function breakStale(lock: string): boolean {
  const aside = `${lock}.${randomUUID()}`;
  try {
    renameSync(lock, aside);
  } catch {
    return true; // released or broken by somebody else in the meantime
  }
  try {
    // Between our look and our rename another process may have broken the stale lock and taken it.
    if (readRunning(aside) === undefined) return true;
    tryLink(aside, lock);
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
}
