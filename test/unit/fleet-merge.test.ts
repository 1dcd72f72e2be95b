import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatPath,
  isMap,
  mergeLayers,
  mergeSettings,
  type Layer,
  type YamlMap,
  type YamlValue,
} from "../../stacks/fleet/merge";

const keys = fc.constantFrom("a", "b", "c", "d.e", "__proto__", "");
const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.string({ maxLength: 3 }), fc.constant(null));
const { map } = fc.letrec<{ value: YamlValue; map: YamlMap }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(scalar, { maxLength: 2 }), tie("map")),
  map: fc.dictionary(keys, tie("value"), { maxKeys: 4, noNullPrototype: true }),
}));
const layersOf = (settings: YamlMap[]): Layer[] =>
  settings.map((layer, index) => ({ name: `layer ${String(index)}`, settings: layer }));

/** The rules, written as naively as they can be: over entries, without a thought for speed. */
function naive(base: YamlValue | undefined, over: YamlValue): YamlValue | undefined {
  if (over === null) return undefined;
  if (!isMap(over)) return over;
  const below = isMap(base) ? base : {};
  const all = [...Object.keys(below), ...Object.keys(over).filter((key) => !Object.hasOwn(below, key))];
  const pairs = all.map((key): [string, YamlValue | undefined] => [
    key,
    Object.hasOwn(over, key)
      ? naive(Object.hasOwn(below, key) ? below[key] : undefined, over[key] ?? null)
      : below[key],
  ]);
  return Object.fromEntries(pairs.filter((pair): pair is [string, YamlValue] => pair[1] !== undefined));
}

/** Every leaf with its path. */
function leaves(value: YamlValue, path: string[] = []): [string[], YamlValue][] {
  if (!isMap(value) || (Object.keys(value).length === 0 && path.length > 0))
    return path.length > 0 ? [[path, value]] : [];
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]));
}

function at(value: YamlValue | undefined, path: string[]): YamlValue | undefined {
  return path.reduce<YamlValue | undefined>(
    (below, key) => (isMap(below) && Object.hasOwn(below, key) ? below[key] : undefined),
    value,
  );
}

describe("the merge of layers", () => {
  it("merges maps, replaces lists, and removes what is null", () => {
    const { settings, origins } = mergeLayers(
      layersOf([
        { image: "a", ports: [1, 2], quota: { pods: 3, cpu: "4" }, entry: { host: "x" }, labels: { "e.com/t": "1" } },
        { ports: [3], quota: { pods: 5 }, entry: null },
        { entry: { tls: {} }, quota: { cpu: null } },
      ]),
    );
    assert.deepEqual(settings, {
      image: "a",
      ports: [3],
      quota: { pods: 5 },
      entry: { tls: {} },
      labels: { "e.com/t": "1" },
    });
    assert.deepEqual(Object.fromEntries(origins), {
      image: "layer 0",
      ports: "layer 1",
      "quota.pods": "layer 1",
      "entry.tls": "layer 2",
      'labels["e.com/t"]': "layer 0",
    });
  });

  it("folds strictly from the left, as the naive merge does", () => {
    fc.assert(
      fc.property(fc.array(map, { maxLength: 5 }), (settings) => {
        const expected = settings.reduce<YamlMap>((merged, layer) => naive(merged, layer) as YamlMap, {});
        assert.deepEqual(mergeSettings(layersOf(settings)), expected);
        assert.deepEqual(mergeLayers(layersOf(settings)).settings, expected);
      }),
      { numRuns: 500 },
    );
  });

  it("knows for every leaf the last layer that said it, and for nothing else", () => {
    fc.assert(
      fc.property(fc.array(map, { maxLength: 5 }), (settings) => {
        const { settings: merged, origins } = mergeLayers(layersOf(settings));
        const found = leaves(merged);
        assert.deepEqual([...origins.keys()].sort(), found.map(([path]) => formatPath(path)).sort());
        for (const [path, value] of found) {
          const index = Number(origins.get(formatPath(path))?.split(" ")[1]);
          const said = at(settings[index], path);
          // An empty map may also be what is left of one whose keys were all removed.
          if (isMap(value)) assert.ok(isMap(said), formatPath(path));
          else assert.deepEqual(said, value, formatPath(path));
          for (const later of settings.slice(index + 1)) assert.equal(at(later, path), undefined, formatPath(path));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("invents no key and loses none", () => {
    fc.assert(
      fc.property(fc.array(map, { minLength: 1, maxLength: 4 }), (settings) => {
        const merged = mergeSettings(layersOf(settings));
        const known = new Set(settings.flatMap((layer) => Object.keys(layer)));
        for (const key of Object.keys(merged)) assert.ok(known.has(key), key);
        for (const key of known) {
          const last = settings.findLast((layer) => Object.hasOwn(layer, key))?.[key];
          assert.equal(Object.hasOwn(merged, key), last !== null, key);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("changes none of its layers", () => {
    fc.assert(
      fc.property(fc.array(map, { maxLength: 4 }), (settings) => {
        const before = structuredClone(settings);
        mergeLayers(layersOf(settings));
        assert.deepEqual(settings, before);
      }),
    );
  });
});
