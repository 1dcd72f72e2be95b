import type { CellConfig } from "../schema";
import type { FleetCell } from "./inventory";

/** A cell with its settings. */
export interface ConfiguredCell extends FleetCell {
  config: CellConfig;
}

/** Two cells of one cluster that want the same of something that it has once. */
export interface Collision {
  /** Of the two, the later one, which the message is about. */
  cell: ConfiguredCell;
  /** The setting. */
  path: string[];
  what: string;
}

/** What a cluster has once: a namespace by its name, and a host name in its proxy. */
const ONCE: { path: string[]; valueOf: (cell: ConfiguredCell) => string | undefined }[] = [
  { path: ["namespace"], valueOf: ({ id, config }) => config.namespace ?? id },
  { path: ["entry", "host"], valueOf: ({ config }) => config.entry?.host },
];

/** The cells that share a cluster and would take a namespace or a host name from each other. */
export function collisions(cells: readonly ConfiguredCell[]): Collision[] {
  return ONCE.flatMap(({ path, valueOf }) => {
    const owners = new Map<string, string>();
    return cells.flatMap((cell) => {
      const value = valueOf(cell);
      if (value === undefined) return [];
      const key = `${cell.cluster.id} ${value}`;
      const owner = owners.get(key);
      owners.set(key, owner ?? cell.id);
      if (owner === undefined) return [];
      return [{ cell, path, what: `${value} is ${owner}'s on the cluster ${cell.cluster.id}; give each its own` }];
    });
  });
}
