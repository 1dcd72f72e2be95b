import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * The start time of a live process, opaque: with the pid, which the kernel hands out again, it tells one process from all
 * others. Undefined when there is none of that pid (a zombie is none).
 */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform !== "linux") return lstartOf(pid);
  try {
    const { state, threads, startTicks } = parseProcStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
    // A killed process is a zombie as soon as its first thread is; the others still hold its ports and file locks.
    if (state === "X" || (state === "Z" && threads <= 1)) return undefined;
    // Ticks count from boot, so they mean nothing after the next one.
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${startTicks}`;
  } catch {
    return undefined;
  }
}

/**
 * Fields 3 (state), 20 (number of threads) and 22 (start time in clock ticks since boot) of proc_pid_stat(5). The command
 * name in front of them may itself contain blanks and parentheses.
 */
export function parseProcStat(stat: string): { state: string; threads: number; startTicks: string } {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", threads: Number(fields[17]), startTicks: fields[19] ?? "" };
}

function lstartOf(pid: number): string | undefined {
  try {
    const line = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    const [stat, ...lstart] = line.split(/\s+/);
    return stat === undefined || stat === "" || stat.startsWith("Z") ? undefined : lstart.join(" ");
  } catch {
    return undefined;
  }
}
