import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parse } from "yaml";
import { startClusters } from "../../engine/clusters";
import { TestFleet } from "../support/fleet";
import { RolloutCli } from "../support/rollout-cli";
import { TcpProxy } from "../support/tcp-proxy";
import { clusterPrograms } from "../support/tools";

const KILLS = Number(process.env.KILLS ?? "50");
/** How often one rollout is killed before it may end. */
const KILLS_OF_ONE = 10;
/** Seconds for which an API server still takes a token that it has seen, and a moment more. */
const TOKEN_CACHE_SECONDS = 12;
/** What a cell of these tests is made of, but for its Namespace. */
const KINDS =
  "configmaps,secrets,services,serviceaccounts,statefulsets,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges";

const SOLO = { id: "solo", region: "eu", embedded: true };

/** The long set of faults: `make test-faults`. */
describe("faults in the middle of a rollout", function () {
  this.timeout(3_600_000);
  let fleet: TestFleet;
  let cli: RolloutCli;

  before(async () => {
    fleet = await TestFleet.start(["solo"]);
    cli = new RolloutCli(fleet.folder);
  });
  after(async () => {
    cli.dispose();
    await fleet.stop();
  });

  const write = (
    name: string,
    tenants: string[],
    cell: object = {},
    ...clusters: { id: string; [key: string]: unknown }[]
  ) =>
    cli.writeFleet(name, {
      "fleet.yaml": {
        clusters: clusters.length > 0 ? clusters : [SOLO],
        tenants: tenants.map((id) => ({ id })),
        environments: [{ id: "dev", stacks: "cell" }],
        cells: [
          { environment: "dev", clusters: clusters.length > 0 ? clusters.map(({ id }) => id) : ["solo"], tenants },
        ],
        strategies: { default: { waves: [{ name: "all", selector: {} }], progressDeadline: "3m", maxRetries: 8 } },
      },
      "overlays/base.yaml": { vault: { enabled: false }, ...cell },
    });
  const inUp = (event: { type: string; phase?: string }) => event.type === "cellPhase" && event.phase === "up";

  /** The cell's objects on the cluster are those of its state, each once: nothing is lost, and nothing doubled. */
  const assertWhole = async (cell: string) => {
    const { checkpoint } = JSON.parse(fleet.state(cell)) as {
      checkpoint: {
        latest: { resources: { urn: string; id?: string; type: string }[]; pending_operations?: object[] };
      };
    };
    const { resources, pending_operations: pending = [] } = checkpoint.latest;
    assert.deepEqual(pending, []);
    assert.equal(new Set(resources.map(({ urn }) => urn)).size, resources.length, "no resource twice in the state");
    const recorded = resources.flatMap(({ type, id = "" }) =>
      type.startsWith("kubernetes:") && id.includes("/")
        ? [`${type.split(":").at(-1) ?? ""} ${id.split("/")[1] ?? ""}`]
        : [],
    );
    const live = [...(await fleet.objects("solo", cell, KINDS)).values()]
      .filter(({ metadata }) => metadata.labels?.["app.kubernetes.io/managed-by"] === "pulumi")
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    assert.deepEqual(live.sort(), recorded.sort());
  };
  /** A whole preview of everything finds nothing to change. */
  const assertSettled = async (folder: string, ...cells: string[]) => {
    const { code, output } = await cli.run("up", "--all", "--folder", folder, "--preview-all");
    assert.equal(code, 0, output);
    const outcomes = Object.entries(cli.ends(cli.lastRun())).map(([cell, { outcome }]) => `${cell} ${outcome}`);
    assert.deepEqual(outcomes.sort(), cells.map((cell) => `${cell} unchanged`).sort());
    for (const cell of cells) await assertWhole(cell);
  };

  it(`goes on after kill -9 at ${String(KILLS)} random moments`, async () => {
    const moments: string[] = [];
    const started = Date.now();
    for (let kills = 0, round = 0; kills < KILLS; round += 1) {
      const logLevel = round % 2 === 0 ? "debug" : "info";
      const folder = write("kills", ["a", "b"], { gateway: { openclaw: { logLevel } } });
      let run = cli.start("up", "--all", "--folder", folder);
      const id = await run.id();
      for (const limit = kills + KILLS_OF_ONE; kills < Math.min(limit, KILLS); kills += 1) {
        const moment = await run.killAtRandom(id, 5);
        if (moment === undefined) break;
        moments.push(moment);
        run = cli.start("resume", id);
      }
      const { code, output } = await run.end();
      const events = cli.events(id);
      assert.equal(events.at(-1)?.type, "runFinished", `${String(code)} ${output}`);
      const ends = events.flatMap((event, index) => (event.type === "cellFinished" ? [{ ...event, index }] : []));
      assert.deepEqual(ends.map(({ cell }) => cell).sort(), ["solo-a", "solo-b"], "each cell ends once");
      for (const { cell, outcome, index } of ends) {
        assert.ok(outcome === "done" || outcome === "unchanged", `${cell} ${outcome}`);
        const later = events.slice(index + 1).some((event) => event.type === "cellStarted" && event.cell === cell);
        assert.equal(later, false, "what has finished is not begun again");
        await assertWhole(cell);
      }
      assert.deepEqual(cli.leftovers(), []);
      const level = await fleet.kubectl("solo", "-n", "solo-a", "get", "configmaps", "-o", "json");
      assert.match(level, new RegExp(`"?level\\\\?"?: ?\\\\?"${logLevel}`));
      process.stderr.write(`    ${String(kills)} kills, ${String(Math.round((Date.now() - started) / 1000))} s\n`);
    }
    process.stderr.write(`    killed after: ${moments.join(" ")}\n`);
    await assertSettled(join(fleet.folder, "kills"), "solo-a", "solo-b");
  });

  it("gets through an etcd that stands still again and again", async () => {
    const etcd = fleet.clusters[0]?.pid.etcd ?? 0;
    const folder = write("etcd", ["slow"]);
    // So long at first that the identity check gives up, and has to be tried again.
    process.kill(etcd, "SIGSTOP");
    const run = cli.start("up", "--all", "--folder", folder);
    try {
      await run.until((event) => event.type === "cellRetried" && event.class === "Timeout");
    } finally {
      process.kill(etcd, "SIGCONT");
    }
    const slow = stutter(etcd);
    try {
      const { code, output } = await run.end();
      assert.equal(code, 0, output);
      assert.equal(cli.ends(cli.lastRun())["solo-slow"]?.outcome, "done");
    } finally {
      await slow.end();
    }
    await assertSettled(folder, "solo-slow");
  });

  it("ends the cell whose token is revoked in the middle of its update, and no other; a new token finishes it", async () => {
    const [solo] = fleet.clusters;
    const proxy = await TcpProxy.to(Number(new URL(solo?.server ?? "").port));
    const kubeconfig = join(fleet.folder, "token.yaml");
    const admin = (...args: string[]) => fleet.kubectl("solo", "-n", "default", ...args);
    const logIn = async () => {
      await admin("create", "serviceaccount", "roller");
      const token = (await admin("create", "token", "roller")).trim();
      const { clusters } = parse(readFileSync(solo?.kubeconfig ?? "", "utf8")) as { clusters: { cluster: object }[] };
      const server = `https://127.0.0.1:${String(proxy.port)}`;
      const config = {
        clusters: [{ name: "tok", cluster: { ...clusters[0]?.cluster, server } }],
        users: [{ name: "roller", user: { token } }],
        contexts: [{ name: "tok", context: { cluster: "tok", user: "roller" } }],
      };
      writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
      return token;
    };
    try {
      await admin(
        "create",
        "clusterrolebinding",
        "roller",
        "--clusterrole=cluster-admin",
        "--serviceaccount=default:roller",
      );
      const token = await logIn();
      const folder = write("token", ["t"], {}, SOLO, { id: "tok", region: "eu", kubeconfig, context: "tok" });
      const run = cli.start("up", "--all", "--folder", folder);
      await run.until((event) => event.type === "cellProgress" && event.cell === "tok-t" && event.done >= 3);
      proxy.hold();
      await admin("delete", "serviceaccount", "roller");
      await wait(TOKEN_CACHE_SECONDS * 1000);
      proxy.release();
      const { code, output } = await run.end();
      assert.equal(code, 5, output);
      assert.ok(!output.includes(token));
      const id = cli.lastRun();
      assert.equal(cli.ends(id)["tok-t"]?.class, "AuthExpired", cli.ends(id)["tok-t"]?.message);
      assert.equal(cli.ends(id)["solo-t"]?.outcome, "done");
      assert.ok(!cli.events(id).some((event) => event.type === "cellRetried"), "somebody has to log in");
      assert.deepEqual(cli.leftovers(), []);

      await logIn();
      const again = await cli.run("up", "--all", "--folder", folder);
      assert.equal(again.code, 0, again.output);
      const ends = cli.ends(cli.lastRun());
      assert.deepEqual([ends["solo-t"]?.outcome, ends["tok-t"]?.outcome], ["unchanged", "done"]);
      await assertSettled(folder, "solo-t", "tok-t");
    } finally {
      proxy.close();
    }
  });

  it("waits for an API server that is killed in the middle of an update", async () => {
    const run = cli.start("up", "--all", "--folder", write("api", ["api"]));
    await run.until(inUp);
    await wait(2_000);
    process.kill(fleet.clusters[0]?.pid["kube-apiserver"] ?? 0, "SIGKILL");
    await wait(5_000);
    await startClusters(["solo"], { stateDir: fleet.folder, binaries: await clusterPrograms() });
    const { code, output } = await run.end();
    assert.equal(code, 0, output);
    assert.equal(cli.ends(cli.lastRun())["solo-api"]?.outcome, "done");
  });

  it("gives a cell up whose network swallows everything", async () => {
    const [solo] = fleet.clusters;
    const hole = await TcpProxy.to(Number(new URL(solo?.server ?? "").port));
    try {
      const kubeconfig = join(fleet.folder, "hole.yaml");
      const text = readFileSync(solo?.kubeconfig ?? "", "utf8");
      writeFileSync(kubeconfig, text.replace(/server: .*/, `server: https://127.0.0.1:${String(hole.port)}`), {
        mode: 0o600,
      });
      const folder = write("hole", ["hole"], {}, { id: "solo", region: "eu", kubeconfig, context: "solo" });
      const run = cli.start("up", "--all", "--folder", folder);
      await run.until(inUp);
      hole.swallow();
      const { code, output } = await run.end();
      assert.ok(code === 7 || code === 6, output);
      assert.deepEqual(cli.leftovers(), []);
    } finally {
      hole.close();
    }
  });

  it("ends cleanly on a full disk, and goes on when there is room again", async function () {
    if (process.getuid?.() !== 0) this.skip(); // a small file system has to be mounted
    const rollouts = join(fleet.folder, "rollouts");
    rmSync(rollouts, { recursive: true, force: true });
    mkdirSync(rollouts);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", rollouts]);
    try {
      const run = cli.start("up", "--all", "--folder", write("full", ["full"]));
      const id = await run.id();
      await run.until(inUp);
      const filler = join(rollouts, "filler");
      execFileSync("sh", ["-c", `cat /dev/zero > "${filler}" || true`], { stdio: "ignore" });
      const { code, output } = await run.end();
      assert.equal(code, 1, output);
      assert.match(output, /cannot be written \(ENOSPC\)/);
      assert.deepEqual(cli.leftovers(), []);
      rmSync(filler);
      const resumed = await cli.run("resume", id);
      assert.equal(resumed.code, 0, resumed.output);
    } finally {
      execFileSync("umount", [rollouts]);
    }
  });
});

/** Lets a process stand still for seconds, with moments between, until it is ended. */
function stutter(pid: number): { end: () => Promise<void> } {
  const ended = new AbortController();
  const pause = (seconds: number) => wait(seconds * 1000, undefined, { signal: ended.signal }).catch(() => undefined);
  const loop = async () => {
    while (!ended.signal.aborted) {
      process.kill(pid, "SIGSTOP");
      await pause(1 + Math.random() * 4);
      process.kill(pid, "SIGCONT");
      await pause(0.5);
    }
  };
  const stuttering = loop();
  return {
    end: () => {
      ended.abort();
      return stuttering;
    },
  };
}
