import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Conflict, ValidationFailed } from "../components/errors";
import { checked } from "../stacks/fleet/problems";
import { planFleet, type FleetPlan } from "../stacks/fleet/rollout/fleet-plan";
import { planSchema, type Plan } from "../stacks/fleet/rollout/plan-schema";
import { folderInUse } from "./fleet-files";
import { projectRoot } from "./workspace";
import { writeWhole } from "../stacks/fleet/rollout/whole-file";

/** Which cells, and how. */
export interface PlanOptions {
  folder?: string;
  all?: boolean;
  /** A strategy's name in fleet.yaml, or a file. */
  strategy?: string;
}

/**
 * The plan that a command line asks for.
 * @throws ValidationFailed unless either a selector or --all is given; what planFleet throws.
 */
export function requestedPlan(selector: string | undefined, { folder, all = false, strategy }: PlanOptions): FleetPlan {
  if ((selector === undefined) !== all)
    throw new ValidationFailed({
      what: all ? "a selector and --all are both given" : "which cells are meant is not said",
      fix: "give a selector like environment=stage, a cell's id, or --all",
    });
  return planFleet({ folder: folder ?? folderInUse(), root: projectRoot, selector, strategy });
}

/** Prints the plan, and writes it to a file when one is named. */
export function printPlan(selector: string | undefined, options: PlanOptions & { out?: string; json?: boolean }): void {
  const { plan, shared } = requestedPlan(selector, options);
  const json = `${JSON.stringify(plan, null, 2)}\n`;
  if (options.out !== undefined) writeWhole(resolve(options.out), json);
  process.stdout.write(options.json === true ? json : inWords(plan));
  for (const problem of shared) process.stderr.write(`warning: ${problem}: \`clawfleet up\` will refuse it\n`);
}

/**
 * Reads a plan that was saved.
 * @throws ValidationFailed for a file that is none; Conflict when what it was made from has changed since.
 */
export function readPlan(file: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ValidationFailed({
      what: code === undefined ? "this is no JSON" : `cannot be read (${code})`,
      where: file,
      fix: "save a plan with `clawfleet plan --out FILE`",
    });
  }
  const plan = checked(planSchema, value, () => file);
  const changed = changedSince(plan);
  if (changed.length > 0)
    throw new Conflict({
      what: `the plan is out of date: ${changed.join(", ")} changed since it was made`,
      where: file,
      fix: "make a new plan, and have it reviewed again",
    });
  return plan;
}

/** What a plan was made from and is not the same any more. The git revision is for the record: what counts is the content. */
function changedSince(plan: Plan): string[] {
  const { plan: now } = planFleet({ folder: plan.folder, root: projectRoot });
  const cellsNow = new Map(cellsOf(now).map((cell) => [cell.id, cell]));
  const cells = cellsOf(plan).filter((cell) => cellsNow.get(cell.id)?.configHash !== cell.configHash);
  return [
    ...(cells.length === 0
      ? []
      : [
          `the settings of ${cells
            .slice(0, 5)
            .map(({ id }) => id)
            .join(", ")}`,
        ]),
    ...(now.frozen.lockHash === plan.frozen.lockHash ? [] : ["the program"]),
    ...(now.frozen.policyHash === plan.frozen.policyHash ? [] : ["the policies"]),
  ];
}

function cellsOf(plan: Plan): Plan["waves"][number]["cells"] {
  return plan.waves.flatMap(({ cells }) => cells);
}

function inWords({ waves, frozen, folder }: Plan): string {
  const count = waves.reduce((sum, { cells }) => sum + cells.length, 0);
  const short = (hash: string) => hash.slice(0, 12);
  const lines = waves.flatMap((wave, index) => {
    const facts = [
      `${String(wave.cells.length)} cell(s)`,
      `${String(wave.maxConcurrency)} at once`,
      `at most ${String(wave.maxFailures)} failure(s)`,
      `healthy within ${String(wave.progressDeadline)} s`,
      ...(wave.minSuccessTime > 0 ? [`for ${String(wave.minSuccessTime)} s`] : []),
      ...wave.approval.map((when) => `approval ${when}`),
    ];
    return ["", `${String(index + 1)}. ${wave.name}: ${facts.join(", ")}`, ...wave.cells.map(({ id }) => `   ${id}`)];
  });
  return [
    `${String(count)} cell(s) in ${String(waves.length)} wave(s), from ${folder}`,
    `git ${frozen.gitRevision === "" ? "none" : frozen.gitRevision}, config ${short(frozen.configHash)}, program ${short(frozen.lockHash)}, policies ${short(frozen.policyHash)}`,
    ...lines,
    "",
  ].join("\n");
}
