import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { stringify } from "../components/yaml";
import { Conflict, NotFound, ValidationFailed } from "../components/errors";
import { githubWorkflow, lostOnGithub } from "../stacks/fleet/emit/github";
import { lostOnOperator, operatorStacks, type OperatorOptions } from "../stacks/fleet/emit/operator";
import { readFleet } from "../stacks/fleet/inventory";
import type { Plan } from "../stacks/fleet/rollout/plan-schema";
import { progress } from "./local";
import { requestedPlan, type PlanOptions } from "./plan";
import { projectRoot } from "./workspace";

/** What both kinds of output take. */
export interface EmitOptions extends PlanOptions {
  out: string;
  json?: boolean;
}

export type EmitOperatorOptions = EmitOptions &
  Pick<OperatorOptions, "organization" | "namespace" | "within" | "backend"> &
  Partial<Pick<OperatorOptions, "repository" | "commit">>;

/** Writes a Stack resource of the Pulumi Kubernetes Operator for each cell, one file each. */
export function emitOperator(selector: string | undefined, options: EmitOperatorOptions): void {
  const plan = planFor(selector, options);
  const root = git("rev-parse", "--show-toplevel");
  const directory = root === undefined ? "" : relative(root, projectRoot);
  const stacks = operatorStacks(plan, {
    ...options,
    repository: options.repository ?? remote(),
    commit: options.commit ?? committed(plan),
    ...(directory !== "" && { directory }),
  });
  write(
    Object.fromEntries(stacks.map((stack) => [join(options.out, `${stack.metadata.name}.yaml`), stack])),
    lostOnOperator(plan),
    options,
  );
}

/** Writes a workflow of GitHub Actions with a job for each cell. */
export function emitGithub(selector: string | undefined, options: EmitOptions): void {
  const plan = planFor(selector, options);
  write({ [options.out]: githubWorkflow(plan) }, lostOnGithub(plan), options);
}

/**
 * The plan, of clusters that others reach as well.
 * @throws Conflict for cells that share a stack; ValidationFailed for a cell on an embedded cluster.
 */
function planFor(selector: string | undefined, options: PlanOptions): Plan {
  const { plan, shared } = requestedPlan(selector, options);
  if (shared.length > 0)
    throw new Conflict({
      what: `${shared.join("; ")}, and would be rolled out one by one`,
      where: "fleet.yaml",
      fix: "set `stacks: cell` for their environment, or select other cells",
    });
  const planned = new Set(plan.waves.flatMap(({ cells }) => cells.map(({ id }) => id)));
  const local = readFleet(plan.folder).cells.filter(({ id, cluster }) => planned.has(id) && cluster.embedded === true);
  if (local.length === 0) return plan;
  throw new ValidationFailed({
    what: `on clusters of this machine: ${local.map(({ id }) => id).join(", ")}`,
    where: "fleet.yaml",
    fix: "select cells on clusters that are reached from elsewhere",
  });
}

function remote(): string {
  const url = git("remote", "get-url", "origin");
  if (url !== undefined) return url;
  throw new NotFound({ what: "the repository has no remote origin", where: projectRoot, fix: "name it: --repository" });
}

/** The commit of the plan's files; the operator has no others. */
function committed({ frozen: { gitRevision }, folder }: Plan): string {
  if (gitRevision !== "" && !gitRevision.endsWith("-dirty")) return gitRevision;
  throw new ValidationFailed({
    what: gitRevision === "" ? "it is in no git repository" : "it has changes that are not committed",
    where: folder,
    fix: "commit and push them, or name the commit that is meant: --commit",
  });
}

function git(...args: string[]): string | undefined {
  try {
    const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
    return execFileSync("git", ["-C", projectRoot, ...args], { encoding: "utf8", stdio }).trim();
  } catch {
    return undefined;
  }
}

function write(documents: Record<string, unknown>, lost: readonly string[], { json = false }: EmitOptions): void {
  const files = Object.keys(documents).map((file) => resolve(file));
  for (const [file, document] of Object.entries(documents)) {
    mkdirSync(dirname(resolve(file)), { recursive: true });
    writeFileSync(resolve(file), stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }));
  }
  if (json) process.stdout.write(`${JSON.stringify({ files, lost }, null, 2)}\n`);
  progress(`${String(files.length)} file(s) in ${dirname(files[0] ?? ".")}`);
  for (const what of lost) progress(`not carried over: ${what}`);
}
