import { NotFound } from "../components/errors";
import { defaultFolder } from "../stacks/config";
import { readFleet, type Fleet, type FleetCell } from "../stacks/fleet/inventory";
import type { Layer, Merged } from "../stacks/fleet/merge";
import { Overlays } from "../stacks/fleet/overlays";
import { readStackFiles, stacksOf, type StackSettings } from "../stacks/fleet/stacks";
import { projectRoot } from "./workspace";

/** The files of a fleet: inventory, overlays and the stacks' own. */
export class FleetFiles {
  readonly fleet: Fleet;
  readonly overlays: Overlays;
  readonly files: Map<string, StackSettings>;
  /** The cells of each stack. */
  readonly stacks: Map<string, FleetCell[]>;

  /** @param folder the folder of fleet.yaml; by default the one of the project that we are in, or else of our own. */
  constructor(readonly folder: string = folderInUse()) {
    this.fleet = readFleet(folder);
    this.overlays = new Overlays(folder);
    this.files = readStackFiles(folder);
    this.stacks = stacksOf(this.fleet, this.files);
  }

  /** The stack that a cell is in; undefined when none has it. */
  stackOf(cell: FleetCell): string | undefined {
    return [...this.stacks].find(([, cells]) => cells.includes(cell))?.[0];
  }

  /** A cell's layers, from the first to the last. */
  layers(cell: FleetCell): Layer[] {
    return this.overlays.layers(cell, this.last(cell));
  }

  /** A cell's settings. */
  merged(cell: FleetCell): Merged {
    return this.overlays.merged(cell, this.last(cell));
  }

  /** The layer of its stack's own file. */
  last(cell: FleetCell): Layer | undefined {
    return this.files.get(this.stackOf(cell) ?? "")?.cell;
  }
}

/** The folder of fleet.yaml when none is named. */
export function folderInUse(): string {
  try {
    return defaultFolder(process.cwd());
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    return defaultFolder(projectRoot);
  }
}
