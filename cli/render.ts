import "./load-when-used";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { stringify } from "../components/yaml";
import { NotFound } from "../components/errors";
import { rangesOf } from "../engine/clusters/network";
import { cellById, type Fleet } from "../stacks/fleet/inventory";
import { objectPath, render } from "../stacks/render";
import { FleetFiles } from "./fleet-files";
import { stateLayout } from "./workspace";

/** What is rendered, and where to. */
export interface RenderArgs {
  /** The cell; undefined for all of the stack's. */
  cell: string | undefined;
  /** The stack; a cell's own is known. */
  stack: string;
  out: string;
  folder?: string;
  json: boolean;
}

/** A file that was written. */
interface RenderedFile {
  cell: string;
  kind: string;
  name: string;
  namespace: string | undefined;
  /** Its path from the folder that was named. */
  file: string;
}

/**
 * Writes the objects of a cell, or of every cell of a stack, one file each. It needs no cluster.
 * @throws NotFound for a cell or a stack that there is not.
 */
export async function renderObjects({ cell, stack, out, folder, json }: RenderArgs): Promise<void> {
  const files = new FleetFiles(folder);
  const home = cell === undefined ? stack : files.stackOf(cellById(files.fleet, cell));
  if (home === undefined)
    throw new NotFound({ what: `the cell ${String(cell)} is in no stack`, fix: "see `clawfleet config check`" });
  const file = join(files.folder, `Pulumi.${home}.yaml`);
  process.env.CLAWFLEET_STATE = stateLayout().folder;
  const objects = await render(home, existsSync(file) ? file : undefined, {
    cell,
    folder: resolve(files.folder),
    podCidrs: plannedPodCidrs(files.fleet),
  });
  const written = objects.map((object): RenderedFile => {
    const path = objectPath(object);
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), stringify(object.manifest));
    const { kind, metadata } = object.manifest;
    return { cell: object.cell, kind, name: metadata.name, namespace: metadata.namespace, file: path };
  });
  if (json) process.stdout.write(`${JSON.stringify(written, null, 2)}\n`);
  process.stderr.write(`${String(written.length)} objects in ${resolve(out)}\n`);
}

/** The Pod CIDRs that the embedded clusters get when they are started, in the inventory's order and without any other. */
function plannedPodCidrs({ clusters }: Fleet): Map<string, string> {
  const embedded = clusters.filter((cluster) => cluster.embedded === true);
  return new Map(embedded.map(({ id }, index) => [id, rangesOf(index).podCidr]));
}
