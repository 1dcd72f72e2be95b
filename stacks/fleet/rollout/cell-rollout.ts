import { existsSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../../../components/environment";
import { FleetError, Timeout } from "../../../components/errors";
import { locateCluster, openCluster, type ClusterConnection } from "../../cluster-connection";
import { cellsOf, type Cell } from "../../config";
import { localCluster } from "../../local-clusters";
import { preflight } from "../../preflight";
import { runCellProcess, stopCellProcesses } from "./cell-process";
import { failedCommand } from "./classify";
import type { Clock } from "./clock";
import type { EngineReport } from "./engine-events";
import type { Phase } from "./events";
import type { Attempt, RunCell } from "./executor";
import { look, soak, unhealthy, waitUntilHealthy, type CellLocation } from "./health";
import { frozenStackText } from "./inputs";
import type { PlannedCell } from "./plan-schema";
import { privateFolder, type RunFolder } from "./run-folder";
import type { SettledCells } from "./settled";
import { renewedConnection } from "./renewed-connection";
import { releaseLocks, type LockOptions } from "./stack-locks";
import { writeWhole } from "./whole-file";

/** Pulumi on this machine, as far as a rollout needs it. */
export interface RolloutPulumi {
  cli: string;
  /** The environment of every process of Pulumi. */
  env: NodeJS.ProcessEnv;
  /** The folder that commands are run in: the one of Pulumi.yaml. */
  root: string;
  /** The folder of the state, for embedded clusters. */
  stateFolder: string;
  /** PULUMI_HOME with the plugins, which all processes share. */
  home: string;
  /** Creates a stack unless it exists. */
  createStack: (stack: string) => Promise<void>;
  /** The config file's text with what this machine's backend needs. */
  stackText: (stack: string, text: string) => string;
  /** The arguments that apply the policy pack at an environment's level. */
  policyArgs: (environment: Environment) => string[];
  locks: Omit<LockOptions, "clear">;
}

export interface CellRolloutOptions {
  folder: RunFolder;
  pulumi: RolloutPulumi;
  clock: Clock;
  /** Whether to remove locks of stacks whose process has ended, also when it was none of ours. */
  clearLocks: boolean;
  /** What is known of the cells from earlier runs. */
  settled: SettledCells;
  /** Whether to preview every cell, also one that has not changed since it was healthy. */
  previewAll: boolean;
}

/** A cell's cluster, found to be the right one. */
interface Target {
  reader: ClusterConnection;
  /** Where the cell will be, as its settings say. */
  expected: CellLocation;
}

/** Rolls one cell out: identity, preview and policy, update, health, soak. */
export function cellRollout(options: CellRolloutOptions): RunCell {
  return async (cell, attempt) => {
    const work = privateFolder(options.folder.work(cell.id));
    const rollout = new CellRollout(cell, attempt, work, options);
    const outcome = await rollout.run();
    rmSync(work, { recursive: true, force: true });
    return outcome;
  };
}

class CellRollout {
  private readonly told = new Set<string>();

  constructor(
    private readonly cell: PlannedCell,
    private readonly attempt: Attempt,
    private readonly work: string,
    private readonly options: CellRolloutOptions,
  ) {}

  async run(): Promise<"done" | "unchanged"> {
    const { id, stack } = this.cell;
    const { pulumi, clock } = this.options;
    this.phase("identity");
    await this.takeOver();
    const target = await this.target();
    await pulumi.createStack(stack);
    const { reader } = target;
    const since = this.options.previewAll ? undefined : await this.options.settled.since(this.cell, reader);
    if (since !== undefined)
      this.notice(`inputs, state and objects are as ${since} left them: not previewed (--preview-all would)`);
    const location = since === undefined ? await this.update(target) : { at: target.expected, changed: false };

    this.phase("health");
    const gate = { clock, signal: this.attempt.signal, notice: (message: string) => this.notice(message) };
    const health = await waitUntilHealthy(reader, location.at, gate);
    this.attempt.healthy();
    const { minSuccessTime } = this.attempt.wave;
    if (minSuccessTime > 0) {
      this.phase("soak");
      await soak(reader, { ...location.at, cell: id }, health, minSuccessTime, gate);
    }
    // What has not changed is remembered already.
    if (since === undefined) await this.options.settled.remember(this.cell, reader);
    return location.changed ? "done" : "unchanged";
  }

  /** Previews, applies the policies, and updates when there is something to change. */
  private async update(target: Target): Promise<{ at: CellLocation; changed: boolean }> {
    const preview = await this.pulumi("preview", ["preview", "--json"], target);
    const changes = preview.changes ?? { adds: 0, updates: 0, replaces: 0, deletes: 0 };
    this.attempt.emit({ type: "cellChanges", cell: this.cell.id, ...changes });
    const total = changes.adds + changes.updates + changes.replaces + changes.deletes;
    if (total === 0) return { at: this.locate(preview), changed: false };
    let done = 0;
    const up = await this.pulumi("up", ["up", "--yes", "--skip-preview", "--json"], target, (report) => {
      if (report.done === done) return;
      done = report.done;
      this.attempt.emit({ type: "cellProgress", cell: this.cell.id, done, total: Math.max(done, total) });
    });
    return { at: this.locate(up), changed: true };
  }

  private locate(report: EngineReport): CellLocation {
    const output = report.cells[this.cell.id];
    if (output === undefined)
      throw new FleetError({
        what: "the stack's output does not tell where the cell is",
        where: `cell ${this.cell.id}`,
        fix: "this is a defect of clawfleet",
      });
    return { cell: this.cell.id, namespace: output.namespace, service: output.service };
  }

  /** Ends what a killed run left of this cell, and takes its lock away. */
  private async takeOver(): Promise<void> {
    const { pulumi, clearLocks } = this.options;
    await stopCellProcesses(this.work);
    for (const message of releaseLocks(this.cell, this.work, { ...pulumi.locks, clear: clearLocks }))
      this.notice(message);
  }

  private async target(): Promise<Target> {
    const { id, stack } = this.cell;
    const { stateFolder } = this.options.pulumi;
    const inputs = this.options.folder.inputs(id);
    const [cell] = cellsOf(stack, { folder: inputs, cells: [id] }, inputs) as [Cell];
    const { cluster } = cell;
    const local = cluster.embedded === true ? localCluster(cluster.id, stateFolder) : undefined;
    const address = local ?? locateCluster(cluster, inputs);
    const reader = await renewedConnection(() => openCluster(address, cluster.id));
    await preflight(cell, reader, local?.uid ?? cluster.uid);
    const namespace = cell.config.namespace ?? id;
    return { reader, expected: { cell: id, namespace, service: `${id}-gateway` } };
  }

  /** Runs a command of Pulumi on the cell's stack, under the policies of its environment. */
  private async pulumi(
    name: Phase & ("preview" | "up"),
    args: string[],
    target: Target,
    onReport: (report: EngineReport) => void = () => undefined,
  ): Promise<EngineReport> {
    const { pulumi, folder } = this.options;
    const { id, stack, environment } = this.cell;
    const { signal } = this.attempt;
    signal.throwIfAborted();
    this.phase(name);
    const configFile = join(this.work, `Pulumi.${stack}.yaml`);
    writeWhole(configFile, pulumi.stackText(stack, frozenStackText(folder.inputs(id), id)));
    const { code, report } = await runCellProcess({
      folder: this.work,
      name,
      cli: pulumi.cli,
      args: [
        ...args,
        ...["--stack", stack, "--config-file", configFile, "--non-interactive"],
        ...pulumi.policyArgs(environment),
      ],
      cwd: pulumi.root,
      env: { ...pulumi.env, PULUMI_HOME: this.home(), PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
      signal,
      onReport,
    });
    if (name === "preview") this.phase("policy");
    this.tell(report);
    if (code === 0) return report;
    if (signal.aborted) throw await this.reasonOf(target);
    throw failedCommand(name, id, code, report);
  }

  /** A PULUMI_HOME of the cell's own: selecting stacks is state, and processes would share it. */
  private home(): string {
    const { home } = this.options.pulumi;
    const own = privateFolder(join(this.work, "home"));
    for (const name of ["plugins", "credentials.json"]) {
      const link = join(own, name);
      if (existsSync(join(home, name)) && !existsSync(link)) symlinkSync(join(home, name), link);
    }
    return own;
  }

  private tell(report: EngineReport): void {
    const { id: cell } = this.cell;
    for (const finding of report.findings) {
      const key = JSON.stringify(finding);
      if (!this.told.has(key)) this.attempt.emit({ type: "policyFinding", cell, ...finding });
      this.told.add(key);
    }
    for (const warning of report.warnings) this.notice(warning);
  }

  private notice(message: string): void {
    if (!this.told.has(message)) this.attempt.emit({ type: "cellNotice", cell: this.cell.id, message });
    this.told.add(message);
  }

  private phase(phase: Phase): void {
    this.attempt.emit({ type: "cellPhase", cell: this.cell.id, phase });
  }

  /** Why a command was ended; for a cell that took too long, what it waited for. */
  private async reasonOf({ reader, expected }: Target): Promise<unknown> {
    const reason: unknown = this.attempt.signal.reason;
    if (!(reason instanceof Timeout)) return reason;
    try {
      const { problems } = await look(reader, expected);
      if (problems.length > 0)
        return unhealthy(this.cell.id, [`${reason.what.replace(/^.*: /, "")}: ${problems.join("; ")}`]);
    } catch {
      // What cannot be looked at is no answer; the deadline is.
    }
    return reason;
  }
}
