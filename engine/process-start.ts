import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readStat } from "./proc";

/**
 * The start time of a live process, opaque: with the pid, which the kernel hands out again, it tells one process from all
 * others. Undefined when there is none of that pid (a zombie is none).
 */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform !== "linux") return lstartOf(pid);
  const stat = readStat(pid);
  // A killed process is a zombie as soon as its first thread is; the others still hold its ports and file locks.
  if (stat === undefined || stat.state === "X" || (stat.state === "Z" && stat.threads <= 1)) return undefined;
  // Ticks count from boot, so they mean nothing after the next one.
  return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${stat.startTicks}`;
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
