import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DriftCheck } from "../stacks/fleet/status";
import type { StateLayout } from "./workspace";
import { writeWhole } from "../stacks/fleet/rollout/whole-file";

/** The last drift check of each cell, by its id: what `drift` found and `status` shows. */
export function readDriftChecks(layout: StateLayout): Record<string, DriftCheck> {
  try {
    return JSON.parse(readFileSync(file(layout), "utf8")) as Record<string, DriftCheck>;
  } catch {
    return {}; // nobody has checked yet
  }
}

/** Adds checks to those that there are. */
export function saveDriftChecks(layout: StateLayout, checks: Record<string, DriftCheck>): void {
  writeWhole(file(layout), JSON.stringify({ ...readDriftChecks(layout), ...checks }));
}

function file({ folder }: StateLayout): string {
  return join(folder, "drift.json");
}
