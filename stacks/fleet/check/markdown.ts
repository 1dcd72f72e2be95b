import {
  baseInWords,
  byGravity,
  changeInWords,
  counted,
  endsState,
  sharedFindings,
  verdictOf,
  type Report,
  type SharedFinding,
  type StackReport,
} from "./report";
import { countChanges, type Change } from "./changes";

/** What the comment begins with, so that the next run finds it and writes over it. */
export const MARKER = "<!-- clawfleet check -->";
/** GitHub refuses a comment of more than 65,536 characters. */
export const LIMIT = 65_000;

/**
 * A report as a comment of a pull request. What does not fit is cut off between two of its blocks, and told: the gravest
 * is first.
 */
export function markdownOf(report: Report): string {
  const { stacks, removed } = report;
  const findings = sharedFindings(stacks);
  const order = [...stacks].sort((a, b) => gravity(b) - gravity(a));
  const blocks = [
    ...findings.filter(({ level }) => level === "mandatory").map(findingBlock),
    ...order.map((stack) => stackBlock(stack, report.base)),
    ...removed.map(
      (stack) => `- stack \`${stack}\` is in fleet.yaml no more; its resources stay until \`pulumi destroy\`\n`,
    ),
    ...findings.filter(({ level }) => level !== "mandatory").map(findingBlock),
  ];
  let text = headOf(report);
  for (const [index, block] of blocks.entries()) {
    const cut = `\n_Cut here: ${counted(blocks.length - index, "part")} more. The whole report: \`clawfleet check --from report.json\`._\n`;
    if (text.length + block.length + 1 + cut.length > LIMIT) return text + cut;
    text += `\n${block}`;
  }
  return text;
}

function headOf(report: Report): string {
  const { stacks, base, clusters, removed } = report;
  const verdict = verdictOf(stacks);
  const failed = verdict.failed > 0 || verdict.mandatory > 0;
  const lines = [
    MARKER,
    `## ${failed ? "❌" : "✅"} ClawFleet check: ${headline(report)}`,
    "",
    ...(stacks.length === 0 && removed.length === 0 ? ["No stack is touched."] : []),
    ...(stacks.length === 0
      ? []
      : [
          "| added | changed | replaced | deleted | stateful ended | mandatory | advisory | undecided |",
          "| --- | --- | --- | --- | --- | --- | --- | --- |",
          `| ${[verdict.create, verdict.update, alarming(verdict.replace), verdict.delete, alarming(verdict.statefulEnded), alarming(verdict.mandatory), verdict.advisory, verdict.undecided].join(" | ")} |`,
          "",
          `${counted(stacks.length, "stack")}${base === undefined ? "" : `, since \`${inCode(base)}\``}. ${
            clusters
              ? "The clusters were asked."
              : "Previewed without the clusters: their identity and what only they know is unchecked."
          }`,
        ]),
    "",
  ];
  return lines.join("\n");
}

function headline({ stacks }: Report): string {
  const { failed, mandatory } = verdictOf(stacks);
  const parts = [
    ...(failed > 0 ? [`${counted(failed, "stack")} not checked`] : []),
    ...(mandatory > 0 ? [`${counted(mandatory, "mandatory finding")}`] : []),
  ];
  return parts.length > 0 ? parts.join(", ") : "no mandatory finding";
}

function alarming(count: number): string {
  return count > 0 ? `🔴 ${String(count)}` : "0";
}

function gravity({ failure, changes }: StackReport): number {
  if (failure !== undefined) return 1e9;
  return changes.filter(endsState).length * 1e6 + countChanges(changes).replace * 1e3 + changes.length;
}

function stackBlock(stack: StackReport, revision: string | undefined): string {
  const { failure, notes, changes, reasons } = stack;
  const counts = countChanges(changes);
  const open = failure !== undefined || counts.replace > 0 || changes.some(endsState) ? " open" : "";
  const sums = `${String(counts.create)} added, ${String(counts.update)} changed, ${String(counts.replace)} replaced, ${String(counts.delete)} deleted`;
  return [
    `<details${open}><summary><b>${inText(stack.stack)}</b> (${stack.environment}): ${failure === undefined ? sums : "not checked"}</summary>`,
    "",
    `${inText(baseInWords(stack, revision))}${reasons.length > 0 ? `; touched by ${reasons.map((reason) => `\`${inCode(reason)}\``).join(", ")}` : ""}`,
    ...(notes.length > 0 ? ["", ...notes.map((note) => `- ${inText(note)}`)] : []),
    ...(failure === undefined ? [] : ["", "```text", inFence(failure.message), "```"]),
    // In a block of this kind GitHub shows lines with a minus in red and those with a plus in green.
    ...(changes.length === 0 ? [] : ["", "```diff", ...byGravity(changes).map(diffLine), "```"]),
    "",
    "</details>",
    "",
  ].join("\n");
}

function diffLine(change: Change): string {
  const sign = change.op === "create" ? "+" : change.op === "update" ? "!" : "-";
  return `${sign} ${inFence(changeInWords(change))}`;
}

function findingBlock(finding: SharedFinding): string {
  const { level, policy, type, name, path, message, fix, file, line, stacks } = finding;
  const mark = level === "mandatory" ? "🔴" : level === "advisory" ? "🟡" : "⚪";
  const what = stacks.length > 1 ? type : `${type} ${name}`;
  return [
    `- ${mark} **${inText(policy)}** (${level}) \`${inCode([what.replace(/^kubernetes:/, ""), path].filter((part) => part !== "").join(" "))}\`: ${inText(message)}`,
    ...(file === undefined ? [] : [`  - \`${inCode(file)}:${String(line ?? 1)}\``]),
    ...(fix === undefined ? [] : [`  - Fix: ${inText(fix)}`]),
    `  - in ${stacks.length === 1 ? `\`${inCode(stacks[0] ?? "")}\`` : counted(stacks.length, "stack")}`,
    "",
  ].join("\n");
}

/** Text that means nothing but itself: no markup, no mention of anybody. */
function inText(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>|#@]/g, (sign) => `&#${String(sign.charCodeAt(0))};`).replaceAll("\n", " ");
}

function inCode(text: string): string {
  return text.replaceAll("`", "'").replaceAll("\n", " ");
}

function inFence(text: string): string {
  return text.replaceAll("```", "'''").slice(0, 4000);
}
