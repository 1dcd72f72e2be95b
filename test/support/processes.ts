import { execFileSync } from "node:child_process";
import { pids, readProc, readStat } from "../../engine/proc";

/** The pids of whatever a process started, and of what those started in turn, parents first. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const [child, parent] of processes()) children.set(parent, [...(children.get(parent) ?? []), child]);
  const found: number[] = [];
  for (let level = [pid]; level.length > 0; found.push(...level)) {
    level = level.flatMap((parent) => children.get(parent) ?? []);
  }
  return found;
}

/** The command lines of all processes that may be read, on Linux. */
export function commandLines(): string[] {
  return pids().flatMap((pid) => commandLine(pid) ?? []);
}

/** The command line of a process; undefined when it has ended. */
export function commandLine(pid: number): string | undefined {
  return readProc(pid, "cmdline")?.replaceAll("\0", " ");
}

/** Every process of the machine, each with its parent's pid. */
function processes(): [pid: number, parent: number][] {
  if (process.platform === "linux") {
    return pids().flatMap((pid) => {
      const stat = readStat(pid);
      return stat === undefined ? [] : [[pid, stat.parent]];
    });
  }
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
