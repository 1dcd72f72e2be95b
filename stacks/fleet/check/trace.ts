import { isMap, type Layer, type YamlMap, type YamlValue } from "../merge";
import { keysOf, type PropertyOfCell, type SourceLine, type Trace } from "./findings";

/** A cell's settings, and the layers that they are from. */
export interface TracedCell {
  settings: YamlMap;
  /** From the first to the last. */
  layers: readonly Layer[];
}

interface Leaf {
  keys: string[];
  value: YamlValue;
}

/**
 * Finds the line of the overlay that a property of a resource comes from: the setting of the component with the same value,
 * else the one with the same name, else what switches the component on. Without any the property is the component's own.
 * @param cellOf the settings of a cell by its id.
 * @param inRepository turns a file of the fleet's folder into its path from the repository's root.
 */
export function traceIn(cellOf: (id: string) => TracedCell | undefined, inRepository: (file: string) => string): Trace {
  return (property) => {
    const cell = cellOf(property.cell);
    if (cell === undefined) return undefined;
    const keys = settingOf(property, cell.settings);
    const place = keys && cell.layers.findLast(({ settings }) => hasPath(settings, keys))?.locate?.(keys);
    return place === undefined ? undefined : sourceLine(place, inRepository);
  };
}

/** The setting that a property is from; undefined where none is. */
export function settingOf({ part, path, value }: PropertyOfCell, settings: YamlMap): string[] | undefined {
  const keys = keysOf(path);
  // A policy about a cell's own args names the option itself.
  if (part === undefined) return deepest(keys, settings);
  const option = settings[part];
  if (option === undefined) return undefined;
  const leaves = leavesOf(option, [part]);
  const sameValue = isTelling(value) ? leaves.find((leaf) => leaf.value === value) : undefined;
  const names = namesOf(keys);
  const sameName = leaves.find(({ keys: leaf }) => names.includes(leaf.at(-1)?.toLowerCase() ?? ""));
  return (sameValue ?? sameName)?.keys ?? [part];
}

/** What an option may be called that sets a property: `resources.requests.cpu` is `requestsCpu`, an image `image`. */
function namesOf(keys: string[]): string[] {
  const words = keys.filter((key) => !/^\d+$/.test(key)).map((key) => key.replaceAll("-", "").toLowerCase());
  const [last = "", before = ""] = [words.at(-1), words.at(-2)];
  return [last, `${before}${last}`].filter((name) => name !== "");
}

/** Whether two places with one value are likely to be one setting: `true` and `1` are everywhere. */
function isTelling(value: unknown): boolean {
  return typeof value === "string" ? value.length >= 4 : typeof value === "number" && Math.abs(value) >= 10;
}

function deepest(keys: string[], settings: YamlMap): string[] | undefined {
  let at: YamlValue | undefined = settings;
  const found: string[] = [];
  for (const key of keys) {
    at = isMap(at) ? at[key] : undefined;
    if (at === undefined) break;
    found.push(key);
  }
  return found.length === 0 ? undefined : found;
}

function hasPath(settings: YamlMap, keys: readonly string[]): boolean {
  return deepest([...keys], settings)?.length === keys.length;
}

function leavesOf(value: YamlValue, keys: string[]): Leaf[] {
  if (!isMap(value)) return [{ keys, value }];
  return Object.entries(value).flatMap(([key, child]) => leavesOf(child, [...keys, key]));
}

function sourceLine(place: string, inRepository: (file: string) => string): SourceLine | undefined {
  const { file, line } = /^(?<file>.+?):(?<line>\d+)$/.exec(place)?.groups ?? {};
  return file === undefined ? undefined : { file: inRepository(file), line: Number(line) };
}
