import { readdirSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import { cellsOf, type Cell } from "../../stacks/config";
import { readFleet } from "../../stacks/fleet/inventory";
import { projectConfig, readStackFiles, stacksOf } from "../../stacks/fleet/stacks";
import { readYaml } from "../../stacks/fleet/yaml-file";

/** The fleet of the project itself. */
export const SHIPPED = join(projectRoot, "stacks");
export const EXAMPLES = join(projectRoot, "examples");

/** The folders of the fleets that ship: the project's own, and the examples. */
export function shippedFleets(): string[] {
  const examples = readdirSync(EXAMPLES).map((name) => join(EXAMPLES, name));
  return [SHIPPED, ...examples.filter((folder) => readdirSync(folder).includes("fleet.yaml"))];
}

/** Every cell of a folder's fleet, as the program gets it. */
export function cellsIn(folder: string): Cell[] {
  const files = readStackFiles(folder);
  return [...stacksOf(readFleet(folder), files).keys()].flatMap((stack) => {
    const values = files.has(stack) ? projectConfig(readYaml(join(folder, `Pulumi.${stack}.yaml`)).value) : {};
    return cellsOf(stack, values, folder);
  });
}
