import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { pids, readProc } from "../../engine/proc";
import type { RolloutEvent } from "../../stacks/fleet/rollout/events";
import { readJournal } from "../../stacks/fleet/rollout/journal";
import { runIds } from "../../stacks/fleet/rollout/run-folder";
import { commandLine } from "./processes";

const CLI = join(projectRoot, "dist", "cli", "main.js");
const POLL_MS = 50;

/** How a command ended, with everything that it printed. */
export interface Ended {
  code: number | null;
  output: string;
}

/** The rollout's commands in processes of their own, on a state folder of the test's. */
export class RolloutCli {
  private readonly running = new Set<ChildProcess>();

  constructor(private readonly stateFolder: string) {}

  /** Writes a fleet's files below the state folder, and returns their folder. */
  writeFleet(name: string, files: Record<string, object>): string {
    const folder = join(this.stateFolder, name);
    for (const [file, value] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), stringify(value));
    }
    return folder;
  }

  /** Starts a command. */
  start(...args: string[]): RunningCommand {
    const before = runIds(this.stateFolder).length;
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: projectRoot,
      env: { ...process.env, CLAWFLEET_STATE: this.stateFolder, PULUMI_BACKEND_URL: "" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.running.add(child);
    return new RunningCommand(child, this, before);
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended> {
    return this.start(...args).end();
  }

  /** What a run's journal says. */
  events(run: string): RolloutEvent[] {
    const file = join(this.stateFolder, "rollouts", run, "journal.jsonl");
    return existsSync(file) ? readJournal(file).events : [];
  }

  /** How the cells of a run ended. */
  ends(run: string): Record<string, RolloutEvent & { type: "cellFinished" }> {
    return Object.fromEntries(
      this.events(run).flatMap((event) => (event.type === "cellFinished" ? [[event.cell, event]] : [])),
    );
  }

  runs(): string[] {
    return runIds(this.stateFolder);
  }

  /** The newest run. */
  lastRun(): string {
    return this.runs().at(-1) ?? "";
  }

  /** What a rollout should not leave: processes of its cells, and locks of their stacks. */
  leftovers(): string[] {
    const locks = join(this.stateFolder, "backend", ".pulumi", "locks");
    const files = existsSync(locks) ? readdirSync(locks, { recursive: true }).map(String) : [];
    return [...files.filter((file) => file.endsWith(".json")), ...this.processes()];
  }

  /** The processes of cells, by the mark in their environment. */
  private processes(): string[] {
    const mark = `CLAWFLEET_CELL_PROCESS=${join(this.stateFolder, "rollouts")}`;
    return pids()
      .filter((pid) => readProc(pid, "environ")?.includes(mark) === true)
      .flatMap((pid) => commandLine(pid) ?? []);
  }

  /** Ends what a failed test left. */
  dispose(): void {
    for (const child of this.running) if (child.exitCode === null) child.kill("SIGKILL");
  }
}

/** A command that runs. */
export class RunningCommand {
  readonly pid: number;
  private output = "";
  private readonly ended: Promise<number | null>;

  constructor(
    private readonly child: ChildProcess,
    private readonly cli: RolloutCli,
    private readonly runsBefore: number,
  ) {
    this.pid = child.pid ?? 0;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.ended = new Promise((exited) => {
      child.once("close", (code) => {
        exited(code);
      });
    });
  }

  /** The id of the run that the command starts, once it has begun. */
  async id(): Promise<string> {
    for (;;) {
      const run = this.cli.runs()[this.runsBefore];
      if (run !== undefined && this.cli.events(run).length > 0) return run;
      if (this.child.exitCode !== null) throw new Error(`it ended without a run:\n${this.output}`);
      await wait(POLL_MS);
    }
  }

  /** Waits for an event of the run. */
  async until(condition: (event: RolloutEvent) => boolean): Promise<void> {
    const run = await this.id();
    while (!this.cli.events(run).some(condition)) {
      if (this.child.exitCode !== null) throw new Error(`it ended before:\n${this.output}`);
      await wait(POLL_MS);
    }
  }

  /**
   * Kills the command at a random moment: up to `seconds` after it began a phase, chosen at random too, of any cell.
   * @returns the last event before; undefined when the run had ended by itself.
   */
  async killAtRandom(run: string, seconds: number): Promise<string | undefined> {
    const before = this.cli.events(run).length;
    const phase = ["identity", "preview", "up", "up", "health"][Math.floor(Math.random() * 5)];
    const began = () =>
      this.cli
        .events(run)
        .slice(before)
        .some((event) => event.type === "cellPhase" && event.phase === phase);
    while (!began() && this.child.exitCode === null) await wait(POLL_MS);
    await wait(Math.random() * seconds * 1000);
    await this.kill("SIGKILL");
    const last = this.cli.events(run).at(-1);
    if (last?.type === "runFinished") return undefined;
    return last?.type === "cellPhase" ? last.phase : last?.type;
  }

  /** Sends a signal, and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.end();
  }

  async end(): Promise<Ended> {
    const code = await this.ended;
    return { code, output: this.output };
  }
}
