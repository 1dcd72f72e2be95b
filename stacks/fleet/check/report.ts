import { countChanges, type Change } from "./changes";
import type { Finding } from "./findings";

/** What a stack's changes are relative to. */
export type BaseKind =
  /** The state of its last update, exported. */
  | "checkpoint"
  /** The base revision, applied to embedded clusters. */
  | "cluster"
  /** The objects that the base revision renders. */
  | "rendered"
  /** Nothing: the changes are not known. */
  | "none"
  /** It is the state itself that was looked at. */
  | "state";

/** A check of one stack. */
export interface StackReport {
  stack: string;
  cells: string[];
  /** The environment whose level the policies have. */
  environment: string;
  /** The files for which it is checked. */
  reasons: string[];
  base: BaseKind;
  /** Without what stays the same. */
  changes: Change[];
  findings: Finding[];
  /** What else a reviewer should know. */
  notes: string[];
  /** Why there is no preview. */
  failure?: { message: string; class: string };
}

/** A check of a change. */
export interface Report {
  /** Where fleet.yaml is, from the repository's root: what a finding without a line of its own points at. */
  inventory: string;
  /** The revision that is compared with; undefined when none was asked for. */
  base?: string;
  /** Whether the clusters were asked. */
  clusters: boolean;
  stacks: StackReport[];
  /** Stacks that are in the inventory no more. */
  removed: string[];
}

/** What a report comes to. */
export interface Verdict {
  mandatory: number;
  advisory: number;
  undecided: number;
  failed: number;
  create: number;
  update: number;
  replace: number;
  delete: number;
  /** Deletions and replacements of stateful objects. */
  statefulEnded: number;
}

/** Sums a report up. */
export function verdictOf(stacks: readonly StackReport[]): Verdict {
  const count = (level: Finding["level"]) =>
    stacks.reduce((sum, { findings }) => sum + findings.filter((finding) => finding.level === level).length, 0);
  const changes = stacks.flatMap((stack) => stack.changes);
  return {
    mandatory: count("mandatory"),
    advisory: count("advisory"),
    undecided: count("undecided"),
    failed: stacks.filter(({ failure }) => failure !== undefined).length,
    ...countChanges(changes),
    statefulEnded: changes.filter(endsState).length,
  };
}

/** Whether a stateful object is deleted, be it to be made anew. */
export function endsState({ op, stateful, retained }: Change): boolean {
  return stateful && !retained && (op === "delete" || op === "replace");
}

/** What a stack's changes are relative to, in words. */
export function baseInWords({ base }: StackReport, revision: string | undefined): string {
  switch (base) {
    case "checkpoint":
      return "compared with the exported state of its last update";
    case "cluster":
      return `compared with ${revision ?? "the base"}, applied to embedded clusters`;
    case "rendered":
      return `compared with the objects that ${revision ?? "the base"} renders: what is replaced is undecided`;
    case "none":
      return "compared with nothing: what changes is not known";
    case "state":
      return "as of its last update";
  }
}

/** Order of changes in every format: what a reviewer has to see first. */
export function byGravity(changes: readonly Change[]): Change[] {
  const order = ["replace", "delete", "update", "create"];
  const weight = (change: Change) => order.indexOf(change.op) - (endsState(change) ? 10 : 0);
  return [...changes].sort(
    (a, b) => weight(a) - weight(b) || a.type.localeCompare(b.type) || a.name.localeCompare(b.name),
  );
}

/** A finding with every stack that has it. */
export interface SharedFinding extends Finding {
  stacks: string[];
}

/** Findings of all stacks, the gravest first; what several stacks have of one setting is one. */
export function sharedFindings(stacks: readonly StackReport[]): SharedFinding[] {
  const shared = new Map<string, SharedFinding>();
  for (const { stack, findings } of stacks) {
    for (const finding of findings) {
      const { level, policy, type, path, message, file, line } = finding;
      const key = JSON.stringify([level, policy, type, path, message, file, line]);
      const known = shared.get(key);
      if (known === undefined) shared.set(key, { ...finding, stacks: [stack] });
      else if (!known.stacks.includes(stack)) known.stacks.push(stack);
    }
  }
  const weight = ({ level }: Finding) => ["mandatory", "advisory", "undecided"].indexOf(level);
  return [...shared.values()].sort((a, b) => weight(a) - weight(b));
}

/** What a change does, in a word. */
export const OPERATION_WORDS = { create: "add", update: "change", replace: "replace", delete: "delete", same: "keep" };

/** A change in one line, without the sign before it. */
export function changeInWords(change: Change): string {
  const { op, type, name, paths, replacePaths, replacement, retained } = change;
  const shown = (op === "replace" && replacePaths.length > 0 ? replacePaths : paths).slice(0, SHOWN_PATHS);
  const more = (op === "replace" && replacePaths.length > 0 ? replacePaths : paths).length - shown.length;
  const remarks = [
    ...(endsState(change) ? ["stateful: look after its data"] : []),
    ...(retained && op === "delete" ? ["the object stays"] : []),
    ...(replacement === undefined ? [] : ["replacement undecided"]),
  ];
  return [
    `${OPERATION_WORDS[op]} ${type.replace(/^kubernetes:/, "")} ${name}`,
    ...(shown.length > 0 ? [`: ${shown.join(", ")}`] : []),
    ...(more > 0 ? [` and ${String(more)} more`] : []),
    ...(remarks.length > 0 ? [` (${remarks.join("; ")})`] : []),
  ].join("");
}

/** How many paths of a change are shown. */
const SHOWN_PATHS = 5;

/** A number of things. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${String(count)} ${count === 1 ? noun : plural}`;
}
