import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { clearStaleLocks } from "../../cli/local";
import { projectRoot, stateLayout } from "../../cli/workspace";
import { Environment } from "../../components/environment";
import { Conflict } from "../../components/errors";
import { cellsOf } from "../../stacks/config";
import { planFleet, readFleetFiles } from "../../stacks/fleet/rollout/fleet-plan";
import { freezeCell, frozenStackText } from "../../stacks/fleet/rollout/inputs";
import { releaseLocks } from "../../stacks/fleet/rollout/stack-locks";
import { projectConfig } from "../../stacks/fleet/stacks";
import { writeFleet } from "../support/fleet-folder";

const EXAMPLE = join(projectRoot, "examples", "two-regions-two-tenants");

describe("the frozen inputs of a cell", () => {
  let target: string;
  beforeEach(() => {
    target = mkdtempSync(join(tmpdir(), "clawfleet-inputs-"));
  });
  afterEach(() => {
    rmSync(target, { recursive: true, force: true });
  });

  it("come to the settings that the fleet's own files come to", () => {
    const files = readFleetFiles(EXAMPLE);
    const { plan } = planFleet({ folder: EXAMPLE, root: projectRoot, selector: "environment=prod" });
    const cells = plan.waves.flatMap((wave) => wave.cells);
    assert.equal(cells.length, 4);
    for (const cell of cells) {
      const inputs = join(target, cell.id);
      freezeCell(files, cell, inputs);
      const values = projectConfig(parse(frozenStackText(inputs, cell.id)));
      const [frozen] = cellsOf(cell.stack, values, "nowhere");
      const own = projectConfig(parse(readFileSync(join(EXAMPLE, `Pulumi.${cell.stack}.yaml`), "utf8")));
      const [live] = cellsOf(cell.stack, own, EXAMPLE);
      assert.deepEqual(frozen?.config, live?.config);
      assert.deepEqual([frozen?.id, frozen?.environment, frozen?.tenant], [live?.id, live?.environment, live?.tenant]);
      assert.equal(frozen?.cluster.uid, live?.cluster.uid);
    }
  });

  it("keep what the stack's file encrypts as it is, and paths where they were", () => {
    const { folder, dispose } = writeFleet({
      "fleet.yaml": {
        clusters: [{ id: "eu", region: "eu", kubeconfig: "kube/config", context: "eu" }],
        environments: [{ id: "dev", stacks: "cell" }],
        cells: [{ environment: "dev", clusters: ["eu"] }],
      },
      "overlays/base.yaml": {},
      "Pulumi.eu.yaml": {
        encryptionsalt: "v1:salt",
        config: { "secrets:key": { secure: "v1:cipher" }, "clawfleet:cell": { retain: true } },
      },
    });
    try {
      const cell = { id: "eu", stack: "eu", environment: Environment.Dev, configHash: "" };
      freezeCell(readFleetFiles(folder), cell, target);
      const stack = parse(frozenStackText(target, "eu")) as Record<string, unknown>;
      assert.deepEqual(stack, {
        encryptionsalt: "v1:salt",
        config: { "secrets:key": { secure: "v1:cipher" }, "clawfleet:folder": target, "clawfleet:cells": ["eu"] },
      });
      const { clusters } = parse(readFileSync(join(target, "fleet.yaml"), "utf8")) as {
        clusters: { kubeconfig: string }[];
      };
      assert.equal(clusters[0]?.kubeconfig, join(folder, "kube", "config"));
      assert.match(readFileSync(join(target, "overlays", "base.yaml"), "utf8"), /retain: true/);
    } finally {
      dispose();
    }
  });

  it("make a plan refuse a stack of several cells, also when only one is selected", () => {
    const { shared } = planFleet({ folder: EXAMPLE, root: projectRoot, selector: "dev-eu-acme" });
    assert.equal(shared.length, 1);
    assert.match(shared.join(), /dev-eu-acme, dev-eu-globex, .* share the stack dev/);
  });
});

describe("the locks of a stack", () => {
  const cell = { id: "eu", stack: "eu", environment: Environment.Dev, configHash: "" };
  /** No process has it: the kernel's highest is below. */
  const DEAD = 2 ** 22 + 1;
  let folder: string;
  let locks: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-locks-"));
    locks = join(folder, ".pulumi", "locks", "organization", "clawfleet", "eu");
    mkdirSync(locks, { recursive: true });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const lock = (pid: number, host = hostname()) => {
    writeFileSync(
      join(locks, "1.json"),
      JSON.stringify({ pid, hostname: host, username: "me", timestamp: "2026-11-21T18:00:00Z" }),
    );
  };
  const left = () => (existsSync(locks) ? readdirSync(locks).length : 0);

  it("are removed when our own dead process left them", () => {
    lock(DEAD);
    writeFileSync(join(folder, "pulumi.json"), JSON.stringify({ pid: DEAD, started: "before" }));
    assert.match(releaseLocks(cell, folder, { backend: folder, clear: false }).join(), /removed the lock/);
    assert.equal(left(), 0);
  });

  it("of another dead process are explained, and removed when that is asked for", () => {
    lock(DEAD);
    assert.throws(
      () => releaseLocks(cell, folder, { backend: folder, clear: false }),
      (error) => error instanceof Conflict && /--clear-locks/.test(error.message),
    );
    assert.equal(left(), 1);
    releaseLocks(cell, folder, { backend: folder, clear: true });
    assert.equal(left(), 0);
  });

  it("that are in use, or of another machine, stay", () => {
    lock(process.pid);
    assert.deepEqual(releaseLocks(cell, folder, { backend: folder, clear: true }), []);
    lock(DEAD, "elsewhere");
    assert.deepEqual(releaseLocks(cell, folder, { backend: folder, clear: true }), []);
    assert.equal(left(), 1);
  });

  it("are removed for the local commands when their process has ended, and only then", () => {
    const pulumi = { env: {}, layout: { ...stateLayout({}), backend: folder } };
    const leftOf = (...held: Parameters<typeof lock>) => {
      lock(...held);
      clearStaleLocks(pulumi, "eu");
      return left();
    };
    assert.equal(leftOf(process.pid), 1);
    assert.equal(leftOf(DEAD, "elsewhere"), 1);
    assert.equal(leftOf(DEAD), 0);
  });
});
