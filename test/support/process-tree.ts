import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { parseStat } from "../../bench/measure";

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

/** Every process of the machine, each with its parent's pid. */
function processes(): [pid: number, parent: number][] {
  if (process.platform === "linux") {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          return [[Number(name), parseStat(readFileSync(`/proc/${name}/stat`, "utf8")).parent]];
        } catch {
          return []; // it has ended
        }
      });
  }
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
