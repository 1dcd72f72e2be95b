import { formatPath, isMap, type YamlMap, type YamlValue } from "./merge";

/** A setting that no other is beneath: a plain value, a list, an empty map. */
export interface Leaf {
  keys: string[];
  value: YamlValue;
}

/** Where two settings differ; undefined where there is none. */
export interface Difference {
  path: string;
  from: YamlValue | undefined;
  to: YamlValue | undefined;
}

/** Every leaf of some settings, in their order. */
export function leavesOf(settings: YamlMap, above: readonly string[] = []): Leaf[] {
  return Object.entries(settings).flatMap(([key, value]) => {
    const keys = [...above, key];
    return isMap(value) && Object.keys(value).length > 0 ? leavesOf(value, keys) : [{ keys, value }];
  });
}

/** Where two settings differ, leaf by leaf, in the order of their paths. */
export function differencesOf(from: YamlMap, to: YamlMap): Difference[] {
  const [before, after] = [from, to].map(
    (settings) => new Map(leavesOf(settings).map(({ keys, value }) => [formatPath(keys), value])),
  ) as [Map<string, YamlValue>, Map<string, YamlValue>];
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((path) => ({ path, from: before.get(path), to: after.get(path) }))
    .filter((difference) => JSON.stringify(difference.from) !== JSON.stringify(difference.to));
}

/** A difference as a line: `+ path: value`, `- path: value` or `~ path: before -> after`. */
export function inWords({ path, from, to }: Difference): string {
  if (from === undefined) return `+ ${path}: ${JSON.stringify(to)}`;
  if (to === undefined) return `- ${path}: ${JSON.stringify(from)}`;
  return `~ ${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

/** What stands at a path; undefined where nothing does. */
export function valueAt(settings: YamlMap, keys: readonly string[]): YamlValue | undefined {
  return keys.reduce<YamlValue | undefined>((value, key) => (isMap(value) ? child(value, key) : undefined), settings);
}

/** What a map has under a key, and no key of the prototype's. */
export function child(map: YamlMap, key: string): YamlValue | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** The same settings with another value at a path; `undefined` takes it away. Maps on the way are made. */
export function withValue(settings: YamlMap, keys: readonly string[], value: YamlValue | undefined): YamlMap {
  const [key = "", ...rest] = keys;
  const entries = new Map(Object.entries(settings));
  const before = entries.get(key);
  const after = rest.length === 0 ? value : withValue(isMap(before) ? before : {}, rest, value);
  if (after === undefined) entries.delete(key);
  else entries.set(key, after);
  return Object.fromEntries(entries);
}
