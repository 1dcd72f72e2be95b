import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { parse } from "yaml";
import { projectRoot, trackedStackFile } from "../../cli/workspace";
import { startTimeOf } from "../../engine/process-start";
import { commandLine, descendantsOf } from "../support/processes";

const execute = promisify(execFile);
const CLI = join(projectRoot, "dist", "cli", "main.js");
/** What a user's shell is told by `make env`. */
const EVAL = `eval "$("${process.execPath}" "${CLI}" local env)"`;

/** What `make up` and its siblings run, in a state folder of the test's own. */
describe("the local commands", function () {
  this.timeout(600_000);
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const tracked = readFileSync(trackedStackFile("dev"), "utf8");

  const cli = async (...args: string[]) =>
    execute(process.execPath, [CLI, ...args], { cwd: projectRoot, env, maxBuffer: 2 ** 26 });
  const shell = async (script: string) => {
    const { stdout } = await execute("sh", ["-c", `${EVAL}; ${script}`], { cwd: projectRoot, env, maxBuffer: 2 ** 26 });
    return stdout;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-up-"));
    env = { ...process.env, CLAWFLEET_STATE: folder };
    for (const name of ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
      env[name] = undefined;
  });
  after(async () => {
    await cli("local", "clusters-down");
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts `up` and sends its whole group a signal, as a terminal does, when the first objects are there. */
  const signalledUp = async (signal: NodeJS.Signals) => {
    const child = spawn(process.execPath, [CLI, "local", "up"], {
      cwd: projectRoot,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
    const ended = once(child, "close");
    const seen = new Promise<void>((seenIt) => {
      child.stdout.on("data", (text: Buffer) => {
        if (/Namespace.*creat/.test(text.toString())) seenIt();
      });
    });
    await Promise.race([seen, ended]);
    const plugins = pluginsOf(child.pid ?? 0);
    process.kill(-(child.pid ?? 0), signal);
    const [code] = (await ended) as [number | null];
    assert.notEqual(code, 0);
    // Of a Pulumi that was killed they notice it after minutes.
    for (const pid of plugins.filter((each) => startTimeOf(each) !== undefined)) process.kill(pid, "SIGKILL");
    while (plugins.some((pid) => startTimeOf(pid) !== undefined)) await wait(50);
    return errors;
  };
  /** The processes of Pulumi and its plugins, which are in groups of their own. */
  const pluginsOf = (pid: number) => descendantsOf(pid).filter((each) => commandLine(each)?.includes("/pulumi"));

  it("are killed without harm: what no state tells of is made anew", async () => {
    await signalledUp("SIGKILL");
    const before = JSON.parse(readFileSync(join(folder, "clusters.json"), "utf8")) as { uid: string }[];
    const errors = await signalledUp("SIGINT");
    assert.match(errors, /an earlier run was killed before it saved its state; making its local clusters anew/);
    const now = JSON.parse(readFileSync(join(folder, "clusters.json"), "utf8")) as { uid: string }[];
    for (const { uid } of now) assert.ok(before.every((each) => each.uid !== uid));
  });

  it("are interrupted without harm: the next `up` succeeds, on the same clusters", async () => {
    const clusters = readFileSync(join(folder, "clusters.json"), "utf8");
    const { stdout, stderr } = await cli("local", "up");
    assert.match(stdout, /cell dev-eu\n {2}cluster {4}dev-eu/);
    assert.match(stdout, /https:\/\/openclaw\.us\.dev\.example\.com/);
    assert.doesNotMatch(stderr, /anew/);
    assert.equal(readFileSync(join(folder, "clusters.json"), "utf8"), clusters);
  });

  it("leave the tracked config file as it was", () => {
    assert.equal(readFileSync(trackedStackFile("dev"), "utf8"), tracked);
    assert.doesNotMatch(tracked, /encryptionsalt/);
  });

  it("keep what is secret for this user alone", () => {
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const file of ["passphrase", "clusters.json", "kubeconfig"]) {
      assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
    }
  });

  it("list the clusters for other programs", () => {
    const clusters = JSON.parse(readFileSync(join(folder, "clusters.json"), "utf8")) as Record<string, unknown>[];
    for (const cluster of clusters) {
      for (const key of ["name", "context", "kubeconfig", "pid"]) assert.ok(key in cluster, key);
    }
    assert.deepEqual(
      clusters.map(({ name }) => name),
      ["dev-eu", "dev-us"],
    );
  });

  it("give a shell in which plain pulumi and kubectl work", async () => {
    await shell("pulumi preview -s dev --expect-no-changes --non-interactive");
    const { cells } = JSON.parse(await shell("pulumi stack output --json")) as { cells: Record<string, unknown> };
    assert.deepEqual(Object.keys(cells), ["dev-eu", "dev-us"]);
    assert.match(await shell("kubectl --context dev-us get statefulsets -A -o name"), /dev-us-gateway/);
    assert.equal(readFileSync(trackedStackFile("dev"), "utf8"), tracked);
  });

  it("may be run in that shell, which has our pulumi before any other", async () => {
    assert.match(await shell(`${EVAL}; timeout 60 pulumi version`), /^v3\./);
  });

  it("say why a gateway on a simulated node cannot be opened", async () => {
    await assert.rejects(cli("open", "dev-eu"), (error: { stderr: string; code: number }) => {
      assert.match(error.stderr, /dev-eu-gateway-0 runs on a simulated node/);
      assert.equal(error.code, 2);
      return true;
    });
  });

  it("render every object, and no secret", async () => {
    const out = join(folder, "rendered");
    await cli("render", "--out", out);
    const files = ["dev-eu", "dev-us"].flatMap((cell) =>
      readdirSync(join(out, cell)).map((name) => join(out, cell, name)),
    );
    const manifests = files.map(
      (file) =>
        parse(readFileSync(file, "utf8")) as Record<string, unknown> & {
          kind: string;
          metadata: { name: string; annotations?: Record<string, string> };
        },
    );
    const names = (kind: string) =>
      manifests.filter((manifest) => manifest.kind === kind).map(({ metadata }) => metadata.name);
    for (const kind of ["StatefulSet", "Deployment", "NetworkPolicy", "Secret"]) {
      const there = await Promise.all(
        ["dev-eu", "dev-us"].map((cell) =>
          shell(`kubectl --context ${cell} -n ${cell} get ${kind} -o jsonpath='{.items[*].metadata.name}'`),
        ),
      );
      assert.deepEqual(names(kind).sort(), there.flatMap((list) => list.split(" ")).sort(), kind);
    }
    const secrets = manifests.filter(({ kind }) => kind === "Secret");
    assert.ok(secrets.length > 20);
    for (const secret of secrets) {
      assert.ok(!("data" in secret) && !("stringData" in secret));
      assert.match(
        secret.metadata.annotations?.["clawfleet.dev/secret-keys"] ?? "",
        /^([A-Z0-9_]+|tls\.crt,tls\.key)$/,
      );
    }
  });

  it("bring the objects back after the clusters were made anew", async () => {
    await cli("local", "clusters-down");
    await cli("local", "up");
    assert.match(await shell("kubectl --context dev-eu -n dev-eu get pods"), /1\/1 +Running/);
  });

  it("go down and leave nothing running", async () => {
    await cli("local", "down");
    assert.equal((await cli("local", "clusters", "--json")).stdout.trim(), "[]");
  });
});
