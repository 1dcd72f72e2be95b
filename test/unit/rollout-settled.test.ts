import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuthExpired } from "../../components/errors";
import { Environment } from "../../components/environment";
import { SettledCells, type SettledOptions } from "../../stacks/fleet/rollout/settled";
import type { ClusterReader } from "../../stacks/cluster-connection";

const CELL = { id: "east", stack: "dev-east", environment: Environment.Dev, configHash: "config" };
const FROZEN = { gitRevision: "", configHash: "", lockHash: "lock", policyHash: "policy" };

type Objects = Record<string, Record<string, unknown>>;

const configMap = (data: string): Record<string, unknown> => ({
  metadata: { name: "settings", uid: "1", resourceVersion: "7", managedFields: [{ manager: "pulumi" }] },
  data: { data },
});
const LIVE: Objects = {
  settings: configMap("a"),
  namespace: { kind: "Namespace", metadata: { name: "east", uid: "2" }, status: { phase: "Active" } },
};

/** An API server with a Namespace and the ConfigMaps in it; counts what it is asked. */
function clusterWith({ namespace, ...configMaps }: Objects): ClusterReader & { asked: string[] } {
  const asked: string[] = [];
  const resources = [
    { name: "namespaces", kind: "Namespace", namespaced: false },
    { name: "namespaces/status", kind: "Namespace", namespaced: false },
    { name: "configmaps", kind: "ConfigMap", namespaced: true },
  ];
  const answers: Record<string, unknown> = {
    "/api/v1": { resources },
    "/api/v1/namespaces/east": namespace,
    "/api/v1/namespaces/east/configmaps": { items: Object.values(configMaps) },
  };
  return {
    asked,
    get: (path) => {
      asked.push(path);
      return Promise.resolve(answers[path]);
    },
  };
}

describe("a cell that has not changed since it was healthy", () => {
  let folder: string;
  let options: SettledOptions;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-settled-"));
    options = {
      stateFolder: folder,
      backend: join(folder, "backend"),
      frozen: FROZEN,
      run: "r00001",
      today: "2026-11-21T10:00:00Z",
    };
    writeState({});
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function writeState(latest: Record<string, unknown>): void {
    const object = (kind: string, id: string) => ({
      type: `kubernetes:core/v1:${kind}`,
      id,
      inputs: { apiVersion: "v1", kind },
    });
    const resources = [
      { type: "pulumi:pulumi:Stack" },
      { type: "pulumi:providers:kubernetes", id: "p", inputs: {} },
      object("Namespace", "east"),
      object("ConfigMap", "east/settings"),
    ];
    const stacks = join(folder, "backend", ".pulumi", "stacks", "clawfleet");
    mkdirSync(stacks, { recursive: true });
    writeFileSync(join(stacks, "dev-east.json"), JSON.stringify({ checkpoint: { latest: { resources, ...latest } } }));
  }

  const remembered = async (): Promise<void> => new SettledCells(options).remember(CELL, clusterWith(LIVE));
  const since = (changed: Partial<SettledOptions> = {}, live: Objects = LIVE, cell = CELL) =>
    new SettledCells({ ...options, run: "r00002", ...changed }).since(cell, clusterWith(live));

  it("is told with the run that it is since, whatever became of statuses and resource versions", async () => {
    assert.equal(await since(), undefined, "nothing is remembered yet");
    await remembered();
    const settings = { ...configMap("a"), status: { any: 1 } };
    (settings as unknown as { metadata: Record<string, unknown> }).metadata.resourceVersion = "8";
    assert.equal(await since({}, { ...LIVE, settings, other: { metadata: { name: "someone's" } } }), "r00001");
  });

  it("asks for each kind once, and for what has no namespace by its name", async () => {
    const cluster = clusterWith(LIVE);
    await new SettledCells(options).remember(CELL, cluster);
    assert.deepEqual(cluster.asked.sort(), [
      "/api/v1",
      "/api/v1/namespaces/east",
      "/api/v1/namespaces/east/configmaps",
    ]);
  });

  for (const [what, changed] of Object.entries<Partial<SettledOptions>>({
    "the program": { frozen: { ...FROZEN, lockHash: "other" } },
    "the policies": { frozen: { ...FROZEN, policyHash: "other" } },
    "the day, on which an exemption may have expired": { today: "2026-11-22T00:00:00Z" },
  }))
    it(`has changed with ${what}`, async () => {
      await remembered();
      assert.equal(await since(changed), undefined);
    });

  it("has changed with its settings, its checkpoint, or an object that is another or gone", async () => {
    await remembered();
    assert.equal(await since({}, LIVE, { ...CELL, configHash: "other" }), undefined);
    assert.equal(await since({}, { ...LIVE, settings: configMap("b") }), undefined);
    const without = { namespace: LIVE.namespace ?? {} };
    assert.equal(await since({}, without), undefined);
    assert.equal(await since(), "r00001");
    writeState({ metadata: {} });
    assert.equal(await since(), undefined);
  });

  it("is not told where it cannot be: an interrupted update, a backend out of sight, credentials that may not list", async () => {
    writeState({ pending_operations: [{}] });
    await remembered();
    assert.equal(await since(), undefined);
    writeState({});
    await remembered();
    assert.equal(await since({ backend: undefined }), undefined);
    const forbidden = { get: () => Promise.reject(new AuthExpired({ what: "may not list" })) };
    assert.equal(await new SettledCells(options).since(CELL, forbidden), undefined);
  });
});
