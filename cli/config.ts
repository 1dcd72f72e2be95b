import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetFiles, folderInUse } from "./fleet-files";
import { isScalar, isSeq, parseDocument, stringify, visit, type Document } from "../components/yaml";
import { Environment } from "../components/environment";
import { FleetError } from "../components/errors";
import { collisions, type ConfiguredCell } from "../stacks/fleet/collisions";
import type { SchemaName } from "../stacks/fleet/json-schema";
import { cellById, readFleet, type FleetCell } from "../stacks/fleet/inventory";
import { differencesOf, inWords, leavesOf } from "../stacks/fleet/leaves";
import { formatPath, type Layer, type Merged, type YamlMap, type YamlValue } from "../stacks/fleet/merge";
import { Overlays } from "../stacks/fleet/overlays";
import { readStackFiles, stacksOf } from "../stacks/fleet/stacks";

/** A leaf with the file and line that it is from. */
interface LeafWithOrigin {
  path: string;
  value: YamlValue;
  origin: string;
}

/** Prints the settings that a cell comes to, as YAML; with `origin`, where each is from. */
export function showConfig(id: string, options: { folder?: string; origin: boolean; json: boolean }): void {
  const files = new FleetFiles(options.folder);
  const cell = cellById(files.fleet, id);
  const merged = files.merged(cell);
  if (!options.origin) {
    process.stdout.write(options.json ? json(merged.settings) : stringify(merged.settings, { lineWidth: 0 }));
    return;
  }
  const leaves = withOrigins(merged, files.layers(cell));
  process.stdout.write(options.json ? json(leaves) : annotated(merged.settings, leaves));
}

/** Every leaf of the merged settings with where it is from. */
export function withOrigins({ settings, origins }: Merged, layers: Layer[]): LeafWithOrigin[] {
  return leavesOf(settings).map(({ keys, value }) => {
    const path = formatPath(keys);
    const layer = layers.find(({ name }) => name === origins.get(path));
    return { path, value, origin: layer?.locate?.(keys) ?? layer?.name ?? "" };
  });
}

/** The settings as YAML with a comment behind each leaf. */
function annotated(settings: YamlMap, leaves: LeafWithOrigin[]): string {
  // Parsed from text, so that what looks like something else is in quotes already.
  const document: Document = parseDocument(stringify(settings, { lineWidth: 0 }));
  const origins = new Map(leaves.map(({ path, origin }) => [path, origin]));
  visit(document, {
    Pair(_, pair, ancestors) {
      const keys = [...ancestors, pair].flatMap((node) =>
        "key" in node && isScalar(node.key) ? [String(node.key.value)] : [],
      );
      const origin = origins.get(formatPath(keys));
      const value = pair.value as { comment?: string; flow?: boolean } | null;
      if (origin === undefined || value === null) return undefined;
      // Of a list in lines of its own, the comment would be behind the last one.
      if (isSeq(value)) value.flow = true;
      value.comment = ` ${origin}`;
      return visit.SKIP;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Prints what differs between two cells, or what two environments say of all their cells. */
export function diffConfig(from: string, to: string, options: { folder?: string; json: boolean }): void {
  const files = new FleetFiles(options.folder);
  const differences = differencesOf(settingsOf(files, from), settingsOf(files, to));
  if (options.json) process.stdout.write(json(differences));
  else for (const difference of differences) process.stdout.write(`${inWords(difference)}\n`);
}

/** A cell's settings by its id; else an environment's. */
function settingsOf(files: FleetFiles, id: string): YamlMap {
  const isCell = files.fleet.cells.some((cell) => cell.id === id);
  if (!isCell && (Object.values(Environment) as string[]).includes(id))
    return files.overlays.ofEnvironment(id).settings;
  return files.merged(cellById(files.fleet, id)).settings;
}

/** What a check of a whole fleet found. */
export interface Check {
  cells: number;
  stacks: number;
  /** Each with its file and line. */
  problems: string[];
}

/**
 * Checks every file of a fleet, every cell and every stack, and prints what is wrong with any.
 * @returns whether nothing is.
 */
export function printCheck(options: { folder?: string; json: boolean }): boolean {
  const check = checkFleet(options.folder ?? folderInUse());
  const { cells, stacks, problems } = check;
  if (options.json) process.stdout.write(json(check));
  else if (problems.length === 0)
    process.stdout.write(`cells: ${String(cells)}, stacks: ${String(stacks)}, problems: 0\n`);
  else process.stdout.write(`${problems.join("\n")}\n\nproblems: ${String(problems.length)}\n`);
  return problems.length === 0;
}

/** Checks every file of a fleet, every cell and every stack. */
export function checkFleet(folder: string): Check {
  // A file that is wrong is so for each of its cells, and told once.
  const problems = new Set<string>();
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      for (const line of linesOf(error)) problems.add(line);
      return undefined;
    }
  };
  const overlays = new Overlays(folder);
  const broken = overlays.names().filter((name) => attempt(() => overlays.overlay(name) ?? true) === undefined);
  const fleet = attempt(() => readFleet(folder));
  const files = attempt(() => readStackFiles(folder));
  if (fleet === undefined) return { cells: 0, stacks: 0, problems: inOrder(problems) };

  for (const problem of overlays.unused(fleet)) problems.add(problem);
  const stacks = files && attempt(() => stacksOf(fleet, files));
  const stackOf = new Map<string, string>();
  for (const [stack, cells] of stacks ?? []) for (const { id } of cells) stackOf.set(id, stack);
  const last = ({ id }: FleetCell) => files?.get(stackOf.get(id) ?? "")?.cell;
  const configured: ConfiguredCell[] = [];
  for (const cell of fleet.cells) {
    const stack = stackOf.get(cell.id);
    if (stacks !== undefined && stack === undefined)
      problems.add(`fleet.yaml: the cell ${cell.id} is in no stack; list it below clawfleet:cells of one`);
    if (overlays.namesOf(cell).some((name) => broken.includes(name))) continue;
    attempt(() => configured.push({ ...cell, config: overlays.settings(cell, last(cell)) }));
  }
  for (const { cell, path, what } of collisions(configured))
    problems.add(`${overlays.locate(cell, last(cell))(path)}: ${formatPath(path)}: ${what}`);
  return { cells: fleet.cells.length, stacks: stacks?.size ?? 0, problems: inOrder(problems) };
}

/** By file and line. */
function inOrder(problems: Set<string>): string[] {
  return [...problems].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** What an error tells, a line for each problem. */
function linesOf({ what, where, fix }: FleetError): string[] {
  if (where === undefined) return what.split("\n  ");
  return [`${where}: ${what}${fix === undefined ? "" : `; ${fix}`}`];
}

/** Prints a JSON Schema, or writes all of them into a folder. */
export async function printSchema(options: { which: SchemaName; out?: string }): Promise<void> {
  const { jsonSchema, SCHEMA_NAMES } = await import("../stacks/fleet/json-schema.js");
  if (options.out === undefined) {
    process.stdout.write(jsonSchema(options.which));
    return;
  }
  mkdirSync(options.out, { recursive: true });
  for (const name of SCHEMA_NAMES) writeFileSync(join(options.out, `${name}.schema.json`), jsonSchema(name));
}

/** Prints the stacks and their cells. */
export function printStacks(options: { folder?: string; json: boolean }): void {
  const { stacks } = new FleetFiles(options.folder);
  const rows = [...stacks].map(([name, cells]) => ({ name, cells: cells.map(({ id }) => ({ id })) }));
  if (options.json) process.stdout.write(json(rows));
  else for (const { name, cells } of rows) process.stdout.write(`${name}: ${cells.map(({ id }) => id).join(", ")}\n`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
