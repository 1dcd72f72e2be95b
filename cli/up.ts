import { createRequire } from "node:module";
import { freemem } from "node:os";
import { join } from "node:path";
import { ValidationFailed } from "../components/errors";
import { cellRollout, type RolloutPulumi } from "../stacks/fleet/rollout/cell-rollout";
import { systemClock } from "../stacks/fleet/rollout/clock";
import { Control } from "../stacks/fleet/rollout/control";
import { execute, type RunResult } from "../stacks/fleet/rollout/executor";
import { errorOf } from "../stacks/fleet/rollout/retry";
import { existingRun, whoAmI } from "../stacks/fleet/rollout/run-folder";
import { SettledCells } from "../stacks/fleet/rollout/settled";
import { resumeRun, startRun, type Run, type RunOptions } from "../stacks/fleet/rollout/run";
import { policyArgs, progress } from "./local";
import { preloadEnv } from "./pack/preload-env";
import { readPlan, requestedPlan, type PlanOptions } from "./plan";
import { createStack, openPulumi, type LocalPulumi } from "./pulumi";
import { concludeRun } from "./report";
import { openRolloutView } from "./rollout-view";
import { projectRoot, stateLayout, usesLocalBackend, withSalt } from "./workspace";

/** What every command that executes a run takes. */
export interface ExecuteFlags {
  json?: boolean;
  clearLocks?: boolean;
  previewAll?: boolean;
  /** The environment that Pulumi gets. Default: ours. */
  env?: NodeJS.ProcessEnv;
}

/** Rolls cells out: by a saved plan, or by one that is made now. */
export async function up(
  selector: string | undefined,
  options: PlanOptions & ExecuteFlags & { plan?: string; intent?: string },
  signal: AbortSignal,
): Promise<void> {
  const { plan: file, intent } = options;
  if (file !== undefined && (selector !== undefined || options.all === true || options.strategy !== undefined))
    throw new ValidationFailed({
      what: "a saved plan says which cells, and how",
      fix: "use --plan alone, or a selector or --all with --strategy",
    });
  const plan = file === undefined ? requestedPlan(selector, options).plan : readPlan(file);
  await executeRun((runOptions) => startRun(plan, intent, runOptions), options, signal);
}

/** Takes a pause back, or takes an interrupted run up again. */
export async function resume(id: string, flags: ExecuteFlags, signal: AbortSignal): Promise<void> {
  const folder = existingRun(stateLayout().folder, id);
  const control = new Control(folder.control);
  const holder = folder.runningHolder();
  const paused = control.paused() !== undefined;
  control.unpause();
  if (holder !== undefined && paused) {
    progress(`run ${id} goes on, in process ${String(holder.pid)}`);
    return;
  }
  await executeRun((runOptions) => resumeRun(id, projectRoot, runOptions), flags, signal);
}

/** Executes a run to its end, and ends with the error of the first cell that failed. */
export async function executeRun(
  begin: (options: RunOptions) => Promise<Run>,
  { json = false, clearLocks = false, previewAll = false, env = process.env }: ExecuteFlags,
  interruption: AbortSignal,
): Promise<void> {
  assertBuilt();
  // Found, or built, and laid out once, before anything is rolled out.
  const pulumi = await openPulumi(env);
  const terminated = new AbortController();
  const terminate = () => {
    terminated.abort(new Error("terminated"));
  };
  for (const name of ["SIGTERM", "SIGHUP"] as const) process.once(name, terminate);
  const signal = AbortSignal.any([interruption, terminated.signal]);
  const view = await openRolloutView(json);
  const stateFolder = pulumi.layout.folder;
  const run = await begin({ stateFolder, listeners: [view.listener], clock: systemClock, log: progress, signal });
  const { folder, state, record } = run;
  const rollout = rolloutPulumi(pulumi);
  const settled = new SettledCells({
    stateFolder,
    backend: rollout.locks.backend,
    frozen: state.plan.frozen,
    run: state.run,
    today: new Date().toISOString(),
  });
  let result: RunResult;
  try {
    result = await execute(state, {
      runCell: cellRollout({ folder, pulumi: rollout, clock: systemClock, clearLocks, settled, previewAll }),
      record,
      requests: new Control(folder.control),
      clock: systemClock,
      freeMemory: freemem,
      random: Math.random,
      by: whoAmI(),
      signal,
    });
  } finally {
    run.close();
    view.close();
    for (const name of ["SIGTERM", "SIGHUP"] as const) process.off(name, terminate);
    await concludeRun(folder, progress);
  }
  report(state.run, result, state.rollbackOf !== undefined);
}

/** As stacks/entry.js checks for each stack: before the run, rather than in every one of its cells. */
function assertBuilt(): void {
  const { isFresh } = createRequire(__filename)(join(projectRoot, "stacks", "build-stamp.js")) as {
    isFresh: (root: string) => boolean;
  };
  if (!isFresh(projectRoot))
    throw new ValidationFailed({
      what: "the compiled program in dist/ is missing or older than its sources",
      fix: "run `make build` (or `npm run build`)",
    });
}

function report(run: string, { outcome, failure, message }: RunResult, isRollback: boolean): void {
  if (outcome === "interrupted") {
    progress(`run ${run} was interrupted; go on with: clawfleet resume ${run}`);
    process.exitCode = 130;
    return;
  }
  if (outcome === "done") return;
  const undo = isRollback ? "" : `, or take it back with \`clawfleet rollback ${run}\``;
  if (failure === undefined || outcome === "aborted")
    throw errorOf({
      class: "Error",
      message: `the run ${run} ended: ${message ?? outcome}`,
      fix: `roll out again${undo}`,
    });
  throw errorOf({
    class: failure.class,
    message: `the run ${run} stopped at the cell ${failure.cell}: ${failure.message}`,
    fix: `${failure.fix ?? "correct the cause"}; then roll out again${undo}`,
  });
}

/** Pulumi of this machine as rollouts use it. */
function rolloutPulumi(pulumi: LocalPulumi): RolloutPulumi {
  const { cli, env, layout } = pulumi;
  const local = usesLocalBackend(env);
  return {
    cli,
    env: { ...env, ...preloadEnv(env) },
    root: projectRoot,
    stateFolder: layout.folder,
    home: layout.pulumiHome,
    createStack: (stack) => createStack(pulumi, stack),
    stackText: (stack, text) => (local ? withSalt(layout, stack, text) : text),
    policyArgs,
    locks: { backend: local ? layout.backend : undefined },
  };
}
