import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { startTimeOf } from "../../../engine/process-start";
import { writeWhole } from "./whole-file";

/*
 * The process of a cell: runs one command of Pulumi to its end, also when whoever started it has been killed, so that no
 * update is torn in the middle. It is given the file of a ChildSpec, and nothing secret. Each cell has two of them, one
 * after the other, so it loads next to nothing.
 */

export interface ChildSpec {
  cli: string;
  args: string[];
  cwd: string;
  /** Takes what the command prints, but for what would give secrets away. */
  output: string;
  /** Takes the identity of Pulumi's process while it runs. */
  processFile: string;
}

/** The exit code when what was to be written down was not. Pulumi has no such one. */
export const UNWRITABLE = 74;

/** A process, told apart from a later one of the same id. */
export interface ProcessIdentity {
  pid: number;
  started: string;
}

/** Pulumi's debug messages come with `--json` unasked for, and have inputs of resources in clear. */
export function isSafe(line: string): boolean {
  return !line.includes('"severity":"debug"');
}

function main(file: string): void {
  const spec = JSON.parse(readFileSync(file, "utf8")) as ChildSpec;
  const output = openSync(spec.output, "a", 0o600);
  // The first one asks Pulumi to finish what it is at; it takes a second one as an order to stop at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const child = spawn(spec.cli, spec.args, { cwd: spec.cwd, stdio: ["ignore", "pipe", "pipe"] });
  if (child.pid !== undefined) {
    const identity: ProcessIdentity = { pid: child.pid, started: startTimeOf(child.pid) ?? "" };
    try {
      writeWhole(spec.processFile, JSON.stringify(identity));
    } catch {
      // What a later run could not find must not go on.
      child.kill("SIGKILL");
      process.exit(UNWRITABLE);
    }
  }
  let lost = false;
  const write = (line: string) => {
    if (!isSafe(line)) return;
    try {
      writeSync(output, `${line}\n`);
    } catch {
      lost = true; // no reason to stop in the middle of an update
    }
  };
  createInterface({ input: child.stdout }).on("line", write);
  createInterface({ input: child.stderr }).on("line", write);
  child.on("error", (error) => {
    write(`pulumi cannot be started: ${error.message}`);
    process.exitCode = 127;
  });
  child.on("close", (code) => {
    closeSync(output);
    process.exit(lost ? UNWRITABLE : (code ?? 1));
  });
}

const [, script, file] = process.argv;
if (script === __filename && file !== undefined) main(file);
