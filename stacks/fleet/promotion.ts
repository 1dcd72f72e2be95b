import { isDeepStrictEqual } from "node:util";
import { differencesOf, leavesOf, valueAt, withValue, type Difference } from "./leaves";
import { layerFor } from "./layer-for";
import { formatPath, isMap, type YamlMap, type YamlValue } from "./merge";
import { agentOf, ownerOf, partsAbove, promotedAs, PROMOTED, secretOf, type Promoted } from "./promoted";

/** What a promotion starts from. The settings of an environment are what base and its overlay come to. */
export interface PromotionArgs {
  /** The environment that is promoted. */
  source: { name: string; settings: YamlMap; cells: YamlMap[] };
  /** The one that it is promoted to, and what its overlay alone says. */
  target: { name: string; settings: YamlMap; layer: YamlMap };
  /** The settings of base alone. */
  base: YamlMap;
  /** What is promoted. */
  kinds: readonly Promoted[];
}

/** A setting of the target that changes. */
export interface Change extends Difference {
  kind: Promoted;
}

/** What differs and stays as it is, and why. */
export interface LeftOut {
  path: string;
  reason: string;
}

/** What a promotion comes to. */
export interface Promotion {
  changes: Change[];
  /** What the target's overlay has to say for that. */
  layer: YamlMap;
  leftOut: LeftOut[];
}

/**
 * What a promotion changes: of the settings that are promoted, those that differ, where a cell of the source runs them.
 * What the source does not set is taken away from the target, too, but for references to secrets.
 */
export function promotion(args: PromotionArgs): Promotion {
  const { source, target, base, kinds } = args;
  const reasons = new Map<string, string>();
  let wanted = target.settings;
  for (const { keys } of leavesOf(target.settings)) {
    if (!isRemoved(keys, args)) continue;
    if (runs(keys, undefined, args)) wanted = without(wanted, keys, args);
    else reasons.set(formatPath(keys), runsNowhere(source.name));
  }
  for (const kind of PROMOTED.filter((one) => kinds.includes(one))) {
    for (const { keys, value } of leavesOf(source.settings)) {
      const before = valueAt(wanted, keys);
      if (promotedAs(keys) !== kind || isDeepStrictEqual(before, value)) continue;
      // An empty map says no more than that there is one.
      if (isMap(value) && isMap(before)) continue;
      if (belongsTo(keys, target.settings)) continue;
      const obstacle = obstacleTo(keys, value, wanted, args);
      if (obstacle === undefined) wanted = withValue(wanted, keys, value);
      else reasons.set(obstacle.path, obstacle.reason);
    }
  }
  return {
    changes: changesOf(target.settings, wanted),
    layer: layerFor(base, target.layer, target.settings, wanted),
    leftOut: [...reasons].map(([path, reason]) => ({ path, reason })),
  };
}

function changesOf(before: YamlMap, after: YamlMap): Change[] {
  const leaves = [...leavesOf(before), ...leavesOf(after)];
  const keysOf = new Map(leaves.map(({ keys }) => [formatPath(keys), keys]));
  return differencesOf(before, after).flatMap((difference) => {
    const keys = keysOf.get(difference.path) ?? [];
    const kind = promotedAs(keys) ?? (agentOf(keys) && "config");
    // Else it is the empty map that is left of a part.
    return kind === undefined ? [] : [{ ...difference, kind }];
  });
}

/** Whether a setting of the target goes, since the source has none. */
function isRemoved(keys: readonly string[], { source, target, kinds }: PromotionArgs): boolean {
  const agent = agentOf(keys);
  // Whether there is an agent is config, and what it has goes with it.
  if (agent !== undefined && kinds.includes("config") && valueAt(source.settings, agent) === undefined) return true;
  const kind = promotedAs(keys);
  if (kind === undefined || !kinds.includes(kind) || valueAt(source.settings, keys) !== undefined) return false;
  // A source without the part says nothing about it.
  if (!partsAbove(keys).every((part) => isMap(valueAt(source.settings, part)))) return false;
  if (belongsTo(keys, source.settings)) return false;
  const secret = secretOf(keys);
  return secret === undefined || (isMap(valueAt(source.settings, secret)) && !differentSource(secret, source, target));
}

/** Whether a setting is a host or a limit of something that some settings have. */
function belongsTo(keys: readonly string[], settings: YamlMap): boolean {
  const owner = ownerOf(keys);
  return owner !== undefined && isMap(valueAt(settings, owner));
}

/** Whether a cell of the source comes to a value, or to none: later layers may say otherwise. */
function runs(keys: readonly string[], value: YamlValue | undefined, { source }: PromotionArgs): boolean {
  return source.cells.some((settings) => {
    const own = valueAt(settings, keys);
    return isDeepStrictEqual(own, value) || (isMap(own) && isMap(value));
  });
}

function runsNowhere(source: string): string {
  return `no cell of ${source} runs with it: a later layer says otherwise in each`;
}

/** Why a setting of the source cannot be the target's as it is; undefined when it can. */
function obstacleTo(
  keys: readonly string[],
  value: YamlValue,
  wanted: YamlMap,
  args: PromotionArgs,
): LeftOut | undefined {
  const { source, target, kinds } = args;
  const missing = partsAbove(keys).find((part) => !isMap(valueAt(target.settings, part)));
  if (missing !== undefined) return { path: formatPath(missing), reason: `${target.name} does not have that part` };
  const agent = agentOf(keys);
  if (agent !== undefined && !kinds.includes("config") && valueAt(wanted, agent) === undefined)
    return { path: formatPath(agent), reason: `${target.name} has no such agent; promote config as well` };
  const secret = secretOf(keys);
  const reason = secret && differentSource(secret, source, target);
  if (secret !== undefined && reason !== undefined) return { path: formatPath(secret), reason };
  return runs(keys, value, args) ? undefined : { path: formatPath(keys), reason: runsNowhere(source.name) };
}

/** Why a reference to a secret means nothing to the target; undefined when the secret is from the same kind of place. */
function differentSource(
  secret: readonly string[],
  source: PromotionArgs["source"],
  target: PromotionArgs["target"],
): string | undefined {
  const from = placeOf(secret, source.settings);
  if (from === undefined || from === "generated") return "every environment generates its own";
  const to = placeOf(secret, target.settings);
  if (to !== undefined && to !== from) return `it is ${from} in ${source.name}, and ${to} in ${target.name}`;
  if (from === "external" && !isMap(target.settings.externalSecrets)) return `${target.name} has no store for it`;
  return undefined;
}

/** Where an environment takes a secret from; undefined when it does not say. */
function placeOf(secret: readonly string[], settings: YamlMap): string | undefined {
  const options = valueAt(settings, secret);
  const from = isMap(options) ? options.from : undefined;
  if (typeof from === "string") return from;
  return isMap(settings.externalSecrets) ? "external" : undefined;
}

/** The settings without a leaf, and without the promoted maps above that it was all of. */
function without(settings: YamlMap, keys: readonly string[], args: PromotionArgs): YamlMap {
  const rest = withValue(settings, keys, undefined);
  const above = keys.slice(0, -1);
  const left = valueAt(rest, above);
  const kind = promotedAs(above);
  if (!isMap(left) || Object.keys(left).length > 0 || kind === undefined || !args.kinds.includes(kind)) return rest;
  return isMap(valueAt(args.source.settings, above)) ? rest : without(rest, above, args);
}
