import type { Command } from "commander";
import type { AuditOptions } from "./audit";
import type { CheckOptions } from "./check";

/** Registers what looks at changes and states under the policies. */
export function registerGate(program: Command, signal: AbortSignal): void {
  program
    .command("check")
    .description("preview the stacks that a change touches under the policies, without clusters; for pull requests")
    .option("--changed-since <ref>", "the revision that the change is compared with; without it every stack is checked")
    .option("--stack <stack...>", "these stacks, whether they are touched or not")
    .option("--base-checkpoint <dir>", "exported states to compare with: STACK.json, by `pulumi stack export --file`")
    .option("--base <kind>", "cluster: apply the base revision to embedded clusters where there is no exported state")
    .option("--with-clusters", "ask the clusters themselves; ends with 6 when one does not answer")
    .option("--concurrency <n>", "previews at a time; by default the number of processors")
    .option("--format <format>", "table, json, sarif or markdown", "table")
    .option("--out <file>", "write the report to a file")
    .option("--from <file>", "print a report that was written as JSON once more, in another format")
    .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project")
    .option("--json", "machine-readable output; the same as --format json")
    .action(async (options: CheckOptions) => (await import("./check.js")).check(options, signal));
  program
    .command("audit")
    .description("apply the policies to the exported state of a stack")
    .argument("<stack>")
    .option("--state <file>", "a state that `pulumi stack export` wrote; by default it is exported now")
    .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project")
    .option("--json", "machine-readable output")
    .action(async (stack: string, options: AuditOptions) => (await import("./audit.js")).audit(stack, options, signal));
}
