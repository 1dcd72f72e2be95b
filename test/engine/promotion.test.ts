import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { TestFleet } from "../support/fleet";

const CLI = join(projectRoot, "dist", "cli", "main.js");
const NEW_IMAGE = `ghcr.io/openclaw/openclaw:2026.9.7@sha256:${"7".repeat(64)}`;

const DEV = `# What dev tries first.
gateway:
  image: ${NEW_IMAGE} # the next one
  resources: { limitsMemory: 2Gi }
  openclaw:
    logLevel: debug
    agents:
      entries:
        main:
          files:
            AGENTS.md: |
              Answer in one sentence.
`;
const STAGE = `# Stage, as it is.
gateway:
  # measured
  resources: { limitsMemory: 3Gi }
retain: true # kept
`;

interface CellOutput {
  healthy: boolean;
  at: string;
  imagesHash: string;
  configHash: string;
  uid: string;
}

describe("a promotion on a real API server", function () {
  this.timeout(300_000);
  let fleet: TestFleet;
  let folder: string;

  const write = (file: string, text: string) => {
    writeFileSync(join(folder, file), text);
  };
  const overlay = (environment: string) => join("overlays", "environment", `${environment}.yaml`);
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    return (await promisify(execFile)("git", [...identity, ...args], { cwd: folder })).stdout;
  };
  const promote = async (...args: string[]) => {
    const env = { ...process.env, CLAWFLEET_STATE: fleet.folder, PULUMI_BACKEND_URL: "" };
    const command = [CLI, "promote", "dev", "stage", "--folder", folder, ...args];
    return promisify(execFile)(process.execPath, command, { env, cwd: projectRoot }).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };
  const output = async () =>
    (JSON.parse(await fleet.must("dev", ["stack", "output", "cells", "--json"])) as { east: CellOutput }).east;

  before(async () => {
    fleet = await TestFleet.start(["east"]);
    const clusters = [{ id: "east", region: "us-east", embedded: true }];
    await fleet.configure("dev", { environment: "dev", clusters });
    folder = join(fleet.folder, "fleets", "dev");
    write(
      "fleet.yaml",
      stringify({
        clusters: [...clusters, { id: "west", region: "us-west", context: "west" }],
        cells: [
          { environment: "dev", clusters: ["east"] },
          { environment: "stage", clusters: ["west"] },
        ],
      }),
    );
    mkdirSync(join(folder, "overlays", "environment"));
    write(overlay("dev"), DEV);
    write(overlay("stage"), STAGE);
    await git("init", "-q");
    await git("add", ".");
    await git("commit", "-q", "-m", "The fleet");
  });
  after(() => fleet.stop());

  it("is refused before its source was brought up", async () => {
    const { code, stderr } = await promote();
    assert.equal(code, 10);
    assert.match(stderr, /east: it was never brought up\n {2}Fix: .*`pulumi up -s dev`/);
  });

  it("finds in the stack's output that the cell is healthy, and since when", async () => {
    await fleet.up("dev");
    const { healthy, at, uid } = await output();
    assert.equal(healthy, true);
    assert.equal(uid, fleet.clusters[0]?.uid);
    const [pod] = (await fleet.objects("east", "east", "pods")).values();
    const conditions = pod?.status?.conditions as { type: string; lastTransitionTime: string }[];
    assert.equal(at, conditions.find(({ type }) => type === "Ready")?.lastTransitionTime);
  });

  it("has no output that changes in a preview of what is there, with the cluster and without", async () => {
    for (const env of [{}, { CLAWFLEET_OFFLINE_PREVIEW: "1" }]) {
      const { code, output: shown } = await fleet.run("dev", ["preview", "--diff", "--expect-no-changes"], env);
      assert.equal(code, 0, shown);
      assert.doesNotMatch(shown, /Outputs:|healthy|configHash/);
    }
  });

  it("writes the target's overlay and nothing else, as a small diff", async () => {
    const dry = await promote("--dry-run");
    assert.match(dry.stdout, /^overlays\/environment\/stage\.yaml would change:/);
    assert.equal(await git("status", "--porcelain"), "");

    const { code, stdout, stderr } = await promote();
    assert.equal(code, 0, stderr);
    assert.match(stdout, /cell west:\n {2}\+ gateway\.image: .*2026\.9\.7/);
    const changed = (await git("diff", "--numstat")).trim();
    assert.equal(changed, "8\t0\toverlays/environment/stage.yaml");
    const stage = readFileSync(join(folder, overlay("stage")), "utf8");
    assert.ok(
      stage.startsWith("# Stage, as it is.\ngateway:\n  # measured\n  resources: { limitsMemory: 3Gi }\n"),
      stage,
    );
    assert.deepEqual(parse(stage), {
      gateway: {
        resources: { limitsMemory: "3Gi" },
        image: NEW_IMAGE,
        openclaw: { agents: { entries: { main: { files: { "AGENTS.md": "Answer in one sentence.\n" } } } } },
      },
      retain: true,
    });
  });

  it("has nothing to do a second time, and is taken back by git", async () => {
    assert.equal((await promote()).stdout, "nothing to do: stage has what dev runs\n");
    await git("commit", "-q", "-a", "-m", "Promote dev to stage");
    await git("revert", "--no-edit", "HEAD");
    assert.equal(readFileSync(join(folder, overlay("stage")), "utf8"), STAGE);
  });

  it("writes over nothing that is not committed", async () => {
    write(overlay("stage"), `${STAGE}namespace: agents\n`);
    const { code, stderr } = await promote();
    assert.equal(code, 4);
    assert.match(stderr, /overlays\/environment\/stage\.yaml: it has changes that are not committed/);
    await git("checkout", "-q", ".");
  });

  it("is refused when the files say what was not rolled out", async () => {
    write(overlay("dev"), DEV.replace("one sentence", "two sentences"));
    const { code, stderr } = await promote("--only", "images");
    assert.equal(code, 10);
    assert.match(stderr, /east: its last update was of other files \(configHash\)/);
    write(overlay("dev"), DEV);
  });

  it("is refused with the cell's name while a rollout of anything else is not done", async () => {
    write(overlay("dev"), `${DEV}scheduling: { nodeSelector: { no: such-node } }\n`);
    const update = spawn(fleet.pulumi.cli, fleet.onStack("dev", ["up", "--yes", "--skip-preview"]), {
      cwd: projectRoot,
      env: fleet.pulumi.env,
      stdio: "ignore",
    });
    const ended = once(update, "exit");
    // No node takes the new Pod, so Pulumi waits, for 20 minutes if it is let.
    for (let pods = ""; !pods.includes("Pending"); await setTimeout(1_000)) {
      if (update.exitCode !== null) assert.fail(`the update ended with ${String(update.exitCode)}`);
      pods = await fleet.kubectl("east", "get", "pods", "-n", "east");
    }
    update.kill("SIGINT");
    assert.notDeepEqual(await ended, [0, null]);
    const { code, stderr } = await promote();
    assert.equal(code, 10);
    assert.match(stderr, /east: the last update of its stack failed\n/);
    assert.equal(await git("status", "--porcelain"), " M overlays/environment/dev.yaml\n");
  });
});
