import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { catalogueImage } from "../../components/images";
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
  /** For temporary files of the commands alone. */
  let temporary: string;

  before(async () => {
    fleet = await TestFleet.start(["check-eu"]);
    temporary = join(fleet.folder, "temporary");
    mkdirSync(temporary);
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

  const check = (...args: string[]) =>
    clawfleet("check", "--folder", repository, "--changed-since", "main", ...args, "--json");
  async function clawfleet(...args: string[]): Promise<Outcome & { report: Report }> {
    const env = { ...process.env, TMPDIR: temporary, PULUMI_BACKEND_URL: "", PULUMI_ACCESS_TOKEN: "" };
    const outcome = await promisify(execFile)(process.execPath, [MAIN, ...args], {
      env,
      maxBuffer: 64 * 2 ** 20,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    const output = outcome.stdout + outcome.stderr;
    assert.ok(!output.includes(CANARY), "a secret is told");
    const report = (outcome.stdout === "" ? { stacks: [] } : JSON.parse(outcome.stdout)) as Report;
    return { code: outcome.code, output, report };
  }
  /** What checks keep for as long as they run. */
  const leftovers = () => readdirSync(temporary).filter((name) => /^clawfleet-(check|base)-/.test(name));
  const stackOf = ({ stacks }: Report, name: string): StackReport => {
    const found = stacks.find(({ stack }) => stack === name);
    assert.ok(found, `no stack ${name}`);
    return found;
  };
  const inWords = (changes: Change[]) =>
    changes
      .map(({ op, type, name, stateful }) => `${op} ${type.split(":").at(-1) ?? ""} ${name}${stateful ? " *" : ""}`)
      .sort();

  const DEV_CHANGE = {
    vault: { enabled: false },
    dnsFilter: {},
    gateway: { state: { storageClass: "another" }, resources: { requestsMemory: "1280Mi" } },
  };

  const DEV_CHANGES = [
    "create ConfigMap check-eu-dns-filter-config",
    "create Deployment check-eu-dns-filter",
    "create NetworkPolicy check-eu-dns-filter",
    "create PodDisruptionBudget check-eu-dns-filter",
    "create Service check-eu-dns-filter",
    "create ServiceAccount check-eu-dns-filter",
    "delete PersistentVolumeClaim check-eu-vault *",
    "replace ConfigMap check-eu-gateway-config",
    "replace PersistentVolumeClaim check-eu-gateway-state *",
    "replace StatefulSet check-eu-gateway *",
    "update NetworkPolicy check-eu-gateway",
  ];

  const VAULT_CHANGES = [
    "delete PersistentVolumeClaim check-eu-vault *",
    "replace ConfigMap check-eu-gateway-config",
    "update StatefulSet check-eu-gateway *",
  ];

  it("asks the clusters themselves, where that is asked for", async () => {
    process.env.CLAWFLEET_STATE = fleet.folder;
    const ask = () => check("--stack", "dev", "--base-checkpoint", checkpoints, "--with-clusters");
    const kept = async () => [...(await fleet.objects("check-eu", "check-eu", "configmaps,pvc")).keys()];
    try {
      const before = await kept();
      writeFiles({ "overlays/environment/dev.yaml": { vault: { enabled: false } } });
      const { code, report, output } = await ask();
      assert.equal(code, 0, output);
      assert.equal(report.clusters, true);
      const dev = stackOf(report, "dev");
      assert.deepEqual([dev.base, dev.failure, dev.findings], ["checkpoint", undefined, []]);
      assert.deepEqual(inWords(dev.changes), VAULT_CHANGES);
      // What a cluster has, it alone can tell.
      writeFiles({ "overlays/environment/dev.yaml": DEV_CHANGE });
      const refused = await ask();
      assert.equal(refused.code, 3, refused.output);
      assert.match(stackOf(refused.report, "dev").failure?.message ?? "", /no StorageClass another.*has: standard/);
      assert.deepEqual(await kept(), before, "a check has changed something");
    } finally {
      delete process.env.CLAWFLEET_STATE;
      rmSync(join(repository, "overlays", "environment"), { recursive: true });
      // What comes is without a cluster.
      await stopClusters(fleet.folder);
    }
  });

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

  it("tells adds, changes, replacements and stateful objects by the state, and findings with file and line", async () => {
    writeFiles({
      "overlays/environment/dev.yaml": DEV_CHANGE,
      "overlays/environment/prod.yaml": "gateway:\n  resources: { requestsMemory: 1280Mi }\n",
      "overlays/cluster/check-us.yaml": "# by mistake\nretain: false\n",
    });
    const { code, report, output } = await check("--base-checkpoint", checkpoints);
    assert.equal(code, 9, output);
    const dev = stackOf(report, "dev");
    assert.equal(dev.base, "checkpoint");
    assert.deepEqual(dev.reasons, ["overlays/environment/dev.yaml"]);
    assert.deepEqual(inWords(dev.changes), DEV_CHANGES);
    const claim = dev.changes.find(({ name }) => name === "check-eu-gateway-state");
    assert.deepEqual(claim?.replacePaths, ["spec.storageClassName"]);
    assert.deepEqual(dev.findings, []);

    // There is no state of prod, so what it renders is compared.
    const prod = stackOf(report, "prod");
    assert.equal(prod.base, "rendered");
    assert.deepEqual(
      prod.changes.map(({ op, name, paths, replacement }) => [op, name, paths, replacement]),
      [
        [
          "update",
          "check-us/check-us-gateway",
          ["spec.template.spec.containers[0].resources.requests.memory"],
          "undecided",
        ],
      ],
    );
    const mistake = prod.findings.find(({ policy }) => policy === "state-kept");
    assert.deepEqual(
      [mistake?.level, mistake?.path, mistake?.cell, mistake?.file, mistake?.line],
      ["mandatory", "retain", "check-us", "overlays/cluster/check-us.yaml", 2],
    );
  });

  it("compares with the base revision on an embedded cluster, where that is asked for", async () => {
    writeFiles({ "overlays/environment/dev.yaml": { vault: { enabled: false } } });
    const { code, report, output } = await check("--stack", "dev", "--base", "cluster");
    assert.equal(code, 0, output);
    const dev = stackOf(report, "dev");
    assert.equal(dev.base, "cluster");
    assert.deepEqual(inWords(dev.changes), VAULT_CHANGES);
  });

  it("ends with 6 when a cluster that was asked for does not answer, and with 2 for a mistake", async () => {
    const kubeconfig = join(fleet.folder, "nowhere.yaml");
    const cluster = { name: "nowhere", cluster: { server: "https://127.0.0.1:9" } };
    const context = { name: "nowhere", context: { cluster: "nowhere", user: "nobody" } };
    const user = { name: "nobody", user: { token: CANARY } };
    writeFileSync(kubeconfig, stringify({ clusters: [cluster], contexts: [context], users: [user] }));
    process.env.KUBECONFIG = kubeconfig;
    try {
      const unreached = await check("--stack", "prod", "--with-clusters");
      assert.equal(unreached.code, 6, unreached.output);
      assert.equal(stackOf(unreached.report, "prod").failure?.class, "Unreachable");
    } finally {
      delete process.env.KUBECONFIG;
    }
    writeFiles({ "overlays/cluster/check-us.yaml": "retian: true\n" });
    const mistaken = await check();
    assert.equal(mistaken.code, 2, mistaken.output);
    assert.match(mistaken.output, /overlays\/cluster\/check-us.yaml:1: retian: unknown key; did you mean retain\?/);
    writeFiles({ "overlays/cluster/check-us.yaml": "retain: true\n" });
  });

  it("audits an exported state, each environment by its own level", async () => {
    const exported = join(checkpoints, "dev.json");
    const passed = await clawfleet("audit", "dev", "--folder", repository, "--state", exported, "--json");
    assert.equal(passed.code, 0, passed.output);
    const tampered = join(fleet.folder, "tampered.json");
    const image = catalogueImage("openclaw-gateway").digest;
    const text = readFileSync(exported, "utf8");
    assert.ok(text.includes(`@${image}`));
    writeFileSync(tampered, text.replaceAll(`@${image}`, ""));
    const failed = await clawfleet("audit", "prod", "--folder", repository, "--state", tampered, "--json");
    assert.equal(failed.code, 9, failed.output);
    const unpinned = stackOf(failed.report, "prod").findings.filter(({ policy }) => policy === "images-pinned");
    assert.ok(
      unpinned.some(({ level, name }) => level === "mandatory" && name === "check-eu-gateway"),
      failed.output,
    );
  });

  it("stops on Ctrl-C", async () => {
    const child = spawn(process.execPath, [MAIN, "check", "--folder", repository, "--changed-since", "main"], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    while (leftovers().length < 2) await sleep(50);
    child.kill("SIGINT");
    assert.deepEqual(await ended, [130, null]);
  });

  it("leaves nothing behind", () => {
    assert.deepEqual(leftovers(), []);
    assert.equal(git("worktree", "list").trim().split("\n").length, 1);
  });
});
