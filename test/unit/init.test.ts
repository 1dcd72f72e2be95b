import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkFleet } from "../../cli/config";
import { filesOf } from "../../cli/init";
import { projectRoot } from "../../cli/workspace";
import { writeFleet } from "../support/fleet-folder";

const CLI = join(projectRoot, "dist", "cli", "main.js");
const EKS = "arn:aws:eks:eu-west-1:111122223333:cluster/Prod_EU";
const KUBECONFIG = { apiVersion: "v1", kind: "Config", contexts: [{ name: "admin@one" }, { name: EKS }] };

describe("clawfleet init", () => {
  let folder: string;
  let kubeconfig: string;
  let dispose: () => void;
  beforeEach(() => {
    ({ folder, dispose } = writeFleet({ kubeconfig: KUBECONFIG }));
    kubeconfig = join(folder, "kubeconfig");
  });
  afterEach(() => {
    dispose();
  });
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [CLI, "init", "--folder", folder, "--kubeconfig", kubeconfig, ...args], {
      encoding: "utf8",
    });

  it("writes files that a check finds nothing in, and none over another", () => {
    const first = run("--context", EKS, "--environment", "stage", "--region", "eu", "--tenant", "acme");
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /pulumi preview -s stage/);
    assert.deepEqual(parse(readFileSync(join(folder, "fleet.yaml"), "utf8")), {
      clusters: [{ id: "prod-eu", region: "eu", kubeconfig, context: EKS }],
      tenants: [{ id: "acme" }],
      cells: [{ environment: "stage", clusters: ["prod-eu"], tenants: ["acme"] }],
    });
    assert.deepEqual(checkFleet(folder), { cells: 1, stacks: 1, problems: [] });

    const second = run("--environment", "dev");
    assert.equal(second.status, 4);
    assert.match(second.stderr, /fleet\.yaml, overlays\/base\.yaml.* exists\n {2}Fix: pass --force/);
    assert.deepEqual(checkFleet(folder).cells, 1);
    assert.equal(run("--environment", "stage", "--force").status, 0);
    assert.equal(checkFleet(folder).cells, 2);
  });

  it("asks what no flag says", async () => {
    const asked: string[] = [];
    const answers = ["admin@one", "us", "prod", "acme, globex"];
    const { files, environment } = await filesOf({ kubeconfig }, (question, preset) => {
      asked.push(`${question} [${preset}]`);
      return Promise.resolve(answers[asked.length - 1] ?? "");
    });
    assert.equal(asked.length, answers.length);
    assert.match(asked[0] ?? "", /admin@one,arn:aws/);
    assert.equal(environment, "prod");
    assert.deepEqual(parse(files["fleet.yaml"] ?? ""), {
      clusters: [{ id: "one", region: "us", kubeconfig, context: "admin@one" }],
      tenants: [{ id: "acme" }, { id: "globex" }],
      cells: [{ environment: "prod", clusters: ["one"], tenants: ["acme", "globex"] }],
    });
  });

  it("refuses a context that is not there, and an environment that is none, and writes nothing", () => {
    const unknown = run("--context", "two");
    assert.equal(unknown.status, 3);
    assert.match(unknown.stderr, /there is no context two\n {2}Fix: use one of: admin@one, arn/);
    const wrong = run("--environment", "production");
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /cells\[0\]\.environment: Invalid option: expected one of "dev"\|"stage"\|"prod"/);
    assert.throws(() => readFileSync(join(folder, "fleet.yaml")), /ENOENT/);
  });
});
