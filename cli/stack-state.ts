import { nameOf } from "../stacks/fleet/engine-text";
import type { LocalPulumi } from "./pulumi";
import type { StackCell } from "./local";

/** What a stack's state tells of its cells. */
export interface StackState {
  /** Its output `cells`, as of its last update. */
  cells: Record<string, Partial<StackCell>>;
  /** What an update left undone, by cell. */
  unfinished: Map<string, string[]>;
  /** How its last update ended, for example `failed`. An interrupted one may leave no other trace in the state. */
  result: string;
}

/** A resource of an exported state, as far as it is looked at. */
interface StateResource {
  urn: string;
  type: string;
  parent?: string;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
}

/** A stack as Pulumi exports it. */
export interface ExportedStack {
  deployment?: {
    resources?: StateResource[] | null;
    pending_operations?: { resource: StateResource; type: string }[] | null;
  } | null;
}

/** An update as Pulumi's history has it. */
export interface PastUpdate {
  /** `succeeded`, `failed` or `in-progress`. */
  result: string;
}

/**
 * Reads the state of a stack through Pulumi, without a passphrase: secrets stay encrypted.
 * @returns undefined when that fails, as for a stack that there is not; Pulumi has said why.
 */
export async function readStackState(pulumi: LocalPulumi, stack: string): Promise<StackState | undefined> {
  const read = async <T>(...args: string[]): Promise<T | undefined> => {
    const command = ["stack", ...args, "--stack", stack, "--non-interactive"];
    const { code, stdout } = await pulumi.run(command, { capture: true });
    return code === 0 ? (JSON.parse(stdout) as T) : undefined;
  };
  const exported = await read<ExportedStack>("export");
  return exported && stackState(exported, (await read<PastUpdate[]>("history", "--json", "--page-size", "1")) ?? []);
}

/** What an exported state and the history, the last update first, tell of a stack's cells. */
export function stackState({ deployment }: ExportedStack, [last]: PastUpdate[]): StackState {
  const resources = deployment?.resources ?? [];
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const unfinished = new Map<string, string[]>();
  const add = (resource: StateResource, what: string) => {
    const cell = cellOf(resource, byUrn);
    if (cell === undefined) return;
    const name = `${resource.type.split(":").at(-1) ?? ""} ${nameOf(resource.urn)}`;
    unfinished.set(cell, [...(unfinished.get(cell) ?? []), `${name} ${what}`]);
  };
  for (const resource of resources) {
    const [error] = resource.initErrors ?? [];
    if (error !== undefined) add(resource, `did not become ready: ${error.split("\n")[0] ?? ""}`);
  }
  for (const { resource, type } of deployment?.pending_operations ?? [])
    add(resource, `was interrupted while ${type} it`);
  const root = resources.find(({ type }) => type === "pulumi:pulumi:Stack");
  const cells = (root?.outputs?.cells ?? {}) as StackState["cells"];
  return { cells, unfinished, result: last?.result ?? "succeeded" };
}

/** The cell that a resource is a part of: the name of the AgentStack above it. */
function cellOf(resource: StateResource, byUrn: Map<string, StateResource>): string | undefined {
  let at: StateResource | undefined = resource;
  while (at !== undefined && at.type !== "clawfleet:index:AgentStack")
    at = at.parent === undefined ? undefined : byUrn.get(at.parent);
  return at && nameOf(at.urn);
}

/**
 * Why a cell does not run healthy what its files say; nothing when it does.
 * @param state of its stack; undefined when it could not be read.
 * @param hashes what its files come to.
 */
export function cellProblems(
  id: string,
  state: StackState | undefined,
  hashes: { imagesHash: string; configHash: string },
): string[] {
  if (state === undefined) return ["the state of its stack cannot be read: see Pulumi's message above"];
  const cell = state.cells[id];
  const unfinished = [
    ...(state.result === "succeeded" ? [] : [`the last update of its stack ${state.result}`]),
    ...(state.unfinished.get(id) ?? []),
  ];
  if (cell === undefined) return ["it was never brought up", ...unfinished];
  const differs = (["imagesHash", "configHash"] as const).filter((name) => cell[name] !== hashes[name]);
  return [
    ...unfinished,
    ...(differs.length === 0 ? [] : [`its last update was of other files (${differs.join(", ")})`]),
    ...(cell.healthy === true ? [] : ["its last update did not find it healthy"]),
  ];
}
