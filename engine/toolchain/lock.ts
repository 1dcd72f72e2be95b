import { link, mkdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { ValidationFailed } from "../../components/errors";
import { startTimeOf } from "../process-start";

/** Who holds a lock: a process, told apart from a later one of the same id by when it started. */
interface Holder {
  pid: number;
  started: string;
  host: string;
  purpose: string;
}

export interface LockOptions {
  /** What it is held for, shown to those who wait. */
  purpose: string;
  log: (line: string) => void;
  signal: AbortSignal | undefined;
}

const pollMs = 250;
const touchMs = 15_000;
/** A holder on another host (a shared home, a container) can't be looked up, so it counts as gone when it stops touching. */
const silentMs = 120_000;
/** Taking over is done in milliseconds; a guard this old was left by a process that died in between. */
const guardMs = 10_000;

/**
 * Does some work while holding a lock file that other processes respect. Waits for its holder and says who that is; takes
 * over from a holder that died. Released when the work ends, however it ends.
 * @throws ValidationFailed when the folder can't be written; the signal's reason when aborted while waiting
 */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const what = `the cache can't be written: ${error.code ?? error.message}`;
    throw new ValidationFailed(
      { what, where: dirname(path), fix: "set CLAWFLEET_CACHE to a folder that can be written" },
      { cause: error },
    );
  });
  const mine: Holder = {
    pid: process.pid,
    started: startTimeOf(process.pid) ?? "",
    host: hostname(),
    purpose: options.purpose,
  };
  await acquire(path, mine, options);
  const touch = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), touchMs);
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await rm(path, { force: true });
  }
}

async function acquire(path: string, mine: Holder, { log, signal }: LockOptions): Promise<void> {
  let told: number | undefined;
  while (!(await createWhole(path, JSON.stringify(mine)))) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) continue; // released meanwhile
    const holder = JSON.parse(text) as Holder;
    if (await isGone(path, holder)) {
      if (await takeAway(path, text))
        log(`taking over the lock of process ${holder.pid}, which ended without releasing it`);
      continue;
    }
    if (told !== holder.pid) log(`waiting for process ${holder.pid} on ${holder.host}: ${holder.purpose}`);
    told = holder.pid;
    await sleep(pollMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

/** Creates a file with its content in one step, so that nobody reads half of it; false when it exists. */
async function createWhole(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, content);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes a dead holder's lock, once, although several may have noticed its death. */
async function takeAway(path: string, expected: string): Promise<boolean> {
  const guard = `${path}.takeover`;
  if (!(await createWhole(guard, String(process.pid)))) {
    if ((await age(guard)) > guardMs) await rm(guard, { force: true });
    await sleep(pollMs);
    return false;
  }
  try {
    if ((await readFile(path, "utf8").catch(() => undefined)) !== expected) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

async function isGone(path: string, holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return (await age(path)) > silentMs;
  const started = startTimeOf(holder.pid);
  return started === undefined || started !== holder.started;
}

/** Milliseconds since the file was last written or touched; 0 when it is gone. */
async function age(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
