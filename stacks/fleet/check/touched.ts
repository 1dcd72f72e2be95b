import { posix } from "node:path";
import { INVENTORY_FILE, type FleetCell } from "../inventory";
import { OVERLAYS_FOLDER } from "../overlays";

/** Which cells each stack of a fleet has. */
export type StackCells = ReadonlyMap<string, readonly FleetCell[]>;

/** What a change consists of, and where in the repository the fleet and its code are. */
export interface ChangedFiles {
  /** Paths from the repository's root, with `/`. */
  files: readonly string[];
  /** The folder of fleet.yaml, from the root; empty for the root itself. */
  folder: string;
  /** The folder of Pulumi.yaml with the code, from the root; undefined where the code is a package of its own. */
  project: string | undefined;
  /** The names of a cell's overlays, as `environment/prod`. */
  layersOf: (cell: FleetCell) => readonly string[];
  /** The stacks before the change; undefined when its inventory could not be read. */
  base: StackCells | undefined;
  head: StackCells;
}

/** The stacks that a change touches. */
export interface Touched {
  /** Each with the files that touch it, sorted; the code's are told as one. */
  stacks: Map<string, string[]>;
  /** The stacks that are in the inventory no more: their resources stay until they are destroyed. */
  removed: string[];
  /** Whether the code of the stacks is another one. */
  code: boolean;
}

/** What the stacks' program is not made of. */
const OTHER_FOLDERS = ["test", "bench", "docs", "examples", "engine", "cli", ".github", ".ci", ".vscode"];
/** What a program, its settings' schema, its policies and its dependencies are in. */
const CODE =
  /\.(ts|mts|cts|js|mjs|cjs|json)$|(^|\/)(Pulumi|PulumiPolicy|PulumiPlugin)\.ya?ml$|(^|\/)(yarn\.lock|pnpm-lock\.yaml)$/;

/**
 * Which stacks a change touches: those with a cell that has one of the changed overlays or that the inventory has otherwise
 * than before, those whose own file changed, and all of them when the code, a schema or a lock file did.
 */
export function touchedStacks(change: ChangedFiles): Touched {
  const { head, base, folder } = change;
  const reasons = new Map<string, Set<string>>();
  const touch = (stack: string, reason: string) => {
    if (head.has(stack)) reasons.set(stack, (reasons.get(stack) ?? new Set()).add(reason));
  };
  let code = false;
  let cellsMoved = false;
  for (const file of change.files) {
    const name = within(file, folder);
    const stack = /^Pulumi\.(?<stack>[\w.-]+)\.yaml$/.exec(name ?? "")?.groups?.stack;
    const overlay = new RegExp(`^${OVERLAYS_FOLDER}/(?<layer>.+)\\.yaml$`).exec(name ?? "")?.groups?.layer;
    if (name === INVENTORY_FILE) cellsMoved = true;
    else if (stack !== undefined) {
      cellsMoved = true;
      touch(stack, file);
    } else if (overlay !== undefined) {
      for (const [member, cells] of head)
        if (cells.some((cell) => change.layersOf(cell).includes(overlay))) touch(member, file);
    } else if (isCode(file, change.project)) code = true;
  }
  // Comments and the order of the inventory's entries mean nothing.
  if (cellsMoved)
    for (const [stack, cells] of head)
      if (JSON.stringify(cells) !== JSON.stringify(base?.get(stack))) touch(stack, posix.join(folder, INVENTORY_FILE));
  if (code) for (const stack of head.keys()) touch(stack, "the code");
  return {
    stacks: new Map(
      [...head.keys()].flatMap((stack) => {
        const files = reasons.get(stack);
        return files === undefined ? [] : [[stack, [...files].sort()] as const];
      }),
    ),
    removed: [...(base?.keys() ?? [])].filter((stack) => !head.has(stack)),
    code,
  };
}

/** The path from a folder; undefined for a file that is not in it. */
function within(file: string, folder: string): string | undefined {
  if (folder === "") return file;
  return file.startsWith(`${folder}/`) ? file.slice(folder.length + 1) : undefined;
}

function isCode(file: string, project: string | undefined): boolean {
  const name = within(file, project ?? "");
  return name !== undefined && CODE.test(name) && !OTHER_FOLDERS.some((folder) => within(name, folder) !== undefined);
}
