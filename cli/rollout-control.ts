import { Conflict, NotFound } from "../components/errors";
import { systemClock } from "../stacks/fleet/rollout/clock";
import { Control } from "../stacks/fleet/rollout/control";
import { programHashes } from "../stacks/fleet/rollout/fleet-plan";
import { planRollback } from "../stacks/fleet/rollout/rollback";
import { abandonRun, startRollback } from "../stacks/fleet/rollout/run";
import { existingRun, RunFolder, runIds, whoAmI } from "../stacks/fleet/rollout/run-folder";
import type { RunState } from "../stacks/fleet/rollout/run-state";
import { progress } from "./local";
import { executeRun, type ExecuteFlags } from "./up";
import { projectRoot, stateLayout } from "./workspace";

/** A run that has not ended, and the requests to it. */
function openRun(id: string): { folder: RunFolder; state: RunState; control: Control } {
  const folder = existingRun(stateLayout().folder, id);
  const state = folder.state();
  if (state === undefined || state.outcome !== undefined)
    throw new Conflict({
      what: state === undefined ? "it was killed before it began" : `it has ended: ${state.outcome ?? ""}`,
      where: `run ${id}`,
      fix: "there is nothing left to control",
    });
  return { folder, state, control: new Control(folder.control) };
}

/** Tells what a command asked a run for: in words, or as JSON for machines. */
function told(json: boolean, request: { run: string; asked: string; wave?: string }, words: string): void {
  if (json) process.stdout.write(`${JSON.stringify(request)}\n`);
  else progress(words);
}

/** Asks a run to start no further cell. */
export function pause(id: string, json: boolean): void {
  const { control } = openRun(id);
  control.pause(whoAmI());
  told(
    json,
    { run: id, asked: "pause" },
    `run ${id}: what runs is finished, nothing else is started until: clawfleet resume ${id}`,
  );
}

/** Cancels what runs and ends the run; one that nobody executes is ended at once. */
export async function abort(id: string, json: boolean, signal: AbortSignal): Promise<void> {
  const { folder, control } = openRun(id);
  const holder = folder.runningHolder();
  if (holder !== undefined) {
    control.abort(whoAmI());
    told(
      json,
      { run: id, asked: "abort" },
      `run ${id}: the process ${String(holder.pid)} cancels what it is at, and ends`,
    );
    return;
  }
  const stateFolder = stateLayout().folder;
  await abandonRun(id, { stateFolder, listeners: [], clock: systemClock, log: progress, signal });
  told(
    json,
    { run: id, asked: "abort" },
    `run ${id}: ended; what it had begun is completed by the next rollout of these cells`,
  );
}

/**
 * Approves a wave.
 * @throws NotFound for a wave that needs none.
 */
export function approve(id: string, wave: string, json: boolean): void {
  const { state, control } = openRun(id);
  const planned = state.plan.waves.find(({ name }) => name === wave);
  const when = planned?.approval.find((each) => !state.approvals.has(`${wave} ${each}`));
  if (when === undefined) {
    const waiting = state.plan.waves.filter(({ approval }) => approval.length > 0).map(({ name }) => name);
    throw new NotFound({
      what: `no wave ${wave} needs an approval`,
      where: `run ${id}`,
      fix: waiting.length === 0 ? "no wave of this run does" : `waves that do: ${waiting.join(", ")}`,
    });
  }
  control.approve(wave, when, whoAmI());
  told(json, { run: id, asked: `approval ${when}`, wave }, `run ${id}: wave ${wave} (${when}) approved`);
}

/** Takes a run back: every cell that it touched gets what made it healthy before. */
export async function rollback(id: string, flags: ExecuteFlags, signal: AbortSignal): Promise<void> {
  const stateFolder = stateLayout().folder;
  const target = existingRun(stateFolder, id).state();
  if (target?.outcome === undefined)
    throw new Conflict({
      what: "it has not ended",
      where: `run ${id}`,
      fix: `end it with \`clawfleet abort ${id}\` first`,
    });
  const runs = runIds(stateFolder).flatMap((run) => new RunFolder(stateFolder, run).state() ?? []);
  const plan = planRollback(target, runs, programHashes(projectRoot));
  if (plan.without.length > 0)
    progress(`left as they are, since they had not been healthy before: ${plan.without.join(", ")}`);
  const sources = new Set(plan.inputsFrom.values());
  const { lockHash } = plan.plan.frozen;
  const other = runs.filter((source) => sources.has(source.run) && source.plan.frozen.lockHash !== lockHash);
  if (other.length > 0)
    progress(
      `the settings are taken back, the program is the present one; that of ${other.map(({ run, plan: { frozen } }) => `${run} is ${frozen.gitRevision}`).join(", ")}`,
    );
  await executeRun((options) => startRollback(plan, options), flags, signal);
}
