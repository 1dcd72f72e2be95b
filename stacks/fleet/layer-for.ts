import { isDeepStrictEqual } from "node:util";
import { child } from "./leaves";
import { isMap, type YamlMap, type YamlValue } from "./merge";

/**
 * What a layer on top of a base has to say to come to the settings that are wanted. What is not to change stays as the
 * layer has it, also what it says without need.
 * @param before what base and layer come to.
 */
export function layerFor(base: YamlMap, layer: YamlMap, before: YamlMap, wanted: YamlMap): YamlMap {
  const keys = new Set([...Object.keys(layer), ...Object.keys(wanted), ...Object.keys(base)]);
  return Object.fromEntries(
    [...keys].flatMap((key): [string, YamlValue][] => {
      const value = layerValue(child(base, key), child(layer, key), child(before, key), child(wanted, key));
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function layerValue(
  base: YamlValue | undefined,
  layer: YamlValue | undefined,
  before: YamlValue | undefined,
  wanted: YamlValue | undefined,
): YamlValue | undefined {
  if (isDeepStrictEqual(before, wanted)) return layer;
  if (wanted === undefined) return base === undefined ? undefined : null;
  if (!isMap(wanted)) return isDeepStrictEqual(base, wanted) ? undefined : wanted;
  const below = isMap(base) ? base : {};
  // What stands in the place of a whole map, as null does, says nothing of what is in it.
  const value = isMap(layer)
    ? layerFor(below, layer, isMap(before) ? before : {}, wanted)
    : layerFor(below, {}, below, wanted);
  return isMap(base) && Object.keys(value).length === 0 ? undefined : value;
}
