import { readdirSync, readFileSync } from "node:fs";

/** What `/proc/PID/stat` says, as far as it matters here. */
export interface ProcessStat {
  state: string;
  parent: number;
  /** Ticks of processor time of the process's own. */
  ticks: number;
  /** Ticks of its children that were waited for. */
  waitedTicks: number;
  threads: number;
  /** When it started, in ticks since the machine did. */
  startTicks: string;
}

/** Reads a line of `/proc/PID/stat`; the name in parentheses may hold anything, spaces and parentheses included. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => fields[number - 3] ?? ""; // numbered as in proc_pid_stat(5)
  return {
    state: field(3),
    parent: Number(field(4)),
    ticks: Number(field(14)) + Number(field(15)),
    waitedTicks: Number(field(16)) + Number(field(17)),
    threads: Number(field(20)),
    startTicks: field(22),
  };
}

/** What `/proc/PID/stat` says; undefined when the process has ended, and but on Linux. */
export function readStat(pid: number): ProcessStat | undefined {
  const line = readProc(pid, "stat");
  return line === undefined ? undefined : parseStat(line);
}

/** A file of `/proc/PID`; undefined when the process has ended or is somebody else's, and but on Linux. */
export function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** The pids of all processes; none but on Linux. */
export function pids(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
