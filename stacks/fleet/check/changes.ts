import { nameOf, typeOf } from "../engine-text";

/** The state of a resource before or after a step. */
export interface ResourceState {
  type: string;
  /** The URN of the component that it belongs to. */
  parent?: string;
  inputs?: Record<string, unknown>;
  protect?: boolean;
  retainOnDelete?: boolean;
}

/** A step of a preview, as `pulumi preview --json` lists them below `steps`. */
export interface Step {
  /** What happens: `create`, `update`, `replace`, `delete`, `same`, and the halves of a replacement. */
  op: string;
  urn: string;
  oldState?: ResourceState | null;
  newState?: ResourceState | null;
  /** What differs, by property path. */
  detailedDiff?: Record<string, unknown> | null;
  /** The top-level properties that differ. */
  diffReasons?: string[] | null;
  /** The properties that are why it is replaced. */
  replaceReasons?: string[] | null;
}

export type ChangeOperation = "create" | "update" | "replace" | "delete" | "same";

/** What happens to a resource. */
export interface Change {
  /** Undefined where rendered objects were compared, which have none. */
  urn?: string;
  /** Pulumi's type, for example `kubernetes:apps/v1:StatefulSet`. */
  type: string;
  /** The resource's name; of a rendered object `NAMESPACE/NAME`. */
  name: string;
  op: ChangeOperation;
  /** Whether its kind keeps data, or what is deleted with it. */
  stateful: boolean;
  /** Whether a deletion leaves the object, and with it its data, where it is. */
  retained: boolean;
  /** The properties that differ, sorted; none of a creation or deletion. */
  paths: string[];
  /** Those of them that are why it is replaced. */
  replacePaths: string[];
  /** Set where only the objects were compared: what would be replaced only Pulumi's provider can tell. */
  replacement?: "undecided";
}

const STATEFUL =
  /^kubernetes:(core\/v1:(PersistentVolumeClaim|PersistentVolume|Namespace)|apps\/[^:]+:StatefulSet|[^:]+:(CustomResourceDefinition|VolumeSnapshot))$/;

/** Whether objects of a type keep data, or what is deleted with them. */
export function isStateful(type: string): boolean {
  return STATEFUL.test(type);
}

/**
 * What a preview would do to resources. Components and the stack have no life of their own, and neither has a provider,
 * unless it is replaced: that replaces everything that it made.
 * @param steps in the order of the preview; a replacement may be one step or the three that it consists of.
 * @param unknown the paths of a resource's properties that were not known before, so that nothing can be said of them.
 */
export function changesOf(steps: readonly Step[], unknown: (urn: string) => readonly string[] = () => []): Change[] {
  const changes = new Map<string, Change>();
  for (const step of steps) {
    const type = typeOf(step.urn);
    if (type === "pulumi:pulumi:Stack" || type.startsWith("clawfleet:index:")) continue;
    const before = changes.get(step.urn);
    const op = operationOf(step, before?.op);
    if (op === undefined) continue;
    const hidden = unknown(step.urn);
    const known = (paths: Iterable<string>) =>
      [...paths].filter((path) => !hidden.some((prefix) => isWithin(path, prefix)));
    const differing = Object.keys(step.detailedDiff ?? {});
    const reasons = step.replaceReasons ?? [];
    const paths = known(new Set([...(differing.length > 0 ? differing : (step.diffReasons ?? [])), ...reasons]));
    // Whatever differs is not known: there is no saying that it changes.
    const nothing = op === "update" && paths.length === 0;
    if (type.startsWith("pulumi:providers:") && op === "update") continue;
    const { retainOnDelete = false, protect = false } = step.oldState ?? {};
    changes.set(step.urn, {
      urn: step.urn,
      type,
      name: nameOf(step.urn),
      op: nothing ? "same" : op,
      stateful: isStateful(type),
      retained: retainOnDelete || protect || (before?.retained ?? false),
      paths: sorted([...(before?.paths ?? []), ...(op === "create" || op === "delete" ? [] : paths)]),
      replacePaths: sorted([...(before?.replacePaths ?? []), ...(op === "replace" ? known(reasons) : [])]),
    });
  }
  return [...changes.values()];
}

/** The halves of a replacement are one change. */
function operationOf({ op }: Step, before: ChangeOperation | undefined): ChangeOperation | undefined {
  if (before === "replace") return "replace";
  switch (op) {
    case "create":
    case "update":
    case "delete":
    case "same":
      return op;
    case "replace":
    case "create-replacement":
    case "delete-replaced":
      return "replace";
    case "import":
    case "import-replacement":
      return "create";
    default:
      return undefined; // reads and refreshes change nothing
  }
}

/** Whether a property path is another one, or below it. */
function isWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`);
}

function sorted(paths: string[]): string[] {
  return [...new Set(paths)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** How many of a stack's resources are created, updated, replaced and deleted. */
export type ChangeCounts = Record<Exclude<ChangeOperation, "same">, number>;

/** Counts changes by what happens. */
export function countChanges(changes: readonly Change[]): ChangeCounts {
  const counts: ChangeCounts = { create: 0, update: 0, replace: 0, delete: 0 };
  for (const { op } of changes) if (op !== "same") counts[op] += 1;
  return counts;
}
