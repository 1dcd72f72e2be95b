import assert from "node:assert/strict";
import fc from "fast-check";
import { differencesOf, leavesOf, valueAt, withValue } from "../../stacks/fleet/leaves";
import { formatPath, isMap, mergeSettings, type YamlMap, type YamlValue } from "../../stacks/fleet/merge";
import { agentOf, promotedAs, PROMOTED, promotedHashes, type Promoted } from "../../stacks/fleet/promoted";
import { promotion, type Promotion } from "../../stacks/fleet/promotion";

const AGENT = "gateway.openclaw.agents.entries.writer";
const KEY = "modelProxy.providerKeys.openai";

const merged = (...layers: YamlMap[]) => mergeSettings(layers.map((settings) => ({ name: "", settings })));
const at = (settings: YamlMap, path: string) => valueAt(settings, path.split("."));

/** Settings from their leaves; a path's parts are divided by dots. */
const settingsOf = (leaves: Record<string, YamlValue>) =>
  Object.entries(leaves).reduce<YamlMap>((all, [path, value]) => withValue(all, path.split("."), value), {});

interface Layers {
  base?: YamlMap;
  dev: YamlMap;
  stage?: YamlMap;
  kinds?: readonly Promoted[];
  /** What a later layer says in every cell of dev. */
  later?: YamlMap;
}

function promote({ base = {}, dev, stage = {}, kinds = PROMOTED, later = {} }: Layers): Promotion {
  const settings = merged(base, dev);
  return promotion({
    source: { name: "dev", settings, cells: [merged(settings, later)] },
    target: { name: "stage", settings: merged(base, stage), layer: stage },
    base: merged(base),
    kinds,
  });
}

describe("what a promotion takes", () => {
  const kinds: Record<string, Promoted | undefined> = {
    "gateway.image": "images",
    "telemetry.collector.brokerExporterImage": "images",
    "entry.ingress.annotations.image": undefined,
    "gateway.openclaw.models.primary": "config",
    "gateway.openclaw.tools.deny": "config",
    "modelProxy.models.chat.model": "config",
    [`${AGENT}.model`]: "config",
    [`${AGENT}.files.AGENTS_md`]: "content",
    [`${AGENT}.skills.image`]: "content",
    [`${AGENT}.heartbeat.prompt`]: "content",
    [`${KEY}.existingName`]: "refs",
    "gateway.channels.telegram.botToken.existingKey": "refs",
    [`${KEY}.version`]: undefined,
    [`${AGENT}.channels`]: undefined,
    [`${AGENT}.heartbeat.to`]: undefined,
    "gateway.openclaw.controlUi.mode": undefined,
    "gateway.openclaw.http.chatCompletions": undefined,
    "gateway.resources.limitsMemory": undefined,
    "modelProxy.replicas": undefined,
    "entry.host": undefined,
    "externalSecrets.store": undefined,
    namespace: undefined,
    "no.such.option": undefined,
  };
  for (const [path, kind] of Object.entries(kinds))
    it(`${path}: ${kind ?? "nothing"}`, () => assert.equal(promotedAs(path.split(".")), kind));
});

describe("a promotion", () => {
  it("takes what differs over, and says it in the target's overlay alone", () => {
    const { changes, layer, leftOut } = promote({
      base: settingsOf({ "modelProxy.models.chat.model": "openai/a", "gateway.openclaw.cron": true }),
      dev: settingsOf({ "modelProxy.models.chat.model": "openai/b", "gateway.image": "b", "modelProxy.replicas": 1 }),
      stage: settingsOf({ "modelProxy.replicas": 2 }),
    });
    assert.deepEqual(changes, [
      { path: "gateway.image", from: undefined, to: "b", kind: "images" },
      { path: "modelProxy.models.chat.model", from: "openai/a", to: "openai/b", kind: "config" },
    ]);
    assert.deepEqual(
      layer,
      settingsOf({ "modelProxy.replicas": 2, "modelProxy.models.chat.model": "openai/b", "gateway.image": "b" }),
    );
    assert.deepEqual(leftOut, []);
  });

  it("says nothing that base says, and takes away what the source does not have", () => {
    const { layer } = promote({
      base: settingsOf({ "gateway.openclaw.models.primary": "a", "gateway.openclaw.cron": false }),
      dev: settingsOf({ "gateway.openclaw.cron": null }),
      stage: settingsOf({ "gateway.openclaw.models.primary": "old", "gateway.image": "old", retain: true }),
    });
    assert.deepEqual(layer, { retain: true, gateway: { openclaw: { cron: null } } });
  });

  it("takes only what is asked for", () => {
    const dev = settingsOf({ "gateway.image": "b", "gateway.openclaw.cron": false, [`${AGENT}.files.x`]: "text" });
    for (const [kind, paths] of Object.entries({
      images: ["gateway.image"],
      config: ["gateway.openclaw.cron"],
      content: [],
      refs: [],
    }))
      assert.deepEqual(
        promote({ dev, kinds: [kind as Promoted] }).changes.map(({ path }) => path),
        paths,
      );
    assert.deepEqual(promote({ dev, kinds: ["content"] }).leftOut, [
      { path: AGENT, reason: "stage has no such agent; promote config as well" },
    ]);
  });

  it("switches no part on or off", () => {
    const image = settingsOf({ "browser.image": "b", "modelProxy.cache.own.image": "c" });
    assert.deepEqual(promote({ dev: image, stage: { modelProxy: {} } }).leftOut, [
      { path: "browser", reason: "stage does not have that part" },
      { path: "modelProxy.cache", reason: "stage does not have that part" },
    ]);
    // What dev has no browser for says nothing of stage's; and without its image, stage's browser is still there.
    assert.deepEqual(promote({ dev: {}, stage: image }).changes, []);
    assert.deepEqual(promote({ dev: { browser: {} }, stage: image }).layer, { ...image, browser: {} });
  });

  it("leaves hosts and limits as they are, but for those of something new", () => {
    const dev = settingsOf({
      "modelProxy.models.chat.model": "openai/b",
      "modelProxy.models.chat.apiBase": "https://dev.example.com",
      "modelProxy.models.new.model": "openai/c",
      "modelProxy.models.new.rpm": 5,
    });
    const stage = settingsOf({ "modelProxy.models.chat.model": "openai/a", "modelProxy.models.chat.rpm": 9 });
    assert.deepEqual(promote({ dev, stage }).layer.modelProxy, {
      models: { chat: { model: "openai/b", rpm: 9 }, new: { model: "openai/c", rpm: 5 } },
    });
  });

  it("takes away an agent with all that it has", () => {
    const stage = settingsOf({
      [`${AGENT}.files.x`]: "text",
      [`${AGENT}.channels`]: ["telegram"],
      "gateway.image": "a",
    });
    const { layer } = promote({ dev: settingsOf({ "gateway.image": "a" }), stage });
    assert.deepEqual(layer, { gateway: { image: "a" } });
  });

  it("leaves out what no cell of the source runs", () => {
    const later = settingsOf({ "gateway.image": "c" });
    const { changes, leftOut } = promote({ dev: settingsOf({ "gateway.image": "b" }), later });
    assert.deepEqual(changes, []);
    assert.deepEqual(leftOut, [
      { path: "gateway.image", reason: "no cell of dev runs with it: a later layer says otherwise in each" },
    ]);
    assert.deepEqual(promote({ dev: {}, stage: settingsOf({ "gateway.image": "a" }), later }).changes, []);
  });

  it("takes a reference to a secret over only where the secret is from the same kind of place", () => {
    const existing = settingsOf({
      [`${KEY}.from`]: "existing",
      [`${KEY}.existingName`]: "models",
      [`${KEY}.version`]: 2,
    });
    const stage: YamlMap = { modelProxy: {} };
    assert.deepEqual(promote({ dev: existing, stage }).layer.modelProxy, {
      providerKeys: { openai: { from: "existing", existingName: "models" } },
    });
    const reasonOf = (layers: Layers) => promote(layers).leftOut.map(({ reason }) => reason);
    const store: YamlMap = { externalSecrets: { store: "s" } };
    assert.deepEqual(reasonOf({ dev: existing, stage: { ...stage, ...store } }), [
      "it is existing in dev, and external in stage",
    ]);
    assert.deepEqual(reasonOf({ dev: settingsOf({ [`${KEY}.from`]: "generated" }), stage }), [
      "every environment generates its own",
    ]);
    const external = settingsOf({ [`${KEY}.externalKey`]: "models/openai" });
    assert.deepEqual(reasonOf({ dev: { ...external, ...store }, stage }), ["stage has no store for it"]);
    assert.deepEqual(promote({ dev: { ...external, ...store }, stage: { ...stage, ...store } }).leftOut, []);
    // A secret that only the target has is its own.
    assert.deepEqual(promote({ dev: stage, stage: existing }).changes, []);
  });
});

/** Paths of every kind, with values for each; null takes away what base says. */
const VALUES: Record<string, YamlValue[]> = {
  "gateway.image": ["a", "b", null],
  "gateway.resources.limitsMemory": ["1Gi", "2Gi"],
  "gateway.openclaw": [{}, null],
  "gateway.openclaw.models.primary": ["a", "b", null],
  "gateway.openclaw.models.providers.p.baseUrl": ["https://a", "https://b"],
  "gateway.openclaw.models.providers.p.models": [[{ id: "a" }], []],
  "gateway.openclaw.tools.deny": [["a"], ["b"], []],
  "gateway.openclaw.controlUi.label": ["a", "b"],
  [`${AGENT}.model`]: ["a", "b"],
  [`${AGENT}.channels`]: [["slack"]],
  [`${AGENT}.files.x`]: ["a", "b\nc\n", null],
  [`${AGENT}.skills`]: [{}, null],
  browser: [{}, null],
  "browser.image": ["a", "b"],
  modelProxy: [{}, null],
  "modelProxy.replicas": [1, 2],
  "modelProxy.models.chat.model": ["a", "b"],
  "modelProxy.models.chat.apiBase": ["https://a", null],
  "modelProxy.cache.own.image": ["a", "b"],
  [`${KEY}.from`]: ["existing", "external", "value", "generated"],
  [`${KEY}.existingName`]: ["a", "b"],
  [`${KEY}.version`]: [1, 2],
  "entry.host": ["a", "b"],
  "externalSecrets.store": ["s"],
};
const layer: fc.Arbitrary<YamlMap> = fc
  .record(Object.fromEntries(Object.entries(VALUES).map(([path, values]) => [path, fc.constantFrom(...values)])), {
    requiredKeys: [],
  })
  .map((leaves) => settingsOf(leaves as Record<string, YamlValue>));
const layers = fc.record({
  base: layer,
  dev: layer,
  stage: layer,
  later: layer,
  kinds: fc.subarray([...PROMOTED], { minLength: 1 }),
});

describe("any promotion", () => {
  it("touches nothing but what is promoted, and gives it the source's value", () => {
    fc.assert(
      fc.property(layers, (all) => {
        const result = promote(all);
        const [before, after] = [merged(all.base, all.stage), merged(all.base, result.layer)];
        const keysOf = new Map([...leavesOf(before), ...leavesOf(after)].map(({ keys }) => [formatPath(keys), keys]));
        const source = merged(all.base, all.dev);
        for (const { path, from, to } of differencesOf(before, after)) {
          const keys = keysOf.get(path) ?? [];
          const kind = promotedAs(keys);
          const change = result.changes.find((one) => one.path === path);
          if (change === undefined) {
            // A map that has, or had, nothing but what is promoted is an empty one without.
            assert.deepEqual([kind, from ?? to], [undefined, {}], path);
            continue;
          }
          assert.deepEqual([change.from, change.to], [from, to]);
          const goesWithItsAgent = to === undefined && agentOf(keys) !== undefined && all.kinds.includes("config");
          assert.ok(goesWithItsAgent || (kind !== undefined && all.kinds.includes(kind)), path);
          const own = valueAt(source, keys);
          if (isMap(to) || (to === undefined && isMap(own))) continue;
          assert.deepEqual(to, own, path);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("has nothing to do a second time", () => {
    fc.assert(
      fc.property(layers, (all) => {
        const stage = promote(all).layer;
        const again = promote({ ...all, stage });
        assert.deepEqual(again.changes, []);
        assert.deepEqual(again.layer, stage);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the hashes of what is promoted", () => {
  const settings = settingsOf({ "gateway.image": "a", "gateway.openclaw.cron": true, [`${AGENT}.files.x`]: "text" });
  const hashes = promotedHashes(settings);

  it("change with what they stand for, and with nothing else", () => {
    const withPath = (path: string, value: YamlValue) => promotedHashes(withValue(settings, path.split("."), value));
    assert.deepEqual(withPath("gateway.image", "b"), {
      ...withPath("gateway.image", "b"),
      configHash: hashes.configHash,
    });
    assert.notEqual(withPath("gateway.image", "b").imagesHash, hashes.imagesHash);
    for (const [path, value] of Object.entries({ "gateway.openclaw.cron": false, [`${AGENT}.files.x`]: "texts" })) {
      assert.notEqual(withPath(path, value).configHash, hashes.configHash);
      assert.equal(withPath(path, value).imagesHash, hashes.imagesHash);
    }
    for (const path of ["modelProxy.replicas", "entry.host"]) assert.deepEqual(withPath(path, 2), hashes);
  });

  it("are those of the same settings in another order", () => {
    const models = (item: YamlMap) =>
      promotedHashes(settingsOf({ "gateway.openclaw.models.providers.p.models": [item] }));
    assert.deepEqual(models({ id: "a", name: "b" }), models({ name: "b", id: "a" }));
    const reversed = Object.fromEntries(Object.entries(at(settings, "gateway") as YamlMap).reverse());
    assert.deepEqual(promotedHashes({ gateway: reversed }), hashes);
  });
});
