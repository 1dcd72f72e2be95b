import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Conflict, NotFound } from "../../../components/errors";
import { collisions } from "../collisions";
import { readFleet, unknown, type Fleet } from "../inventory";
import { formatPath, mergeSettings } from "../merge";
import { Overlays } from "../overlays";
import { checked } from "../problems";
import { selectCells } from "../selector";
import { readStackFiles, stacksOf, type StackSettings } from "../stacks";
import { locateIn, readYaml } from "../yaml-file";
import { makePlan, type PlannableCell } from "./plan";
import type { Frozen, Plan } from "./plan-schema";
import { strategySchema, type Strategy } from "./strategy";

/** What is to be rolled out, and how. */
export interface PlanRequest {
  /** The folder of fleet.yaml. */
  folder: string;
  /** The root of the package: its lock file, its compiled program and its policy pack are frozen as well. */
  root: string;
  /** Which cells: a selector, or ids; undefined for all of them. */
  selector?: string | readonly string[];
  /** A strategy's name in fleet.yaml, or a file. Default: fleet.yaml's `default`, else dev, stage, prod. */
  strategy?: string;
}

/** A plan, and what stands in the way of executing it. */
export interface FleetPlan {
  plan: Plan;
  /** The stacks that have other cells beside one of the plan's, in words. */
  shared: string[];
}

/**
 * Plans a rollout of a fleet.
 * @throws NotFound, ValidationFailed or Conflict for whatever is wrong in the fleet's files or with the strategy.
 */
export function planFleet({ folder, root, selector, strategy }: PlanRequest): FleetPlan {
  const files = readFleetFiles(folder);
  const fleet = plannableCells(files);
  const wanted =
    typeof selector === "string"
      ? new Set(selectCells(files.fleet.cells, selector).map(({ id }) => id))
      : selector && new Set(selector);
  const selected = wanted === undefined ? fleet : fleet.filter(({ id }) => wanted.has(id));
  const plan = makePlan({
    folder: resolve(folder),
    fleet,
    selected,
    strategy: chosenStrategy(files.fleet, strategy),
    frozen: frozenInputs(folder, root, selected),
  });
  return { plan, shared: sharedStacks(files, plan) };
}

/** The stacks that have other cells beside one of a plan's, in words: rolled out alone, one would delete the others. */
export function sharedStacks({ stackOf }: CellFiles, plan: Plan): string[] {
  const cellsOf = new Map<string, string[]>();
  for (const [cell, stack] of stackOf) cellsOf.set(stack, [...(cellsOf.get(stack) ?? []), cell]);
  const stacks = new Set(plan.waves.flatMap(({ cells }) => cells.map(({ stack }) => stack)));
  return [...stacks].flatMap((stack) => {
    const cells = cellsOf.get(stack) ?? [];
    return cells.length > 1 ? [`the cells ${cells.join(", ")} share the stack ${stack}`] : [];
  });
}

/** The files that cells are made from. */
export interface CellFiles {
  folder: string;
  fleet: Fleet;
  overlays: Overlays;
  files: Map<string, StackSettings>;
  /** The stack of each cell, by the cell's id. */
  stackOf: Map<string, string>;
}

/** Reads a fleet's files. */
export function readFleetFiles(folder: string): CellFiles {
  const fleet = readFleet(folder);
  const files = readStackFiles(folder);
  const stacks = [...stacksOf(fleet, files)];
  const stackOf = new Map(stacks.flatMap(([stack, cells]) => cells.map(({ id }) => [id, stack] as const)));
  return { folder, fleet, overlays: new Overlays(folder), files, stackOf };
}

/** Every cell of a fleet with the hash of what it is made from; a cell without a stack cannot be rolled out. */
function plannableCells({ folder, fleet, overlays, files, stackOf }: CellFiles): PlannableCell[] {
  const settings = new Map(
    fleet.cells.map((cell) => [
      cell,
      mergeSettings(overlays.layers(cell, files.get(stackOf.get(cell.id) ?? "")?.cell)),
    ]),
  );
  const [collision] = collisions([...settings].map(([cell, config]) => ({ ...cell, config })));
  if (collision !== undefined)
    throw new Conflict({
      what: `${formatPath(collision.path)}: ${collision.what}`,
      where: `cell ${collision.cell.id}`,
      fix: "set it in the overlay of the tenant or the cluster, or in the cell's own stack",
    });
  return [...settings].map(([cell, config]) => {
    const stack = stackOf.get(cell.id);
    if (stack === undefined)
      throw new NotFound({
        what: `the cell ${cell.id} is in no stack`,
        where: "fleet.yaml",
        fix: "list it below clawfleet:cells of one",
      });
    const { id, environment, labels, cluster, tenant } = cell;
    const own = stackFile(folder, stack);
    const ownText = files.has(stack) && existsSync(own) ? readFileSync(own, "utf8") : "";
    const configHash = hash(JSON.stringify([cluster, tenant, environment, config, ownText]));
    return { id, stack, environment, labels, configHash };
  });
}

/** The config file of a stack, beside fleet.yaml. */
export function stackFile(folder: string, stack: string): string {
  return join(folder, `Pulumi.${stack}.yaml`);
}

function chosenStrategy({ strategies }: Fleet, wanted: string | undefined): Strategy | undefined {
  if (wanted === undefined) return strategies.default;
  const named = Object.hasOwn(strategies, wanted) ? strategies[wanted] : undefined;
  if (named !== undefined) return named;
  if (!existsSync(wanted)) throw unknown("strategy", wanted, Object.keys(strategies));
  const document = readYaml(wanted);
  return checked(strategySchema, document.value, locateIn(document));
}

/** What a plan of these cells is frozen with. */
export function frozenInputs(
  folder: string,
  root: string,
  cells: readonly { id: string; configHash: string }[],
): Frozen {
  return {
    gitRevision: gitRevision(folder),
    configHash: hash(
      [...cells]
        .map(({ id, configHash }) => `${id} ${configHash}\n`)
        .sort()
        .join(""),
    ),
    ...programHashes(root),
  };
}

/** The hashes of what rolls out and of what it is checked by. */
export function programHashes(root: string): Pick<Frozen, "lockHash" | "policyHash"> {
  const program = ["package-lock.json", "package.json", join("dist", "build-stamp")].map((name) => join(root, name));
  return { lockHash: hashOfFiles(program), policyHash: hashOfFiles(filesBelow(join(root, "policy"))) };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules" && !name.endsWith(".tsbuildinfo"))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

function hashOfFiles(files: readonly string[]): string {
  return hash(files.map((file) => (existsSync(file) ? hash(readFileSync(file)) : "")).join("\n"));
}

function hash(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function gitRevision(folder: string): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return `${git("rev-parse", "HEAD")}${git("status", "--porcelain", "--", ".") === "" ? "" : "-dirty"}`;
  } catch {
    return ""; // no repository, or no git
  }
}
