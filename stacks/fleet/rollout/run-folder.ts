import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import * as z from "../../zod";
import { NotFound } from "../../../components/errors";
import { startTimeOf } from "../../../engine/process-start";
import { nearest } from "../../../components/openclaw/nearest";
import { readJournal } from "./journal";
import { readRecord } from "./record-file";
import { runState, type RunState } from "./run-state";
import { writeWhole } from "./whole-file";

/** A process, told apart from a later one of the same id by when it started. */
const holderSchema = z.object({ pid: z.int(), started: z.string(), host: z.string() });
export type Holder = z.infer<typeof holderSchema>;

/** The folder of a run, below the state folder: journal, frozen inputs, requests to whoever runs it, Pulumi's output. */
export class RunFolder {
  readonly path: string;

  constructor(
    stateFolder: string,
    readonly run: string,
  ) {
    this.path = join(runsFolder(stateFolder), run);
  }

  get journal(): string {
    return join(this.path, "journal.jsonl");
  }

  /** The frozen inputs of a cell. */
  inputs(cell: string): string {
    return join(this.path, "inputs", cell);
  }

  /** What Pulumi prints for a cell, and its PULUMI_HOME. */
  work(cell: string): string {
    return join(this.path, "work", cell);
  }

  /** Requests of other commands: files that appear and are taken away. */
  get control(): string {
    return join(this.path, "control");
  }

  /** The process that executes the run; undefined when none does, or when it has died. */
  runningHolder(): Holder | undefined {
    const holder = readHolder(join(this.path, "holder.json"));
    return holder !== undefined && isAlive(holder) ? holder : undefined;
  }

  /** Makes this process the one that executes the run. */
  hold(): void {
    writeWhole(join(this.path, "holder.json"), JSON.stringify(thisProcess()));
  }

  release(): void {
    rmSync(join(this.path, "holder.json"), { force: true });
  }

  /** What the journal says; undefined when the run was killed before it began. */
  state(): RunState | undefined {
    return runState(readJournal(this.journal).events);
  }
}

function runsFolder(stateFolder: string): string {
  return join(stateFolder, "rollouts");
}

/** Where a lock is held while a run is made, so that two cannot start on the same cell at once. */
export function startLock(stateFolder: string): string {
  return join(runsFolder(stateFolder), "start.lock");
}

/** The ids of all runs, from the oldest to the newest; also of those that were killed before their journal began. */
export function runIds(stateFolder: string): string[] {
  const folder = runsFolder(stateFolder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^r\d{5,}$/.test(name))
    .sort();
}

/**
 * The folder of an existing run.
 * @throws NotFound
 */
export function existingRun(stateFolder: string, run: string): RunFolder {
  const ids = runIds(stateFolder);
  if (ids.includes(run)) return new RunFolder(stateFolder, run);
  const similar = nearest(run, ids) ?? ids.at(-1);
  throw new NotFound({
    what: `there is no run ${run}`,
    where: runsFolder(stateFolder),
    fix: similar === undefined ? "start one with `clawfleet up`" : `did you mean ${similar}?`,
  });
}

/** A new run's id: they are numbered, since clocks jump and what is later has to be certain. */
export function newRunId(taken: readonly string[]): string {
  const last = Math.max(0, ...taken.map((id) => Number(id.slice(1))));
  return `r${String(last + 1).padStart(5, "0")}`;
}

/** This process as a holder. */
export function thisProcess(): Holder {
  return { pid: process.pid, started: startTimeOf(process.pid) ?? "", host: hostname() };
}

/** Whether a holder still runs; one on another host counts as running, since nobody here can tell. */
export function isAlive({ pid, started, host }: Holder): boolean {
  return host !== hostname() || startTimeOf(pid) === started;
}

/** A holder's file; undefined when there is none, or half of one. */
export function readHolder(file: string): Holder | undefined {
  return readRecord(file, holderSchema);
}

/** Makes a folder that only this user can read. */
export function privateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** Who asks for something: `user@host`. */
export function whoAmI(): string {
  return `${userInfo().username}@${hostname()}`;
}
