import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "../zod";
import { Conflict, NotFound } from "../../components/errors";
import { PROJECT } from "../project";
import { cellById, unknown, type Fleet, type FleetCell } from "./inventory";
import { isMap, type Layer } from "./merge";
import { checkedLayer } from "./overlays";
import { checked, type Locate } from "./problems";
import { locateIn, readYaml, type YamlFile } from "./yaml-file";

/** What a stack's own file says, below `clawfleet:`. */
const stackSchema = z.strictObject({
  folder: z.string().optional().describe("The folder of fleet.yaml and overlays/. Default: stacks/ of the project."),
  cells: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "The cells of this stack. Default: those of the environment, or the one cell, that the stack is named after.",
    ),
  cell: z.unknown().optional().describe("Settings for all of its cells, which win over every overlay."),
});

/** A stack's own settings. */
export interface StackSettings {
  /** The file that they are from, for messages. */
  file: string;
  folder?: string;
  /** The ids of its cells; undefined when its name says which. */
  cells?: string[];
  /** The last layer of its cells' settings. */
  cell: Layer;
}

/**
 * Checks what a stack's own file says.
 * @param values what stands below `clawfleet:`, by key.
 * @param document the file itself, where it is at hand: messages then name its lines.
 * @throws ValidationFailed
 */
export function stackSettings(values: Record<string, unknown>, file: string, document?: YamlFile): StackSettings {
  const locate: Locate = document
    ? ([key, ...path]) => locateIn(document, ["config", `${PROJECT}:${String(key)}`])(path)
    : () => `${file}: ${PROJECT}`;
  const locateCell: Locate = document
    ? locateIn(document, ["config", `${PROJECT}:cell`])
    : () => `${file}: ${PROJECT}:cell`;
  const { cell, ...rest } = checked(stackSchema, values, locate);
  return { ...rest, file, cell: { name: file, settings: checkedLayer(cell, locateCell), locate: locateCell } };
}

/** What the files of stacks in a folder say, by the stack's name. */
export function readStackFiles(folder: string): Map<string, StackSettings> {
  const settings = new Map<string, StackSettings>();
  for (const name of readdirSync(folder).sort()) {
    const stack = /^Pulumi\.(?<stack>[\w.-]+)\.yaml$/.exec(name)?.groups?.stack;
    if (stack === undefined) continue;
    const document = readYaml(join(folder, name), name);
    settings.set(stack, stackSettings(projectConfig(document.value), name, document));
  }
  return settings;
}

/** The values below `clawfleet:` of a stack's file. */
export function projectConfig(file: unknown): Record<string, unknown> {
  const config = isMap(file) && isMap(file.config) ? file.config : {};
  const prefix = `${PROJECT}:`;
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

/**
 * Which cells are in which stack. A stack whose file lists cells has those; every other cell is in its environment's
 * stack, or in one of its own where the environment says so.
 * @throws NotFound for a cell that is listed and does not exist; Conflict for one that two stacks list: they would
 * undo each other's work.
 */
export function stacksOf(fleet: Fleet, files: Map<string, StackSettings>): Map<string, FleetCell[]> {
  const stacks = new Map<string, FleetCell[]>();
  const owners = new Map<string, string>();
  for (const [stack, { cells, file }] of files) {
    if (cells === undefined) continue;
    for (const id of cells) {
      const owner = owners.get(id);
      if (owner !== undefined) {
        throw new Conflict({
          what: `the cell ${id} is in the stacks ${owner} and ${stack}`,
          where: file,
          fix: "list it in one of them",
        });
      }
      owners.set(id, stack);
    }
    stacks.set(
      stack,
      cells.map((id) => listed(fleet, id, file)),
    );
  }
  for (const cell of fleet.cells) {
    if (owners.has(cell.id)) continue;
    const stack = fleet.perCell.has(cell.environment) ? cell.id : cell.environment;
    // A stack that lists its cells has no others; those that no stack has are `config check`'s business.
    if (files.get(stack)?.cells === undefined) stacks.set(stack, [...(stacks.get(stack) ?? []), cell]);
  }
  return stacks;
}

function listed(fleet: Fleet, id: string, file: string): FleetCell {
  try {
    return cellById(fleet, id);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    throw new NotFound({ what: error.what, where: `${file}: ${PROJECT}:cells`, fix: error.fix });
  }
}

/**
 * The cells of one stack.
 * @param own its own settings, which need not be in the fleet's folder.
 * @throws NotFound for a stack that has no cells, naming the stack that a cell of that name is in.
 */
export function cellsOfStack(
  fleet: Fleet,
  files: Map<string, StackSettings>,
  stack: string,
  own: StackSettings,
): FleetCell[] {
  const stacks = stacksOf(fleet, new Map([...files, [stack, own]]));
  const cells = stacks.get(stack);
  if (cells !== undefined) return cells;
  const home = [...stacks].find(([, members]) => members.some(({ id }) => id === stack))?.[0];
  if (home === undefined) throw unknown("stack", stack, [...stacks.keys()]);
  throw new NotFound({
    what: `the cell ${stack} is in the stack ${home}`,
    where: own.file,
    fix: `list it under ${PROJECT}:cells to give it a stack of its own, or use the stack ${home}`,
  });
}
