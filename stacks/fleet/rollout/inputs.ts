import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "../../../components/yaml";
import { ValidationFailed } from "../../../components/errors";
import { from } from "../../server-kubeconfig";
import { cellById, INVENTORY_FILE, type Cluster } from "../inventory";
import { isMap } from "../merge";
import { OVERLAYS_FOLDER } from "../overlays";
import { PROJECT } from "../../project";
import { readYaml } from "../yaml-file";
import { stackFile, type CellFiles } from "./fleet-plan";
import type { PlannedCell } from "./plan-schema";

/** The stack's config among a cell's frozen inputs. */
const FROZEN_STACK_FILE = "stack.yaml";

/**
 * Writes down everything that a cell's stack is made from: a fleet of this one cell, with its whole settings. The run, a
 * resume of it, and a later rollback to it use these, whatever becomes of the fleet's files.
 * @throws ValidationFailed with file, line and path of whatever is wrong in the cell's settings.
 */
export function freezeCell(files: CellFiles, { id, stack }: PlannedCell, target: string): void {
  const { folder, fleet, overlays } = files;
  const cell = cellById(fleet, id);
  const { settings } = overlays.merged(cell, files.files.get(stack)?.cell);
  const { cluster, tenant, environment } = cell;
  mkdirSync(join(target, OVERLAYS_FOLDER), { recursive: true, mode: 0o700 });
  const write = (name: string, value: unknown) => {
    writeFileSync(join(target, name), stringify(value, { lineWidth: 0 }), { mode: 0o600 });
  };
  write(INVENTORY_FILE, {
    clusters: [withAbsolutePaths(cluster, folder)],
    ...(tenant !== undefined && { tenants: [{ id: tenant }] }),
    environments: [{ id: environment, stacks: "cell" }],
    cells: [{ environment, clusters: [cluster.id], ...(tenant !== undefined && { tenants: [tenant] }) }],
  });
  write(join(OVERLAYS_FOLDER, "base.yaml"), settings);
  write(FROZEN_STACK_FILE, frozenStack(stackFile(folder, stack)));
}

/** Paths of the inventory count from its folder, and the frozen one is elsewhere. */
function withAbsolutePaths(cluster: Cluster, folder: string): Cluster {
  const absolute = (path: string | undefined) => (path === undefined ? undefined : from(folder, path));
  const { kubeconfig, certificateAuthority, exec } = cluster;
  const command = exec?.command.includes("/") === true ? absolute(exec.command) : exec?.command;
  const changed = {
    ...cluster,
    kubeconfig: absolute(kubeconfig),
    certificateAuthority: absolute(certificateAuthority),
    exec: exec && { ...exec, command },
  };
  return JSON.parse(JSON.stringify(changed)) as Cluster; // without what is undefined, which YAML cannot hold
}

/** The stack's own file, secrets encrypted as they are; its settings of the cell are in the overlay. */
function frozenStack(file: string): Record<string, unknown> {
  const value = existsSync(file) ? readYaml(file).value : {};
  const own = isMap(value) ? value : {};
  const config = isMap(own.config) ? own.config : {};
  const kept = Object.entries(config).filter(([key]) => !key.startsWith(`${PROJECT}:`));
  return { ...own, config: Object.fromEntries(kept) };
}

/**
 * The config file of a cell's stack, as it is to be used: with the frozen inputs in the place of the fleet's files.
 * @param inputs the folder of the cell's frozen inputs.
 * @throws ValidationFailed when they are gone.
 */
export function frozenStackText(inputs: string, cell: string): string {
  const file = join(inputs, FROZEN_STACK_FILE);
  if (!existsSync(file))
    throw new ValidationFailed({
      what: "the frozen inputs of the cell are gone",
      where: file,
      fix: "abort the run and start a new one",
    });
  const { config, ...own } = readYaml(file).value as { config: Record<string, unknown> };
  const values = { ...config, [`${PROJECT}:folder`]: inputs, [`${PROJECT}:cells`]: [cell] };
  return stringify({ ...own, config: values }, { lineWidth: 0 });
}
