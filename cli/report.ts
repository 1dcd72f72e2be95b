import { dirname, join, resolve } from "node:path";
import { mkdirSync } from "node:fs";
import { NotFound } from "../components/errors";
import { readJournal } from "../stacks/fleet/rollout/journal";
import { existingRun, runIds, type RunFolder } from "../stacks/fleet/rollout/run-folder";
import { reportHtml } from "../stacks/fleet/rollout/view/report";
import { traceOf, wantsTraces } from "../stacks/fleet/rollout/view/trace";
import { packageVersion, stateLayout } from "./workspace";
import { writeWhole } from "../stacks/fleet/rollout/whole-file";

/** Writes the report of a run, by default the last one, and prints where it is. */
export function report(run: string | undefined, { out, json }: { out?: string; json: boolean }): void {
  const { folder } = stateLayout();
  const last = run ?? runIds(folder).at(-1);
  if (last === undefined)
    throw new NotFound({ what: "there is no run yet", where: folder, fix: "start one with `clawfleet up`" });
  const file = writeReport(existingRun(folder, last), out);
  process.stdout.write(json ? `${JSON.stringify({ run: last, file })}\n` : `${file}\n`);
}

/** Writes a run's report, by default into its folder; returns the file. */
function writeReport(folder: RunFolder, out?: string): string {
  const file = resolve(out ?? join(folder.path, "report.html"));
  mkdirSync(dirname(file), { recursive: true });
  writeWhole(file, reportHtml(readJournal(folder.journal).events));
  return file;
}

/**
 * What is done when a run ends, however it did: its report is written, and its trace sent to whoever the environment
 * names. A failure of either is no failure of the run, and only told.
 */
export async function concludeRun(folder: RunFolder, log: (line: string) => void): Promise<void> {
  try {
    log(`report: ${writeReport(folder)}`);
  } catch (error) {
    log(`the report was not written: ${messageOf(error)}`);
  }
  if (!wantsTraces()) return;
  try {
    const { exportTrace } = await import("../stacks/fleet/rollout/view/export-trace.js");
    await exportTrace(traceOf(readJournal(folder.journal).events), packageVersion());
  } catch (error) {
    log(`the trace was not sent: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
