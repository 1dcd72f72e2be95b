import {
  baseInWords,
  byGravity,
  changeInWords,
  counted,
  endsState,
  verdictOf,
  type Report,
  type StackReport,
} from "./report";
import type { Change } from "./changes";
import type { Finding } from "./findings";

const SIGNS = { create: "+", update: "~", replace: "±", delete: "-", same: " " };
const RED = "\u001b[31m";
const RESET = "\u001b[0m";

/**
 * A report for a terminal.
 * @param colour whether to print in red what is replaced, what ends a stateful object, and what is mandatory.
 */
export function tableOf(report: Report, colour = false): string {
  const { stacks, removed, base } = report;
  const red = (text: string) => (colour ? `${RED}${text}${RESET}` : text);
  if (stacks.length === 0 && removed.length === 0)
    return `no stack is touched${base === undefined ? "" : ` since ${base}`}\n`;
  const blocks = stacks.map((stack) => stackLines(stack, base, red).join("\n"));
  const gone = removed.map((stack) =>
    red(`stack ${stack} is in fleet.yaml no more; its resources stay until \`pulumi destroy\``),
  );
  return `${[...blocks, ...gone, summary(report)].join("\n\n")}\n`;
}

function stackLines(stack: StackReport, revision: string | undefined, red: (text: string) => string): string[] {
  const { failure, notes, findings, changes } = stack;
  return [
    `stack ${stack.stack} (${stack.environment}): ${baseInWords(stack, revision)}`,
    ...(failure === undefined ? [] : [red(indented(`failed: ${failure.message}`, 2))]),
    ...notes.map((note) => `  note: ${note}`),
    ...byGravity(changes).map((change) => changeLine(change, red)),
    ...findings.flatMap((finding) => findingLines(finding, red)),
    ...(failure === undefined && changes.length === 0 && findings.length === 0 ? ["  nothing to tell"] : []),
  ];
}

function changeLine(change: Change, red: (text: string) => string): string {
  const line = `  ${SIGNS[change.op]} ${changeInWords(change)}`;
  return change.op === "replace" || endsState(change) ? red(line) : line;
}

function findingLines(finding: Finding, red: (text: string) => string): string[] {
  const { level, policy, type, name, path, message, fix, file, line } = finding;
  const head = `  ${level} ${policy}: ${[type.replace(/^kubernetes:/, ""), name, path].filter((part) => part !== "").join(" ")}`;
  return [
    level === "mandatory" ? red(head) : head,
    `    ${message}`,
    ...(file === undefined ? [] : [`    ${file}:${String(line ?? 1)}`]),
    ...(fix === undefined ? [] : [`    Fix: ${fix}`]),
  ];
}

function summary({ stacks, clusters }: Report): string {
  const verdict = verdictOf(stacks);
  return [
    `${counted(stacks.length, "stack")}: ${String(verdict.create)} added, ${String(verdict.update)} changed, ${String(verdict.replace)} replaced, ${String(verdict.delete)} deleted`,
    `stateful objects deleted or replaced: ${String(verdict.statefulEnded)}`,
    `findings: ${String(verdict.mandatory)} mandatory, ${String(verdict.advisory)} advisory, ${String(verdict.undecided)} undecided`,
    ...(verdict.failed > 0 ? [`not checked: ${counted(verdict.failed, "stack")}`] : []),
    ...(clusters ? [] : ["previewed without the clusters: their identity and what only they know is unchecked"]),
  ].join("\n");
}

function indented(text: string, width: number): string {
  return text.replaceAll(/^/gm, " ".repeat(width));
}
