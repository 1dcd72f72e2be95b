import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Unreachable } from "../../components/errors";
import { postgresFiles } from "../../components/postgres-config";
import { ValkeyEviction, valkeyFiles } from "../../components/valkey-config";
import { debianPrograms, type DebianPrograms } from "../../engine/programs/debian";
import { freePort } from "../support/openclaw";
import { commandLines } from "../support/processes";

const execute = promisify(execFile);

/** PostgreSQL refuses to run as root: a test that does becomes nobody. */
const asRoot = process.getuid?.() === 0;
const user = asRoot ? { uid: 65534, gid: 65534 } : {};

/** Real programs; skips the suite, and says why, only when no archive can be reached. */
async function realPrograms(suite: Mocha.Context, packages: string[]): Promise<DebianPrograms> {
  try {
    return await debianPrograms(packages, (line) => console.log(`    ${line}`));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    console.log(`    skipped: ${error.message}`);
    return suite.skip();
  }
}

/** A container: its files, its environment and its one process. */
class Container {
  readonly root = mkdtempSync(join(tmpdir(), "clawfleet-store-"));
  log = "";
  process: ChildProcess | undefined;

  constructor(
    files: (root: string) => Record<string, string>,
    private readonly user: { uid?: number; gid?: number } = {},
  ) {
    chmodSync(this.root, 0o755);
    for (const folder of ["config", "data", "socket", "bin"]) mkdirSync(join(this.root, folder));
    if (asRoot) for (const folder of ["data", "socket"]) chownSync(join(this.root, folder), 65534, 65534);
    for (const [name, text] of Object.entries(files(this.root))) writeFileSync(join(this.root, "config", name), text);
  }

  start(env: NodeJS.ProcessEnv): void {
    this.process = spawn("sh", [join(this.root, "config", "start.sh")], {
      cwd: this.root,
      env: { ...env, CONFIG_DIR: join(this.root, "config") },
      stdio: ["ignore", "pipe", "pipe"],
      ...this.user,
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on("data", (data: Buffer) => (this.log += data.toString()));
    }
  }

  /** Ends it as the kubelet does, and tells its exit code and the seconds it took. */
  async stop(): Promise<{ code: number | null; seconds: number }> {
    const { process } = this;
    if (process === undefined) return { code: null, seconds: 0 };
    this.process = undefined;
    const begin = Date.now();
    if (process.exitCode === null) {
      const ended = new Promise((resolve) => process.once("exit", resolve));
      process.kill("SIGTERM");
      await ended;
    }
    return { code: process.exitCode, seconds: (Date.now() - begin) / 1000 };
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds().catch(() => false));) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await sleep(100);
  }
}

describe("contract of the database with the real PostgreSQL", function () {
  this.timeout(180_000);
  let programs: DebianPrograms;
  let container: Container;
  let port: number;

  before(async function () {
    programs = await realPrograms(this, ["postgresql-15", "postgresql-client-15"]);
    port = await freePort();
    container = new Container(
      (root) =>
        postgresFiles({
          name: "litellm",
          memoryLimit: "512Mi",
          maxConnections: 50,
          configDir: join(root, "config"),
          dataDir: join(root, "data", "cluster"),
          socketDir: join(root, "socket"),
          port,
          osUser: asRoot ? "nobody" : process.env.USER,
        }),
      user,
    );
  });
  after(() => (container as Container | undefined)?.dispose());

  const bin = () => dirname(programs.file("/usr/lib/postgresql/15/bin/initdb"));
  const env = () => ({ ...programs.env, PATH: [bin(), programs.env.PATH ?? process.env.PATH].join(delimiter) });

  async function start(password: string): Promise<void> {
    container.start({
      ...env(),
      PGDATA: join(container.root, "data", "cluster"),
      DATABASE_NAME: "litellm",
      DATABASE_PASSWORD: password,
    });
    await until("PostgreSQL accepts connections", async () => {
      await execute(join(bin(), "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)], { env: env() });
      return true;
    });
  }

  async function sql(statement: string, password: string, as = "litellm"): Promise<string> {
    const args = ["-h", "127.0.0.1", "-p", String(port), "-U", as, "-At", "-c", statement, "litellm"];
    const { stdout } = await execute(join(bin(), "psql"), args, { env: { ...env(), PGPASSWORD: password } });
    return stdout.trim();
  }

  it("creates its database, whatever characters the password has", async () => {
    await start('canary it\'s \\ "odd"');
    assert.equal(
      await sql("create table kept (n int); insert into kept values (7); select 1", 'canary it\'s \\ "odd"'),
      "CREATE TABLE\nINSERT 0 1\n1",
    );
    const settings =
      "select count(*) from pg_settings where (name, setting) in (('max_connections','50'), ('data_checksums','on'))";
    assert.equal(await sql(settings, 'canary it\'s \\ "odd"'), "2");
  });

  it("lets in its user with the password alone, and the superuser not at all", async () => {
    await assert.rejects(sql("select 1", "wrong"), /password authentication failed/);
    await assert.rejects(sql("select 1", 'canary it\'s \\ "odd"', "postgres"), /no pg_hba.conf entry/);
  });

  it("ends fast on SIGTERM though a client is connected, and keeps the data and takes a rotated password", async () => {
    const client = sql("select pg_sleep(60)", 'canary it\'s \\ "odd"').catch((error: unknown) => String(error));
    await until("the client is connected", async () => {
      const busy =
        "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()";
      return (await sql(busy, 'canary it\'s \\ "odd"')) === "1";
    });
    const { code, seconds } = await container.stop();
    assert.equal(code, 0);
    assert.ok(seconds < 20, `${String(seconds)} s`);
    assert.match(await client, /terminating connection/);
    assert.match(container.log, /database system is shut down/);
    await start("canary-rotated");
    assert.equal(await sql("select n from kept", "canary-rotated"), "7");
    await assert.rejects(sql("select 1", 'canary it\'s \\ "odd"'), /password authentication failed/);
  });

  it("begins anew where the first start was cut short", async () => {
    await container.stop();
    const data = join(container.root, "data");
    rmSync(join(data, "cluster"), { recursive: true });
    mkdirSync(join(data, "cluster.new"));
    writeFileSync(join(data, "cluster.new", "half"), "");
    if (asRoot) chownSync(join(data, "cluster.new"), 65534, 65534);
    await start("canary-again");
    assert.equal(await sql("select 1", "canary-again"), "1");
  });

  it("pain 14: has the password in no argument and no log", () => {
    assert.ok(!commandLines().join().includes("canary"));
    assert.ok(!container.log.includes("canary"), container.log);
  });
});

describe("contract of the cache with the real Redis 7.0, which Valkey comes from", function () {
  this.timeout(120_000);
  const password = "canary p\"a 'ss\\ $HOME";
  let programs: DebianPrograms;
  let container: Container;
  let port: number;

  before(async function () {
    programs = await realPrograms(this, ["redis-server", "redis-tools"]);
    port = await freePort();
    container = new Container(() => valkeyFiles({ memoryLimit: "64Mi", eviction: ValkeyEviction.AllKeysLru, port }));
    const bin = join(container.root, "bin");
    symlinkSync(programs.path("redis-server"), join(bin, "valkey-server"));
    container.start({
      ...programs.env,
      PATH: [bin, programs.env.PATH ?? process.env.PATH].join(delimiter),
      REDIS_PASSWORD: password,
    });
    await until("it answers", async () => (await client("ping")) === "PONG");
  });
  after(() => (container as Container | undefined)?.dispose());

  async function client(...command: string[]): Promise<string> {
    return ask(password, ...command);
  }

  async function ask(secret: string | undefined, ...command: string[]): Promise<string> {
    const env = { ...programs.env, ...(secret !== undefined && { REDISCLI_AUTH: secret }) };
    const { stdout } = await execute(programs.path("redis-cli"), ["-p", String(port), ...command], { env });
    return stdout.trim();
  }

  it("asks everyone for the password", async () => {
    assert.match(await ask(undefined, "ping"), /NOAUTH/);
    assert.match(await ask("wrong", "ping"), /NOAUTH|WRONGPASS/);
  });

  it("keeps counters, and lets nobody administer", async () => {
    assert.equal(await client("incr", "limit"), "1");
    for (const command of [["config", "get", "requirepass"], ["shutdown"], ["acl", "list"]]) {
      assert.match(await client(...command), /NOPERM/, command[0]);
    }
  });

  it("has the memory and the eviction that it was told, and saves nothing", async () => {
    const memory = await client("info", "memory");
    assert.match(memory, /maxmemory:50331648\b/);
    assert.match(memory, /maxmemory_policy:allkeys-lru/);
    assert.match(await client("info", "persistence"), /aof_enabled:0/);
  });

  it("pain 14: has the password in no argument and no log", () => {
    assert.ok(!commandLines().join().includes("canary"));
    assert.ok(!container.log.includes("canary"));
  });

  it("ends on SIGTERM", async () => {
    const { code, seconds } = await container.stop();
    assert.equal(code, 0, container.log);
    assert.ok(seconds < 10);
  });
});
