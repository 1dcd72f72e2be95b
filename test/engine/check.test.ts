import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { stopClusters } from "../../engine/clusters";
import type { Change } from "../../stacks/fleet/check/changes";
import type { Report, StackReport } from "../../stacks/fleet/check/report";
import { TestFleet, type Outcome } from "../support/fleet";

const CANARY = "canary-4b1d7e90";
const MAIN = join(projectRoot, "dist", "cli", "main.js");
const MODELS = { providers: { openai: { baseUrl: "https://models.example.com/v1", models: [{ id: "gpt-4o" }] } } };
const CELL = {
  gateway: {
    providerKeys: { openai: { from: "value", configKey: "openai" } },
    egress: [{ cidr: "198.51.100.0/24" }],
    openclaw: { models: MODELS },
  },
};

/** A fleet in a git repository: what is on a branch, and the state of its dev as of the last update of main. */
describe("clawfleet check", function () {
  this.timeout(600_000);
  let fleet: TestFleet;
  let repository: string;
  let checkpoints: string;

  before(async () => {
    fleet = await TestFleet.start(["check-eu"]);
    await fleet.configure("dev", {
      environment: "dev",
      clusters: [{ id: "check-eu", region: "eu-west", embedded: true }],
      cell: CELL,
    });
    await fleet.must("dev", ["config", "set", "--secret", "secrets:openai", CANARY]);
    await fleet.up("dev");
    checkpoints = join(fleet.folder, "checkpoints");
    mkdirSync(checkpoints);
    await fleet.must("dev", ["stack", "export", "--file", join(checkpoints, "dev.json")]);
    // What comes is without a cluster.
    await stopClusters(fleet.folder);

    repository = join(fleet.folder, "fleets", "dev");
    writeFiles({
      "fleet.yaml": {
        clusters: [
          { id: "check-eu", region: "eu-west", embedded: true },
          { id: "check-us", region: "us-east", context: "nowhere" },
        ],
        cells: [
          { environment: "dev", clusters: ["check-eu"] },
          { environment: "prod", clusters: ["check-us"] },
        ],
      },
      "overlays/cluster/check-us.yaml": { retain: true },
      "Pulumi.dev.yaml": stackFile("dev"),
      "Pulumi.prod.yaml": stackFile("dev"),
      "notes.md": "nothing of a stack's\n",
    });
    git("init", "--quiet", "--initial-branch", "main");
    commit("base");
    git("checkout", "--quiet", "-b", "change");
  });
  after(() => fleet.stop());

  function writeFiles(files: Record<string, unknown>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(repository, name, ".."), { recursive: true });
      writeFileSync(join(repository, name), typeof content === "string" ? content : stringify(content));
    }
  }
  /** A stack's own file as it is tracked: secrets encrypted, by a passphrase that is not here. */
  function stackFile(stack: string): string {
    const text = readFileSync(fleet.configFile(stack), "utf8");
    return stringify({ config: { "secrets:openai": { secure: /secure: (\S+)/.exec(text)?.[1] ?? "" } } });
  }
  const git = (...args: string[]) => execFileSync("git", args, { cwd: repository, encoding: "utf8" });
  const commit = (message: string) => {
    git("add", "--all");
    git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", message);
  };

  async function check(...args: string[]): Promise<Outcome & { report: Report }> {
    const env = { ...process.env, PULUMI_BACKEND_URL: "", PULUMI_ACCESS_TOKEN: "" };
    const outcome = await promisify(execFile)(
      process.execPath,
      [MAIN, "check", "--folder", repository, "--changed-since", "main", ...args, "--json"],
      { env, maxBuffer: 64 * 2 ** 20 },
    ).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    const output = outcome.stdout + outcome.stderr;
    assert.ok(!output.includes(CANARY), "a secret is told");
    const report = (outcome.stdout === "" ? { stacks: [] } : JSON.parse(outcome.stdout)) as Report;
    return { code: outcome.code, output, report };
  }
  const stackOf = ({ stacks }: Report, name: string): StackReport => {
    const found = stacks.find(({ stack }) => stack === name);
    assert.ok(found, `no stack ${name}`);
    return found;
  };
  const inWords = (changes: Change[]) =>
    changes.map(
      ({ op, type, name, stateful }) => `${op} ${type.split(":").at(-1) ?? ""} ${name}${stateful ? " *" : ""}`,
    );

  const DEV_CHANGE = {
    vault: { enabled: false },
    dnsFilter: {},
    gateway: { state: { storageClass: "another" }, resources: { requestsMemory: "1280Mi" } },
  };

  it("finds nothing to do where nothing of a stack changed", async () => {
    writeFiles({ "notes.md": "still nothing\n" });
    const { code, report } = await check();
    assert.equal(code, 0);
    assert.deepEqual(report.stacks, []);
  });

  it("shows no change where none is, compared with the state", async () => {
    const { code, report, output } = await check("--stack", "dev", "--base-checkpoint", checkpoints);
    assert.equal(code, 0, output);
    assert.deepEqual(inWords(stackOf(report, "dev").changes), []);
  });

  it("tells adds, changes, replacements and lost data by the state, and findings with file and line", async () => {
    writeFiles({
      "overlays/environment/dev.yaml": DEV_CHANGE,
      "overlays/environment/prod.yaml": `gateway:\n  resources: { requestsMemory: 1280Mi }\n`,
      "overlays/cluster/check-us.yaml": "# by mistake\nretain: false\n",
    });
    const { code, report, output } = await check("--base-checkpoint", checkpoints);
    assert.equal(code, 9, output);
    const dev = stackOf(report, "dev");
    assert.equal(dev.base, "checkpoint");
  });

  it("leaves nothing behind", () => {
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => /^clawfleet-(check|base)-/.test(name)),
      [],
    );
    assert.equal(git("worktree", "list").trim().split("\n").length, 1);
  });
});
