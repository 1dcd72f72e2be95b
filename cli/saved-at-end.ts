import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { startTimeOf } from "../engine/process-start";
import { readRecord } from "../stacks/fleet/rollout/record-file";
import { writeWhole } from "../stacks/fleet/rollout/whole-file";
import { checkpointFile } from "../stacks/project";
import * as z from "../stacks/zod";
import type { RunResult } from "./pulumi";
import type { StateLayout } from "./workspace";

/*
 * Pulumi's file backend writes the whole state anew with each step of each resource (pulumi/pulumi#22075), which is most of the
 * time of an `up` of a whole cell. For embedded clusters it is written once, when Pulumi ends, also with an error or after Ctrl-C.
 * A run that is killed leaves objects that no state tells of. Embedded clusters have nothing that another `up` does not
 * bring back, so they are made anew then.
 */

/** Has Pulumi save the state once, when it ends. */
export const SAVE_AT_END = { PULUMI_SKIP_CHECKPOINTS: "true" };

const runSchema = z.object({ pid: z.int(), started: z.string() });

/**
 * Runs Pulumi with the state saved when it ends, unless the user's own PULUMI_SKIP_CHECKPOINTS says otherwise.
 * @param run runs it with more variables than the user's.
 */
export async function savedAtEnd(
  layout: StateLayout,
  stack: string,
  run: (env: NodeJS.ProcessEnv) => Promise<RunResult>,
): Promise<RunResult> {
  const file = unsavedFile(layout, stack);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeWhole(file, JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid) ?? "" }));
  const result = await run(process.env.PULUMI_SKIP_CHECKPOINTS === undefined ? SAVE_AT_END : {});
  // One that was killed has saved nothing.
  if (!result.killed) forgetUnsaved(layout, stack);
  return result;
}

/** Whether a run was killed before it saved what it had done. */
export function hasUnsaved(layout: StateLayout, stack: string): boolean {
  const begun = modifiedAt(unsavedFile(layout, stack));
  if (begun === undefined) return false;
  const run = readRecord(unsavedFile(layout, stack), runSchema);
  if (run !== undefined && startTimeOf(run.pid) === run.started) return false;
  // We may have been killed, and Pulumi not: then it went on to its end.
  return (modifiedAt(checkpointFile(layout.backend, stack)) ?? 0) <= begun;
}

function modifiedAt(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

/** To be called when the clusters of that run are gone. */
export function forgetUnsaved(layout: StateLayout, stack: string): void {
  rmSync(unsavedFile(layout, stack), { force: true });
}

function unsavedFile(layout: StateLayout, stack: string): string {
  return join(layout.folder, "unsaved", `${stack}.json`);
}
