import type { Locate } from "./problems";

/** A value as YAML has it. */
export type YamlValue = string | number | boolean | null | YamlValue[] | YamlMap;
export interface YamlMap {
  [key: string]: YamlValue;
}

/** Settings, and what they are called when someone asks where a value came from. */
export interface Layer {
  /** For example `environment/prod`. */
  name: string;
  settings: YamlMap;
  /** Where in its file a value stands. */
  locate?: Locate;
}

/** What the layers come to. */
export interface Merged {
  settings: YamlMap;
  /** The layer that each leaf came from, by its path as `formatPath` writes it. A list is one leaf, and so is an empty map. */
  origins: Map<string, string>;
}

/**
 * Folds layers from the first to the last; a later one wins. Maps merge key by key, everything else is replaced as a
 * whole (lists too), and an explicit `null` removes what earlier layers said.
 */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const origins = new Map<string, string>();
  const settings = layers.reduce<YamlMap>(
    (merged, layer) => mergeMaps(merged, layer.settings, [], origins, layer.name),
    {},
  );
  return { settings, origins };
}

/** The same without origins, for whoever does not ask where a value came from. */
export function mergeSettings(layers: readonly Layer[]): YamlMap {
  return layers.reduce<YamlMap>((merged, { settings }) => mergeMaps(merged, settings, []), {});
}

function mergeMaps(
  base: YamlMap,
  over: YamlMap,
  path: readonly string[],
  origins?: Map<string, string>,
  layer = "",
): YamlMap {
  // A map of its own, so that no key of a file (`__proto__`) means anything but itself.
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const at = [...path, key];
    const before = merged.get(key);
    const beneath = isMap(before) ? before : {};
    if (isMap(value)) {
      if (!isMap(before)) forget(origins, before, at);
      if (isMap(before) && Object.keys(before).length === 0) origins?.delete(formatPath(at));
      const child = mergeMaps(beneath, value, at, origins, layer);
      if (Object.keys(child).length === 0) origins?.set(formatPath(at), layer);
      merged.set(key, child);
    } else {
      forget(origins, before, at);
      if (value === null) merged.delete(key);
      else {
        merged.set(key, value);
        origins?.set(formatPath(at), layer);
      }
    }
  }
  return Object.fromEntries(merged);
}

/** Drops the origins of a value that is replaced or removed. */
function forget(origins: Map<string, string> | undefined, value: YamlValue | undefined, path: readonly string[]): void {
  if (origins === undefined || value === undefined) return;
  origins.delete(formatPath(path));
  if (isMap(value)) for (const [key, child] of Object.entries(value)) forget(origins, child, [...path, key]);
}

/** Whether a value is a map. */
export function isMap(value: unknown): value is YamlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A path in words: `gateway.egress[0].cidr`; a key that is no plain word is quoted: `labels["example.com/team"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((before, part) => {
    if (typeof part === "number") return `${before}[${String(part)}]`;
    const key = String(part);
    if (!/^[\w-]+$/.test(key)) return `${before}[${JSON.stringify(key)}]`;
    return before === "" ? key : `${before}.${key}`;
  }, "");
}
