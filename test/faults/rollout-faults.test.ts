import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { startClusters } from "../../engine/clusters";
import { TestFleet } from "../support/fleet";
import { RolloutCli } from "../support/rollout-cli";
import { clusterPrograms } from "../support/tools";

const KILLS = Number(process.env.KILLS ?? "50");

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

  const write = (name: string, tenants: string[], cell: object = {}, cluster: object = { embedded: true }) =>
    cli.writeFleet(name, {
      "fleet.yaml": {
        clusters: [{ id: "solo", region: "eu", ...cluster }],
        tenants: tenants.map((id) => ({ id })),
        environments: [{ id: "dev", stacks: "cell" }],
        cells: [{ environment: "dev", clusters: ["solo"], tenants }],
        strategies: { default: { waves: [{ name: "all", selector: {} }], progressDeadline: "3m", maxRetries: 8 } },
      },
      "overlays/base.yaml": { vault: { enabled: false }, ...cell },
    });
  const inUp = (event: { type: string; phase?: string }) => event.type === "cellPhase" && event.phase === "up";

  it(`goes on after kill -9 at ${String(KILLS)} random moments`, async () => {
    const moments: string[] = [];
    for (let kills = 0, round = 0; kills < KILLS; round += 1) {
      const logLevel = round % 2 === 0 ? "debug" : "info";
      const folder = write("kills", ["a", "b"], { gateway: { openclaw: { logLevel } } });
      let run = cli.start("up", "--all", "--folder", folder);
      const id = await run.id();
      for (const limit = kills + 5; kills < Math.min(limit, KILLS); kills += 1) {
        const moment = await run.killAtRandom(id, 5);
        if (moment === undefined) break;
        moments.push(moment);
        run = cli.start("resume", id);
      }
      const { code, output } = await run.end();
      const events = cli.events(id);
      assert.equal(events.at(-1)?.type, "runFinished", `${String(code)} ${output}`);
      const finished = events.flatMap((event) =>
        event.type === "cellFinished" ? [`${event.cell} ${event.outcome}`] : [],
      );
      assert.equal(finished.length, 2, finished.join());
      assert.ok(
        finished.every((each) => /(done|unchanged)$/.test(each)),
        finished.join(),
      );
      assert.deepEqual(cli.leftovers(), []);
      const level = await fleet.kubectl("solo", "-n", "solo-a", "get", "configmaps", "-o", "json");
      assert.match(level, new RegExp(`"?level\\\\?"?: ?\\\\?"${logLevel}`));
    }
    process.stderr.write(`    killed after: ${moments.join(" ")}\n`);
    const again = await cli.run("up", "--all", "--folder", join(fleet.folder, "kills"), "--json");
    assert.equal(again.output.match(/"outcome":"unchanged"/g)?.length, 2, again.output);
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
    const hole = await blackHole(Number(new URL(solo?.server ?? "").port));
    try {
      const kubeconfig = join(fleet.folder, "hole.yaml");
      const text = readFileSync(solo?.kubeconfig ?? "", "utf8");
      writeFileSync(kubeconfig, text.replace(/server: .*/, `server: https://127.0.0.1:${String(hole.port)}`), {
        mode: 0o600,
      });
      const folder = write("hole", ["hole"], {}, { kubeconfig, context: "solo" });
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

/** A TCP proxy that at some time takes everything and gives nothing. */
async function blackHole(target: number): Promise<{ port: number; swallow: () => void; close: () => void }> {
  let swallowing = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (data) => swallowing || upstream.write(data));
    upstream.on("data", (data) => swallowing || client.write(data));
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  return {
    port: (server.address() as AddressInfo).port,
    swallow: () => (swallowing = true),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
