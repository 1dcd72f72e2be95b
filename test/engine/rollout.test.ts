import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestFleet } from "../support/fleet";
import { RolloutCli } from "../support/rollout-cli";

/** Nothing but the gateway: 20 resources. */
const SMALL = { vault: { enabled: false } };
const cluster = { id: "solo", region: "eu", embedded: true };
const perCell = [
  { id: "dev", stacks: "cell" },
  { id: "prod", stacks: "cell" },
];
const tenants = (...ids: string[]) => ids.map((id) => ({ id }));

describe("a rollout on real API servers", function () {
  this.timeout(600_000);
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

  /** Whether a cell is on the cluster. */
  const exists = async (cell: string) =>
    (await fleet.kubectl("solo", "get", "namespace", cell, "--ignore-not-found", "-o", "name")).trim() !== "";
  const replicas = async (cell: string) => {
    const objects = await fleet.objects("solo", cell, "statefulsets");
    return objects.get(`statefulset/${cell}-gateway`)?.metadata;
  };

  describe("of three cells in two waves", () => {
    const files = (over: object = {}) => ({
      "fleet.yaml": {
        clusters: [cluster],
        tenants: tenants("a", "b", "c"),
        environments: perCell,
        cells: [{ environment: "dev", clusters: ["solo"], tenants: ["a", "b", "c"] }],
        strategies: {
          default: {
            waves: [
              { name: "first", selector: { matchExpressions: [{ key: "tenant", operator: "NotIn", values: ["c"] }] } },
              { name: "last", selector: { matchLabels: { tenant: "c" } }, minSuccessTime: "1s" },
            ],
            maxConcurrency: 2,
          },
        },
      },
      "overlays/base.yaml": { ...SMALL, ...over },
    });

    it("killed five times at random, goes on each time, and does nothing twice", async () => {
      const folder = cli.writeFleet("three", files());
      let run = cli.start("up", "--all", "--folder", folder);
      const id = await run.id();

      // Meanwhile nobody else may roll the same cells out.
      const second = await cli.run("up", "solo-a", "--folder", folder);
      assert.equal(second.code, 4, second.output);
      assert.match(second.output, new RegExp(`the run ${id} \\(process ${String(run.pid)} on .*\\) has solo-a`));

      for (let kill = 0; kill < 5; kill += 1) {
        if ((await run.killAtRandom(id, 3)) === undefined) break;
        run = cli.start("resume", id);
      }
      const { output } = await run.end();
      const events = cli.events(id);
      assert.equal(events.at(-1)?.type, "runFinished", output);
      const finished = events.flatMap((event) => (event.type === "cellFinished" ? [event.cell] : []));
      assert.deepEqual(finished.sort(), ["solo-a", "solo-b", "solo-c"], "each cell once");
      assert.deepEqual(cli.leftovers(), [], "no process and no lock is left");
    });

    /** Rolls everything out again, and returns the cells that were previewed on the way; nothing may have changed. */
    const again = async (...flags: string[]) => {
      const { code, output } = await cli.run("up", "--all", "--folder", join(fleet.folder, "three"), ...flags);
      assert.equal(code, 0, output);
      const run = cli.lastRun();
      const outcomes = Object.values(cli.ends(run)).map(({ outcome }) => outcome);
      assert.deepEqual(outcomes, ["unchanged", "unchanged", "unchanged"], output);
      const events = cli.events(run);
      const previewed = events.flatMap((event) =>
        event.type === "cellPhase" && event.phase === "preview" ? [event.cell] : [],
      );
      const letBe = events.flatMap((event) =>
        event.type === "cellNotice" && /not previewed \(--preview-all would\)/.test(event.message) ? [event.cell] : [],
      );
      assert.deepEqual([...previewed, ...letBe].sort(), ["solo-a", "solo-b", "solo-c"], "each is one or the other");
      return previewed.sort();
    };

    it("lets everything be that is as it was left, and writes nothing", async () => {
      const before = await replicas("solo-a");
      // A cell that was killed between its health and its end is known only once it has been previewed again.
      await again();
      assert.deepEqual(await again(), []);
      assert.equal((await replicas("solo-a"))?.resourceVersion, before?.resourceVersion);
    });

    it("previews a cell again of which somebody changed an object, and no other", async () => {
      await fleet.kubectl("solo", "-n", "solo-a", "label", "service", "solo-a-gateway", "by=hand");
      assert.deepEqual(await again(), ["solo-a"]);
      assert.deepEqual(await again("--preview-all"), ["solo-a", "solo-b", "solo-c"]);
    });

    it("is interrupted by Ctrl-C without a trace, and rolled back", async () => {
      const folder = cli.writeFleet("three", files({ gateway: { openclaw: { logLevel: "debug" } } }));
      const run = cli.start("up", "tenant in (a,b)", "--folder", folder);
      const id = await run.id();
      await run.until((event) => event.type === "cellPhase" && event.phase === "up");
      const interrupted = await run.kill("SIGINT");
      assert.equal(interrupted.code, 130, interrupted.output);
      assert.match(interrupted.output, new RegExp(`clawfleet resume ${id}`));
      assert.deepEqual(cli.leftovers(), []);

      assert.equal((await cli.run("abort", id)).code, 0);
      const back = await cli.run("rollback", id);
      assert.equal(back.code, 0, back.output);
      const started = cli.events(cli.lastRun()).flatMap((event) => (event.type === "cellStarted" ? [event.cell] : []));
      const forth = cli.events(id).flatMap((event) => (event.type === "cellStarted" ? [event.cell] : []));
      assert.deepEqual(started, [...forth].reverse());

      cli.writeFleet("three", files());
      const { output } = await cli.run("up", "tenant in (a,b)", "--folder", folder, "--json");
      assert.match(output, /"outcome":"unchanged"[^]*"outcome":"unchanged"/, "they are what they were");
    });

    it("refuses a journal that was damaged, with its line", async () => {
      const run = cli.start("up", "solo-c", "--folder", join(fleet.folder, "three"));
      const id = await run.id();
      await run.until((event) => event.type === "cellPhase");
      await run.kill("SIGKILL");
      const journal = join(fleet.folder, "rollouts", id, "journal.jsonl");
      const whole = readFileSync(journal, "utf8");
      writeFileSync(journal, whole.replace(/^(.*\n).*\n/, '$1{"half\n'));
      const { code, output } = await cli.run("resume", id);
      assert.equal(code, 2);
      assert.match(output, /journal\.jsonl:2: the journal is damaged/);
      writeFileSync(journal, whole);
      assert.equal((await cli.run("resume", id)).code, 0);
    });
  });

  it("fails the cells that it has to, each with its class, and no other", async () => {
    const [solo] = fleet.clusters;
    const gone = join(fleet.folder, "gone.yaml");
    const kubeconfig = readFileSync(solo?.kubeconfig ?? "", "utf8");
    writeFileSync(gone, kubeconfig.replace(/server: .*/, "server: https://127.0.0.1:1"), { mode: 0o600 });
    const folder = cli.writeFleet("faults", {
      "fleet.yaml": {
        clusters: [
          cluster,
          {
            id: "wrong",
            region: "eu",
            kubeconfig: solo?.kubeconfig,
            context: "solo",
            uid: "00000000-0000-4000-8000-000000000000",
          },
          { id: "gone", region: "eu", kubeconfig: gone, context: "solo" },
        ],
        tenants: tenants("good", "stuck"),
        environments: perCell,
        cells: [
          { environment: "dev", clusters: ["solo"], tenants: ["good", "stuck"] },
          { environment: "dev", clusters: ["wrong", "gone"] },
        ],
        strategies: {
          default: {
            waves: [{ name: "all", selector: {} }],
            maxFailures: 3,
            maxRetries: 1,
            progressDeadline: "90s",
          },
        },
      },
      "overlays/base.yaml": SMALL,
      // No node has this label, so its Pod stays Pending.
      "overlays/tenant/stuck.yaml": { scheduling: { nodeSelector: { nowhere: "true" } } },
    });
    const { code, output } = await cli.run("up", "--all", "--folder", folder);
    assert.equal(code, 0, output);
    const ends = cli.ends(cli.lastRun());
    assert.equal(ends["solo-good"]?.outcome, "done");
    assert.equal(ends.wrong?.class, "Conflict");
    assert.match(ends.wrong?.message ?? "", /another cluster/);
    assert.equal(ends.gone?.class, "Unreachable");
    assert.equal(ends["solo-stuck"]?.class, "Unhealthy", ends["solo-stuck"]?.message);
    assert.match(ends["solo-stuck"]?.message ?? "", /StatefulSet solo-stuck-gateway has 0 of 1.*Pending/);
    const retried = cli.events(cli.lastRun()).flatMap((event) => (event.type === "cellRetried" ? [event.cell] : []));
    assert.deepEqual(retried, ["gone"]);
    assert.deepEqual(cli.leftovers(), []);
  });

  it("stops before the first write where a policy forbids it, in the wave where it does", async () => {
    const folder = cli.writeFleet("policed", {
      "fleet.yaml": {
        clusters: [cluster],
        tenants: tenants("ok", "not"),
        environments: perCell,
        cells: [
          { environment: "dev", clusters: ["solo"], tenants: ["ok"] },
          { environment: "prod", clusters: ["solo"], tenants: ["not"] },
        ],
      },
      "overlays/base.yaml": SMALL,
    });
    const { code, output } = await cli.run("up", "--all", "--folder", folder);
    assert.equal(code, 9, output);
    const run = cli.lastRun();
    assert.equal(cli.ends(run)["solo-ok"]?.outcome, "done");
    assert.equal(cli.ends(run)["solo-not"]?.class, "PolicyViolation");
    assert.ok(cli.events(run).some((event) => event.type === "policyFinding" && event.level === "mandatory"));
    assert.equal(await exists("solo-ok"), true);
    assert.equal(await exists("solo-not"), false);
  });
});
