import type { RolloutEvent } from "./rollout/events";
import type { DriftedResource } from "./drift";

/** How a cell does: what its cluster says now, not what was so after the last update. */
export type Health = "healthy" | "unhealthy" | "unreachable" | "not rolled out";

/** The last drift check of a cell. */
export interface DriftCheck {
  /** ISO time. */
  at: string;
  /** How many resources had drifted. */
  resources: number;
}

/** The last rollout that a cell was in. */
export interface LastRollout {
  run: string;
  /** ISO time of the cell's last event in it. */
  at: string;
  /** Undefined while the cell has not finished in it. */
  outcome?: string;
}

/** A cell at a glance. */
export interface CellStatus {
  cell: string;
  environment: string;
  cluster: string;
  stack: string;
  health: Health;
  /** Why it is not healthy. */
  problems: string[];
  /** What the last update put there: hashes of its image set and of its settings. */
  imagesHash?: string;
  configHash?: string;
  /** Undefined when nobody has checked. */
  drift?: DriftCheck;
  lastRollout?: LastRollout;
}

/** The last rollout of each cell. @param runs the events of each run, from the oldest run to the newest. */
export function lastRollouts(runs: Iterable<readonly RolloutEvent[]>): Map<string, LastRollout> {
  const last = new Map<string, LastRollout>();
  for (const events of runs)
    for (const event of events) {
      if (event.type === "cellStarted") last.set(event.cell, { run: event.run, at: event.at });
      if (event.type === "cellFinished") last.set(event.cell, { run: event.run, at: event.at, outcome: event.outcome });
    }
  return last;
}

/** The number of cells of each health. */
export function healthCounts(cells: readonly CellStatus[]): Record<Health, number> {
  const counts: Record<Health, number> = { healthy: 0, unhealthy: 0, unreachable: 0, "not rolled out": 0 };
  for (const { health } of cells) counts[health] += 1;
  return counts;
}

/** The cells as rows of a table, below its header. @param now milliseconds since 1970. */
export function statusRows(cells: readonly CellStatus[], now: number): string[][] {
  const header = ["CELL", "ENVIRONMENT", "CLUSTER", "HEALTH", "IMAGES", "CONFIG", "DRIFT", "LAST ROLLOUT"];
  return [
    header,
    ...cells.map(({ cell, environment, cluster, health, imagesHash, configHash, drift, lastRollout }) => [
      cell,
      environment,
      cluster,
      health,
      imagesHash?.slice(0, 8) ?? "-",
      configHash?.slice(0, 8) ?? "-",
      drift === undefined
        ? "not checked"
        : `${drift.resources === 0 ? "none" : String(drift.resources)}, ${ago(drift.at, now)}`,
      lastRollout === undefined
        ? "-"
        : `${lastRollout.outcome ?? "not finished"}, ${ago(lastRollout.at, now)} (${lastRollout.run})`,
    ]),
  ];
}

/** How long ago something was: `45 s ago`, `12 min ago`, `5 h ago`, `3 d ago`. */
export function ago(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (seconds < 90) return `${String(seconds)} s ago`;
  if (seconds < 90 * 60) return `${String(Math.round(seconds / 60))} min ago`;
  if (seconds < 36 * 3600) return `${String(Math.round(seconds / 3600))} h ago`;
  return `${String(Math.round(seconds / 86_400))} d ago`;
}

/** What to record of a drift check. */
export function driftCheck(resources: readonly DriftedResource[], now: Date): DriftCheck {
  return { at: now.toISOString(), resources: resources.length };
}
