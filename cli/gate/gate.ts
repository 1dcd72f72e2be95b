import { join } from "node:path";
import { FleetError, ValidationFailed } from "../../components/errors";
import { stopClusters } from "../../engine/clusters";
import { changesOf, type Change } from "../../stacks/fleet/check/changes";
import type { BareCheckpoint } from "../../stacks/fleet/check/checkpoint";
import { findingsOf } from "../../stacks/fleet/check/findings";
import { compareObjects } from "../../stacks/fleet/check/objects";
import type { BaseKind, Report, StackReport } from "../../stacks/fleet/check/report";
import { INVENTORY_FILE, unknown } from "../../stacks/fleet/inventory";
import { FleetFiles } from "../fleet-files";
import { stateLayout, projectRoot } from "../workspace";
import { BaseRevision } from "./base-revision";
import { applyBase, backendCheckpoint, exportedCheckpoint, hasBackend, renderStacks, startStandIns } from "./bases";
import { eachOf } from "../each-of";
import { PackServers } from "../pack/servers";
import { environmentOf, previewStack } from "./preview";
import { reachClusters } from "./reach";
import type { RenderTasks, Rendering } from "./render-child";
import { assertSettings, changedSecrets, settingTrace } from "./settings";
import { ThrowAway } from "./throw-away";

/** What is checked, and against what. */
export interface GateOptions {
  /** The folder of fleet.yaml. */
  folder: string;
  /** The revision whose branch the change is compared with; undefined to check every stack. */
  changedSince?: string;
  /** Stacks to check, whether they are touched or not; none for those that are touched. */
  stacks: string[];
  /** A folder of exported states, `STACK.json` each. */
  baseCheckpoint?: string;
  /** Whether the base is applied to embedded clusters where there is no exported state. */
  baseOnClusters: boolean;
  /** Whether the clusters themselves are asked. */
  withClusters: boolean;
  /** How many previews run at a time. */
  concurrency: number;
}

/** What a check goes by. */
interface Gate extends GateOptions {
  files: FleetFiles;
  base: BaseRevision | undefined;
  throwAway: ThrowAway;
  packs: PackServers;
  log: (line: string) => void;
  signal: AbortSignal;
}

/** Checks the stacks that a change touches. Whatever it needs is made for it, and gone when it ends. */
export async function runGate(options: GateOptions, log: (line: string) => void, signal: AbortSignal): Promise<Report> {
  const files = new FleetFiles(options.folder);
  const { changedSince } = options;
  const base = changedSince === undefined ? undefined : await BaseRevision.checkOut(changedSince, files.folder, signal);
  const packs = new PackServers();
  let throwAway: ThrowAway | undefined;
  try {
    const touched = await base?.touched(files);
    const selected = selectStacks(files, options.stacks, touched?.stacks);
    assertSettings(files, selected.keys());
    const report: Report = {
      ...(base && changedSince && { base: `${changedSince} (${base.commit.slice(0, 12)})` }),
      inventory: base?.pathOf(join(files.folder, INVENTORY_FILE)) ?? INVENTORY_FILE,
      clusters: options.withClusters,
      stacks: [],
      removed: touched?.removed ?? [],
    };
    if (selected.size === 0) return report;
    throwAway = await ThrowAway.open(signal);
    const gate: Gate = { ...options, files, base, throwAway, packs, log, signal };
    report.stacks = await checkStacks(gate, selected, touched?.code ?? false);
    return report;
  } finally {
    packs.stop();
    if (throwAway !== undefined && options.baseOnClusters) await stopClusters(throwAway.folder);
    throwAway?.close();
    await base?.remove();
  }
}

/** The stacks to check, with what touches each. */
function selectStacks(
  files: FleetFiles,
  named: readonly string[],
  touched: Map<string, string[]> | undefined,
): Map<string, string[]> {
  for (const stack of named) if (!files.stacks.has(stack)) throw unknown("stack", stack, [...files.stacks.keys()]);
  if (named.length > 0) return new Map(named.map((stack) => [stack, touched?.get(stack) ?? []]));
  return touched ?? new Map([...files.stacks.keys()].map((stack) => [stack, []]));
}

/** What a stack is compared with. */
interface Base {
  kind: BaseKind;
  checkpoint?: BareCheckpoint;
  notes: string[];
}

async function checkStacks(gate: Gate, selected: Map<string, string[]>, code: boolean): Promise<StackReport[]> {
  const { files, base, throwAway, packs, log, signal, concurrency } = gate;
  const names = [...selected.keys()];
  const bases = new Map(await eachOf(names, concurrency, async (stack) => [stack, await baseOf(gate, stack)] as const));
  const fleetFolder = gate.withClusters
    ? files.folder
    : throwAway.copyFleet(files.folder, files.fleet, files.files.keys(), "head");
  const configFile = (stack: string) =>
    throwAway.writeConfig(stack, join(files.folder, `Pulumi.${stack}.yaml`), fleetFolder);
  throwAway.listUnreachable(files.fleet);
  for (const stack of names) throwAway.createStack(stack, bases.get(stack)?.checkpoint?.deployment);

  const ofKind = (kind: BaseKind) => names.filter((stack) => bases.get(stack)?.kind === kind);
  const onClusters = ofKind("cluster");
  if (onClusters.length > 0 && base?.files !== undefined) await applyBases(gate, base, base.files, onClusters, code);
  const rendered = ofKind("rendered");
  // Beside the previews, since one process renders all of them.
  const renderings = renderBoth(gate, rendered, configFile, code);
  // Awaited below, when the previews are done: a failure of theirs must not leave this one unheard.
  renderings.catch(() => undefined);

  const trace = settingTrace(files, (file) => base?.pathOf(join(files.folder, file)) ?? file);
  let done = 0;
  const reports = await eachOf(names, concurrency, async (stack) => {
    const cells = files.stacks.get(stack) ?? [];
    const environment = environmentOf(cells);
    const stackBase = bases.get(stack) ?? { kind: "none" as const, notes: [] };
    const report: StackReport = {
      stack,
      cells: cells.map(({ id }) => id),
      environment,
      reasons: selected.get(stack) ?? [],
      base: stackBase.kind,
      changes: [],
      findings: [],
      notes: [...stackBase.notes, ...(base === undefined ? [] : changedSecrets(stack, base.folder, files.folder))],
    };
    try {
      if (gate.withClusters) await reachClusters(stack, files.folder);
      const located =
        stackBase.kind === "cluster"
          ? {}
          : gate.withClusters
            ? { CLAWFLEET_STATE: stateLayout().folder }
            : { CLAWFLEET_STATE: throwAway.offlineState, CLAWFLEET_OFFLINE_PREVIEW: "1" };
      const env = { ...located, ...(await packs.env(environment)) };
      const run = await previewStack(throwAway, stack, { configFile: configFile(stack), environment, env, signal });
      if (run.failure !== undefined) throw new ValidationFailed({ what: run.failure });
      report.findings = findingsOf(run, trace, cells);
      if (stackBase.kind === "checkpoint" || stackBase.kind === "cluster") {
        const secrets = stackBase.checkpoint?.secrets;
        report.changes = changesOf(run.steps, (urn) => secrets?.get(urn) ?? []).filter(({ op }) => op !== "same");
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FleetError)) throw error;
      report.failure = failureOf(error);
    }
    log(`${String((done += 1))} of ${String(names.length)}: ${stack}`);
    return report;
    // However the previews end: a build of the base must not go on in a folder that is being removed.
  }).finally(() => renderings.catch(() => undefined));
  // Not before the last preview: a stack that waited for what all of them render would keep the next one from starting.
  const all = await renderings.catch((error: unknown) => {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    return error;
  });
  for (const report of reports.filter(({ base: kind, failure }) => kind === "rendered" && failure === undefined)) {
    if (all instanceof FleetError) report.failure = failureOf(all);
    // A stack that the base does not have renders nothing.
    else
      Object.assign(
        report,
        compared(report, all[keyOf("base", report.stack)] ?? { objects: [] }, all[keyOf("head", report.stack)]),
      );
  }
  return reports;
}

/** What a stack is compared with: its state where that can be had, else the base revision. */
async function baseOf(gate: Gate, stack: string): Promise<Base> {
  const exported = gate.baseCheckpoint === undefined ? undefined : exportedCheckpoint(gate.baseCheckpoint, stack);
  if (exported !== undefined) return { kind: "checkpoint", checkpoint: exported, notes: [] };
  const own = hasBackend() ? await backendCheckpoint(gate.throwAway, stack, gate.signal) : undefined;
  if (own !== undefined) return { kind: "checkpoint", checkpoint: own, notes: [] };
  if (gate.base === undefined)
    return { kind: "none", notes: ["no base: give --changed-since, or exported states with --base-checkpoint"] };
  if (gate.base.files === undefined)
    return { kind: "none", notes: ["the base revision has no fleet that could be compared with"] };
  return { kind: gate.baseOnClusters ? "cluster" : "rendered", notes: [] };
}

async function applyBases(gate: Gate, base: BaseRevision, files: FleetFiles, stacks: string[], code: boolean) {
  const { throwAway, log, signal } = gate;
  const known = stacks.filter((stack) => files.stacks.has(stack));
  const clusters = stacks.flatMap((stack) => [
    ...(files.stacks.get(stack) ?? []),
    ...(gate.files.stacks.get(stack) ?? []),
  ]);
  await startStandIns(throwAway, [...new Set(clusters.map(({ cluster }) => cluster.id))], log, signal);
  const root = await base.projectRoot(code, signal);
  const folder = throwAway.copyFleet(base.folder, files.fleet, files.files.keys(), "base");
  await eachOf(known, gate.concurrency, async (stack) => {
    const configFile = throwAway.writeConfig(stack, join(base.folder, `Pulumi.${stack}.yaml`), folder, "base");
    await applyBase(throwAway, stack, { root, configFile, signal });
    log(`base of ${stack} applied`);
  });
}

function failureOf({ message, name }: FleetError): StackReport["failure"] {
  return { message, class: name };
}

/** The name of what a side of the change renders of a stack. */
function keyOf(side: "base" | "head", stack: string): string {
  return `${side} ${stack}`;
}

/** What both sides of the change render: in one process, unless each has code of its own. */
async function renderBoth(
  gate: Gate,
  stacks: string[],
  configFile: (stack: string) => string,
  code: boolean,
): Promise<Record<string, Rendering>> {
  const { throwAway, signal } = gate;
  const base = baseTasks(gate, stacks);
  const head = stacks.map((stack) => ({ key: keyOf("head", stack), stack, configFile: configFile(stack) }));
  if (!code) return renderStacks(throwAway, { root: projectRoot, stacks: [...base, ...head] }, "stacks", signal);
  const sides = [
    renderBase(gate, base),
    renderStacks(throwAway, { root: projectRoot, stacks: head }, "head", signal),
  ] as const;
  // Both to their end, also when one fails: the base is removed next.
  await Promise.allSettled(sides);
  const [before, after] = await Promise.all(sides);
  return { ...before, ...after };
}

function baseTasks({ base, throwAway }: Gate, stacks: string[]): RenderTasks["stacks"] {
  const files = base?.files;
  if (base === undefined || files === undefined || stacks.length === 0) return [];
  const folder = throwAway.copyFleet(base.folder, files.fleet, files.files.keys(), "base");
  return stacks
    .filter((stack) => files.stacks.has(stack))
    .map((stack) => ({
      key: keyOf("base", stack),
      stack,
      configFile: throwAway.writeConfig(stack, join(base.folder, `Pulumi.${stack}.yaml`), folder, "base"),
    }));
}

/** What the base's own code renders; why not, where it does not even compile. */
async function renderBase(
  { base, throwAway, signal }: Gate,
  stacks: RenderTasks["stacks"],
): Promise<Record<string, Rendering>> {
  if (base === undefined || stacks.length === 0) return {};
  try {
    const root = await base.projectRoot(true, signal);
    return await renderStacks(throwAway, { root, stacks }, "base", signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError)) throw error;
    return Object.fromEntries(stacks.map(({ key }) => [key, { error: error.message }]));
  }
}

function compared(
  { notes }: StackReport,
  before: Rendering,
  after: Rendering | undefined,
): { changes: Change[] } | { base: BaseKind; notes: string[] } {
  const failed = [before, after].find((rendering) => rendering === undefined || "error" in rendering);
  if (after === undefined || "error" in before || "error" in after) {
    const why = failed !== undefined && "error" in failed ? `: ${failed.error}` : "";
    return { base: "none", notes: [...notes, `the base does not render${why}`] };
  }
  return { changes: compareObjects(before.objects, after.objects) };
}
