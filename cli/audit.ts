import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { FleetError, NotFound, ValidationFailed } from "../components/errors";
import { compareVersions, findVersion } from "../engine/toolchain/version";
import { withoutSecrets, type BareCheckpoint } from "../stacks/fleet/check/checkpoint";
import { findingsOf, type Finding } from "../stacks/fleet/check/findings";
import type { Report, StackReport } from "../stacks/fleet/check/report";
import { INVENTORY_FILE, unknown } from "../stacks/fleet/inventory";
import { formatted, judge } from "./check";
import { FleetFiles, folderInUse } from "./fleet-files";
import { runChild } from "./gate/child";
import { environmentOf, policedRun } from "./gate/preview";
import { settingTrace } from "./gate/settings";
import { ThrowAway } from "./gate/throw-away";
import { policyArgs } from "./local";
import { openPulumi } from "./pulumi";
import { projectRoot } from "./workspace";

/** The options of `clawfleet audit`, as the command line has them. */
export interface AuditOptions {
  state?: string;
  folder?: string;
  json?: boolean;
}

/** The first CLI that has `pulumi policy analyze`. */
const OLDEST_CLI = "3.229.0";

/**
 * Applies the policies to what a stack is as of its last update, without its program and its clusters, and prints the report.
 * @throws PolicyViolation for mandatory findings; ValidationFailed for a CLI that is too old or a file that is no state;
 * NotFound for a stack that does not exist or has no state.
 */
export async function audit(stack: string, options: AuditOptions, signal: AbortSignal): Promise<void> {
  const folder = resolve(options.folder ?? folderInUse());
  const files = new FleetFiles(folder);
  const cells = files.stacks.get(stack);
  if (cells === undefined) throw unknown("stack", stack, [...files.stacks.keys()]);
  const throwAway = await ThrowAway.open(signal);
  try {
    await assertCli(throwAway, signal);
    const text = options.state === undefined ? await exported(stack, signal) : readState(options.state);
    const where = options.state ?? `the state of ${stack}`;
    const { deployment } = withoutSecrets(text, where);
    const environment = environmentOf(cells);
    throwAway.createStack(stack, deployment);
    const args = ["policy", "analyze", "--stack", stack, "--json", ...policyArgs(environment)];
    const run = await policedRun(throwAway, args, {}, signal);
    // A state without resources is not looked at, and no events tell so.
    const empty = (deployment.resources ?? []).length === 0;
    if (run.failure !== undefined && !empty) throw new FleetError({ what: run.failure, where: `audit of ${stack}` });
    const trace = settingTrace(files, (file) => file);
    const findings = findingsOf({ ...run, steps: stepsOf(deployment) }, trace, cells);
    print(stack, { environment, findings, cells: cells.map(({ id }) => id), empty }, options.json ?? false);
  } finally {
    throwAway.close();
  }
}

function print(
  stack: string,
  found: { environment: string; findings: Finding[]; cells: string[]; empty: boolean },
  json: boolean,
): void {
  const { empty, ...rest } = found;
  const notes = empty ? ["the state has no resources: there is nothing to apply the policies to"] : [];
  const result: StackReport = { stack, ...rest, reasons: [], base: "state", changes: [], notes };
  const report: Report = { inventory: INVENTORY_FILE, clusters: false, stacks: [result], removed: [] };
  process.stdout.write(formatted(report, json ? "json" : "table", process.stdout.isTTY));
  judge(report);
}

/** The resources of a state as steps that change nothing. */
function stepsOf({ resources = [] }: BareCheckpoint["deployment"]) {
  return resources.map(({ urn, inputs, parent }) => ({
    op: "same",
    urn,
    newState: { type: "", ...(inputs && { inputs }), ...(typeof parent === "string" && { parent }) },
  }));
}

async function assertCli({ pulumi }: ThrowAway, signal: AbortSignal): Promise<void> {
  const { stdout } = await runChild(pulumi.cli, ["version"], { cwd: projectRoot, env: pulumi.env, signal });
  assertAnalyzes(findVersion(stdout) ?? "0.0.0");
}

/** @throws ValidationFailed for a CLI without `pulumi policy analyze`. */
export function assertAnalyzes(version: string): void {
  if (compareVersions(version, OLDEST_CLI) < 0)
    throw new ValidationFailed({
      what: `this Pulumi is ${version}, and \`pulumi policy analyze\` is there since ${OLDEST_CLI}`,
      where: "clawfleet audit",
      fix: `install Pulumi ${OLDEST_CLI} or later`,
    });
}

/** The state of a stack in the backend in use: the user's, or the project's own. */
async function exported(stack: string, signal: AbortSignal): Promise<string> {
  const pulumi = await openPulumi();
  const args = ["stack", "export", "--stack", stack, "--non-interactive"];
  const { code, stdout, stderr } = await runChild(pulumi.cli, args, { cwd: projectRoot, env: pulumi.env, signal });
  if (code === 0) return stdout;
  throw new NotFound({
    what: `the state cannot be exported: ${stderr.trim()}`,
    where: `stack ${stack}`,
    fix: "bring the stack up first, correct PULUMI_BACKEND_URL, or give --state FILE",
  });
}

function readState(file: string): string {
  if (existsSync(file)) return readFileSync(file, "utf8");
  throw new NotFound({ what: "does not exist", where: file, fix: "write it with `pulumi stack export --file FILE`" });
}
