import { existsSync, readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import * as z from "../../zod";
import { Conflict } from "../../../components/errors";
import { startTimeOf } from "../../../engine/process-start";
import { locksFolder } from "../../project";
import { endedProcess } from "./cell-process";
import type { PlannedCell } from "./plan-schema";
import { readRecord } from "./record-file";

/** As Pulumi writes it. */
const lockSchema = z.object({
  pid: z.int(),
  hostname: z.string(),
  username: z.string().default(""),
  timestamp: z.string().default(""),
});

/** A lock of a stack. */
interface StackLock extends z.infer<typeof lockSchema> {
  file: string;
  /** Whether its process runs; that of another machine is taken to. */
  held: boolean;
}

export interface LockOptions {
  /** The folder of the project's own backend; undefined for a backend whose locks only Pulumi can see. */
  backend: string | undefined;
  /** Whether to remove locks of processes that were none of ours, too, once they have ended. */
  clear: boolean;
}

/**
 * Removes the locks of a stack that ended processes left behind. Pulumi never does, and `pulumi cancel` would remove
 * those that are in use as well.
 * @param work the cell's folder, which knows its last process.
 * @returns what was removed, in words.
 * @throws Conflict for a lock that somebody else's ended process left, unless it is to be cleared. A lock in use is left to
 * Pulumi, which says who has it.
 */
export function releaseLocks({ id, stack }: PlannedCell, work: string, { backend, clear }: LockOptions): string[] {
  if (backend === undefined) return [];
  const ours = endedProcess(work)?.pid;
  const left = locksOf(backend, stack, ours).filter(({ held }) => !held);
  return left.map(({ file, pid, username, timestamp }) => {
    if (pid !== ours && !clear)
      throw new Conflict({
        what: `the stack ${stack} is locked by the process ${String(pid)} of ${username}, which ended without giving the lock back (${timestamp})`,
        where: `cell ${id}`,
        fix: "its update may be incomplete; `--clear-locks` removes the lock, and the next update completes it",
      });
    rmSync(file, { force: true });
    return `removed the lock of the process ${String(pid)}, which was killed`;
  });
}

/**
 * The locks of a stack in a backend of files.
 * @param ended a process that has ended, whoever has its pid now.
 */
export function locksOf(backend: string, stack: string, ended?: number): StackLock[] {
  const folder = locksFolder(backend, stack);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const file = join(folder, name);
    // Undefined for one that was released meanwhile.
    const lock = readRecord(file, lockSchema);
    if (lock === undefined) return [];
    const held = lock.hostname !== hostname() || (lock.pid !== ended && startTimeOf(lock.pid) !== undefined);
    return [{ ...lock, file, held }];
  });
}
