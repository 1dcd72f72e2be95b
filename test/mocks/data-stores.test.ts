import assert from "node:assert/strict";
import { ValidationFailed } from "../../components/errors";
import { planPostgres, Postgres, type PostgresArgs, type PostgresOptions } from "../../components/postgres";
import { planValkey, Valkey, type ValkeyArgs, type ValkeyOptions } from "../../components/valkey";
import { ValkeyEviction } from "../../components/valkey-config";
import { differences, providers, record, type Recorder } from "./support";

const CLAIM = "kubernetes:core/v1:PersistentVolumeClaim";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const SECRET = "kubernetes:core/v1:Secret";
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";

interface PodTemplate {
  metadata: { annotations: Record<string, string> };
  spec: {
    securityContext: { runAsUser: number; fsGroup: number };
    containers: { env: { name: string; value?: string }[]; securityContext: { readOnlyRootFilesystem: boolean } }[];
    volumes: object[];
  };
}

const template = (recorder: Recorder, type: string, name: string) =>
  (recorder.get(type, name).inputs.spec as { template: PodTemplate }).template;

describe("Postgres", () => {
  let database: Postgres;
  const recordPostgres = (args: Partial<PostgresArgs> = {}) =>
    record((recorder) => {
      database = new Postgres(
        "db",
        { namespace: "agents", ...args },
        { providers: providers(), transformations: [recorder.observe] },
      );
    });

  it("registers exactly these resources alone", async () => {
    const recorder = await recordPostgres();
    assert.deepEqual(recorder.list(), [
      "clawfleet:index:Postgres db",
      "kubernetes:apps/v1:StatefulSet db",
      "kubernetes:core/v1:ConfigMap db-config",
      "kubernetes:core/v1:PersistentVolumeClaim db-data",
      "kubernetes:core/v1:Secret db-password",
      "kubernetes:core/v1:Service db",
      "kubernetes:core/v1:ServiceAccount db",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy db",
      "kubernetes:policy/v1:PodDisruptionBudget db",
      "random:index/randomPassword:RandomPassword db-password",
    ]);
    assert.deepEqual(database.endpoint, { component: "database", host: "db", port: 5432 });
    assert.deepEqual(recorder.get(SECRET, "db-password").secrets, ["stringData"]);
  });

  it("runs as the image's user, with a read-only root, on a volume of one node", async () => {
    const recorder = await recordPostgres({ volume: { size: "20Gi", storageClass: "fast" }, retain: true });
    const { spec } = template(recorder, STATEFUL_SET, "db");
    assert.deepEqual([spec.securityContext.runAsUser, spec.securityContext.fsGroup], [70, 70]);
    assert.equal(spec.containers[0]?.securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(recorder.get(CLAIM, "db-data").inputs.spec, {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "20Gi" } },
      storageClassName: "fast",
    });
    assert.equal(recorder.options(CLAIM, "db-data").retainOnDelete, true);
    assert.equal((await recordPostgres()).options(CLAIM, "db-data").retainOnDelete, false);
  });

  it("is rolled by a changed setting and by a rotated password, and by nothing else", async () => {
    const before = await recordPostgres();
    assert.deepEqual(differences(before, await recordPostgres({ password: { version: 2 } })), [
      `${STATEFUL_SET} db spec.template.metadata.annotations.clawfleet.dev/secrets`,
      "random:index/randomPassword:RandomPassword db-password keepers.version",
    ]);
    assert.deepEqual(differences(before, await recordPostgres({ maxConnections: 80 })), [
      `${STATEFUL_SET} db spec.template.spec.volumes.0.configMap.name`,
      `${CONFIG_MAP} db-config data.postgresql.conf`,
      `${CONFIG_MAP} db-config metadata.name`,
    ]);
  });

  it("refuses what cannot work, and names the option", () => {
    const bad: [PostgresOptions, string, string][] = [
      [{ maxConnections: 9 }, "postgres.maxConnections", "10"],
      [{ volume: { size: "big" } }, "postgres.volume.size", "10Gi"],
      [{ image: "postgres" }, "postgres.image", "sha256"],
      [{ resources: { limitsMemory: "64Mi" } }, "postgres.resources.limitsMemory", "requestsMemory"],
      [{ resources: { limitsMemory: "lots" } }, "postgres.resources.limitsMemory", "512Mi"],
      [{ password: { version: 0 } }, "postgres.password", "from 1 up"],
    ];
    for (const [options, where, fix] of bad) refused(() => planPostgres(options, "app"), where, fix);
    for (const name of ["Robert'); --", "postgres", "", "a".repeat(64)]) {
      refused(() => planPostgres({}, name), "postgres.database", "lower case");
    }
  });
});

describe("Valkey", () => {
  let cache: Valkey;
  const recordValkey = (args: Partial<ValkeyArgs> = {}) =>
    record(() => {
      cache = new Valkey("cache", { namespace: "agents", ...args }, { providers: providers() });
    });

  it("registers exactly these resources alone, and no volume claim", async () => {
    const recorder = await recordValkey();
    assert.deepEqual(recorder.list(), [
      "clawfleet:index:Valkey cache",
      "kubernetes:apps/v1:Deployment cache",
      "kubernetes:core/v1:ConfigMap cache-config",
      "kubernetes:core/v1:Secret cache-password",
      "kubernetes:core/v1:Service cache",
      "kubernetes:core/v1:ServiceAccount cache",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy cache",
      "kubernetes:policy/v1:PodDisruptionBudget cache",
      "random:index/randomPassword:RandomPassword cache-password",
    ]);
    assert.deepEqual(cache.endpoint, { component: "cache", host: "cache", port: 6379 });
    const { spec } = template(recorder, DEPLOYMENT, "cache");
    assert.equal(spec.securityContext.runAsUser, 999);
    assert.equal(spec.containers[0]?.securityContext.readOnlyRootFilesystem, true);
  });

  it("leaves a quarter of its memory free, and evicts as told", async () => {
    const conf = async (args: ValkeyOptions) =>
      ((await recordValkey(args)).get(CONFIG_MAP, "cache-config").inputs.data as Record<string, string>)["valkey.conf"];
    const text = await conf({ resources: { limitsMemory: "256Mi" }, eviction: ValkeyEviction.VolatileTtl });
    assert.match(text ?? "", /^maxmemory 201326592\nmaxmemory-policy volatile-ttl$/m);
  });

  it("is rolled by a rotated password", async () => {
    const changed = differences(await recordValkey(), await recordValkey({ password: { version: 2 } }));
    assert.deepEqual(changed, [
      `${DEPLOYMENT} cache spec.template.metadata.annotations.clawfleet.dev/secrets`,
      "random:index/randomPassword:RandomPassword cache-password keepers.version",
    ]);
  });

  it("refuses what cannot work, and names the option", () => {
    refused(() => planValkey({ image: "valkey:9" }), "valkey.image", "sha256");
    refused(() => planValkey({ resources: { requestsMemory: "1Gi" } }), "valkey.resources.limitsMemory", "lower");
    refused(() => planValkey({ password: { existingName: "x" } }), "valkey.password", "from: existing");
  });
});

function refused(plan: () => unknown, where: string, fix: string): void {
  assert.throws(plan, (error: unknown) => {
    assert.ok(error instanceof ValidationFailed, String(error));
    assert.equal(error.where, where);
    assert.ok(error.fix?.includes(fix), `${where}: ${error.fix ?? ""}`);
    return true;
  });
}
