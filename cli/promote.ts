import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Environment } from "../components/environment";
import { Conflict, NotFound, Unhealthy, ValidationFailed } from "../components/errors";
import { differencesOf, inWords, type Difference } from "../stacks/fleet/leaves";
import type { FleetCell } from "../stacks/fleet/inventory";
import { mergeSettings, type Layer } from "../stacks/fleet/merge";
import { checkedLayer, Overlays, OVERLAYS_FOLDER } from "../stacks/fleet/overlays";
import { PROMOTED, promotedHashes, type Promoted } from "../stacks/fleet/promoted";
import { promotion, type Change, type LeftOut, type Promotion } from "../stacks/fleet/promotion";
import { editYaml } from "../stacks/fleet/yaml-edit";
import { locateIn, parseYaml } from "../stacks/fleet/yaml-file";
import { FleetFiles } from "./fleet-files";
import { openPulumi } from "./pulumi";
import { cellProblems, readStackState, type StackState } from "./stack-state";

/** Stacks whose state is read at the same time. */
const READERS = 8;

/** What is asked for beside the environments. */
export interface PromoteOptions {
  folder?: string;
  /** What is promoted. Default: everything that can be. */
  only?: string[];
  dryRun: boolean;
  json: boolean;
}

/** What a promotion tells. */
interface Report {
  /** The overlay that it writes. */
  file: string;
  written: boolean;
  changes: Change[];
  leftOut: LeftOut[];
  /** What changes of each cell of the target. */
  cells: { id: string; changes: Difference[] }[];
}

/**
 * Takes what one environment runs over into the overlay of another, and prints what changes for its cells.
 * @throws Unhealthy when a cell of the source does not run healthy what its files say; ValidationFailed for what the
 * target's files would be wrong with; Conflict for an overlay with changes that are not committed.
 */
export async function promote(from: string, to: string, options: PromoteOptions): Promise<void> {
  const files = new FleetFiles(options.folder);
  const [source, target] = direction(from, to);
  const { changes, layer, leftOut } = planOf(files, source, target, kindsOf(options.only ?? []));
  const name = `environment/${target}`;
  const file = join(files.folder, OVERLAYS_FOLDER, `${name}.yaml`);
  const report: Report = { file: `${OVERLAYS_FOLDER}/${name}.yaml`, written: false, changes, leftOut, cells: [] };
  if (changes.length > 0) {
    const edited = editYaml(existsSync(file) ? readFileSync(file, "utf8") : "", layer, report.file);
    report.cells = effects(files, target, edited, report.file);
    await mustRunHealthy(files, source);
    if (!options.dryRun) {
      await mustBeCommitted(files.folder, report.file);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, edited);
      report.written = true;
    }
  }
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : inLines(report, source, target));
}

/** @throws ValidationFailed for what is no environment, and for a promotion backwards. */
function direction(from: string, to: string): [Environment, Environment] {
  const order = Object.values(Environment);
  const [source, target] = [from, to].map((name) => {
    const found = order.find((environment) => String(environment) === name);
    if (found === undefined)
      throw new NotFound({ what: `there is no environment ${name}`, fix: `use one of: ${order.join(", ")}` });
    return found;
  }) as [Environment, Environment];
  if (order.indexOf(source) < order.indexOf(target)) return [source, target];
  throw new ValidationFailed({
    what: `a promotion goes from ${order.join(" to ")}, not from ${source} to ${target}`,
    fix: "to take a promotion back, revert its commit with `git revert`",
  });
}

function kindsOf(only: string[]): readonly Promoted[] {
  const wrong = only.find((kind) => !(PROMOTED as readonly string[]).includes(kind));
  if (wrong !== undefined)
    throw new ValidationFailed({
      what: `${wrong} is nothing that is promoted`,
      where: "--only",
      fix: `use one of: ${PROMOTED.join(", ")}`,
    });
  return only.length === 0 ? PROMOTED : PROMOTED.filter((kind) => only.includes(kind));
}

/** @throws NotFound for a source without cells: nothing runs there. */
function planOf(files: FleetFiles, source: Environment, target: Environment, kinds: readonly Promoted[]): Promotion {
  const { overlays } = files;
  if (cellsIn(files, source).length === 0)
    throw new NotFound({ what: `${source} has no cells`, fix: "promote from an environment that runs somewhere" });
  const settings = (environment: Environment) => overlays.ofEnvironment(environment).settings;
  return promotion({
    source: {
      name: source,
      settings: settings(source),
      cells: cellsIn(files, source).map((cell) => files.merged(cell).settings),
    },
    target: {
      name: target,
      settings: settings(target),
      layer: overlays.overlay(`environment/${target}`)?.settings ?? {},
    },
    base: mergeSettings([overlays.overlay("base") ?? { name: "base", settings: {} }]),
    kinds,
  });
}

function cellsIn(files: FleetFiles, environment: Environment): FleetCell[] {
  return files.fleet.cells.filter((cell) => cell.environment === environment);
}

/**
 * What changes of each cell of the target.
 * @throws ValidationFailed for what its files would be wrong with.
 */
function effects(files: FleetFiles, target: Environment, edited: string, file: string): Report["cells"] {
  const document = parseYaml(edited, file);
  const locate = locateIn(document);
  const layer: Layer = { name: `environment/${target}`, settings: checkedLayer(document.value, locate), locate };
  const after = new Overlays(files.folder, layer);
  return cellsIn(files, target).map((cell) => ({
    id: cell.id,
    changes: differencesOf(files.merged(cell).settings, after.merged(cell, files.last(cell)).settings),
  }));
}

/** @throws Unhealthy naming every cell that does not run healthy what its files say. */
async function mustRunHealthy(files: FleetFiles, source: Environment): Promise<void> {
  const cells = cellsIn(files, source).map((cell) => ({ cell, stack: files.stackOf(cell) ?? cell.environment }));
  const states = await readStates([...new Set(cells.map(({ stack }) => stack))]);
  const unhealthy = cells.flatMap(({ cell, stack }) => {
    const found = cellProblems(cell.id, states.get(stack), promotedHashes(files.merged(cell).settings));
    return found.map((problem) => ({ stack, problem: `${cell.id}: ${problem}` }));
  });
  if (unhealthy.length === 0) return;
  const problems = unhealthy.map(({ problem }) => problem);
  const commands = [...new Set(unhealthy.map(({ stack }) => `\`pulumi up -s ${stack}\``))].join(", ");
  throw new Unhealthy({
    what: `${source} does not run healthy what its files say, so nothing was promoted:\n  ${problems.join("\n  ")}`,
    fix: `correct or revert what is wrong, roll it out (${commands}), and promote again`,
  });
}

/** The states of stacks, some at a time. */
async function readStates(stacks: string[]): Promise<Map<string, StackState | undefined>> {
  const pulumi = await openPulumi();
  const states = new Map<string, StackState | undefined>();
  for (let index = 0; index < stacks.length; index += READERS) {
    process.stderr.write(`reading the state of ${stacks.slice(index, index + READERS).join(", ")}\n`);
    await Promise.all(
      stacks.slice(index, index + READERS).map(async (stack) => states.set(stack, await readStackState(pulumi, stack))),
    );
  }
  return states;
}

/** @throws Conflict for a file with changes that git does not have, which a promotion could not be told from. */
async function mustBeCommitted(folder: string, file: string): Promise<void> {
  const status = await promisify(execFile)("git", ["status", "--porcelain", "--", file], { cwd: folder }).catch(
    () => undefined,
  );
  if (status?.stdout === "") return;
  throw new Conflict({
    what: status === undefined ? "it is in no git repository" : "it has changes that are not committed",
    where: file,
    fix: "commit it first: a promotion is a change of its own, to be reviewed and reverted",
  });
}

function inLines({ file, written, changes, leftOut, cells }: Report, source: string, target: string): string {
  const lines = [
    changes.length === 0
      ? `nothing to do: ${target} has what ${source} runs`
      : `${file} ${written ? "changed" : "would change"}:`,
    ...changes.map((change) => `  ${change.kind.padEnd("content".length)} ${inWords(change)}`),
    ...(leftOut.length === 0 ? [] : ["left out:"]),
    ...leftOut.map(({ path, reason }) => `  ${path}: ${reason}`),
    ...cells.flatMap(({ id, changes: own }) => [
      own.length === 0 ? `cell ${id}: no change, later layers say otherwise` : `cell ${id}:`,
      ...own.map((difference) => `  ${inWords(difference)}`),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}
