import { existsSync } from "node:fs";
import { join } from "node:path";
import { Conflict, NotFound } from "../components/errors";
import { collisions, type ConfiguredCell } from "./fleet/collisions";
import { INVENTORY_FILE, readFleet } from "./fleet/inventory";
import { formatPath } from "./fleet/merge";
import { Overlays } from "./fleet/overlays";
import { cellsOfStack, readStackFiles, stackSettings } from "./fleet/stacks";

/** A cell of a stack, with its settings. */
export type Cell = ConfiguredCell;

/**
 * The cells of a stack, from the inventory, the overlays and the stack's own settings.
 * @param values what stands below `clawfleet:` in the stack's config, by key.
 * @param folder where fleet.yaml is, unless the stack's config says otherwise.
 * @throws NotFound without an inventory, and for a stack that is not in it; ValidationFailed for whatever is wrong in a
 * file, with its line; Conflict for two cells that take the same namespace or host name of a cluster.
 */
export function cellsOf(stack: string, values: Record<string, unknown>, folder: string): Cell[] {
  const own = stackSettings(values, `Pulumi.${stack}.yaml`);
  const fleetFolder = own.folder ?? folder;
  const fleet = readFleet(fleetFolder);
  const overlays = new Overlays(fleetFolder);
  const cells = cellsOfStack(fleet, readStackFiles(fleetFolder), stack, own).map((cell) => ({
    ...cell,
    config: overlays.settings(cell, own.cell),
  }));
  const [collision] = collisions(cells);
  if (collision === undefined) return cells;
  throw new Conflict({
    what: `${formatPath(collision.path)}: ${collision.what}`,
    where: overlays.locate(collision.cell, own.cell)(collision.path),
    fix: "set it in the overlay of the tenant or the cluster, or in the cell's own stack",
  });
}

/**
 * The folder of the fleet's files when nothing names it: `stacks/` of the project, or the project's own.
 * @throws NotFound when neither has an inventory.
 */
export function defaultFolder(project: string): string {
  const folders = [join(project, "stacks"), project];
  const folder = folders.find((candidate) => existsSync(join(candidate, INVENTORY_FILE)));
  if (folder !== undefined) return folder;
  throw new NotFound({
    what: `there is no ${INVENTORY_FILE}`,
    where: folders.join(", "),
    fix: "write one with `clawfleet init`, or name its folder with `pulumi config set clawfleet:folder DIR`",
  });
}
