import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promote } from "../../cli/promote";
import { projectRoot } from "../../cli/workspace";
import { NotFound, ValidationFailed } from "../../components/errors";
import { writeFleet } from "../support/fleet-folder";

const FILES = {
  "fleet.yaml": {
    clusters: ["eu", "us"].map((id) => ({ id, region: id, context: id })),
    cells: [
      { environment: "dev", clusters: ["eu"] },
      { environment: "stage", clusters: ["us"] },
    ],
  },
  "overlays/base.yaml": "modelProxy: {}\n",
  "overlays/environment/dev.yaml": "modelProxy:\n  replicas: 1\n  providerKeys:\n    openai: { from: generated }\n",
  "overlays/environment/stage.yaml": "modelProxy: { replicas: 2 }\n",
};

/** Those that need no Pulumi: with something to promote, it is asked how the source is. */
describe("clawfleet promote", () => {
  let folder: string;
  let dispose: () => void;
  before(() => {
    ({ folder, dispose } = writeFleet(FILES));
  });
  after(() => {
    dispose();
  });
  const refused = (from: string, to: string, only: string[], type: typeof NotFound, message: RegExp) =>
    assert.rejects(promote(from, to, { folder, only, dryRun: false, json: false }), (error: Error) => {
      assert.ok(error instanceof type, error.name);
      assert.match(error.message, message);
      return true;
    });

  it("has nothing to do where all that differs is each environment's own, and says what was left out", () => {
    const run = (...args: string[]) =>
      execFileSync(
        process.execPath,
        [join(projectRoot, "dist", "cli", "main.js"), "promote", "dev", "stage", "--folder", folder, ...args],
        { encoding: "utf8" },
      );
    assert.equal(
      run(),
      [
        "nothing to do: stage has what dev runs",
        "left out:",
        "  modelProxy.providerKeys.openai: every environment generates its own",
        "",
      ].join("\n"),
    );
    assert.deepEqual(JSON.parse(run("--json")), {
      file: "overlays/environment/stage.yaml",
      written: false,
      changes: [],
      leftOut: [{ path: "modelProxy.providerKeys.openai", reason: "every environment generates its own" }],
      cells: [],
    });
    assert.equal(
      readFileSync(join(folder, "overlays/environment/stage.yaml"), "utf8"),
      FILES["overlays/environment/stage.yaml"],
    );
  });

  it("refuses what is no environment, no kind, or backwards", async () => {
    await refused("dev", "staging", [], NotFound, /no environment staging[\s\S]*dev, stage, prod/);
    await refused("stage", "dev", [], ValidationFailed, /from dev to stage to prod[\s\S]*git revert/);
    await refused("dev", "dev", [], ValidationFailed, /not from dev to dev/);
    await refused("dev", "stage", ["image"], ValidationFailed, /--only: image [\s\S]*images, config, content, refs/);
  });

  it("refuses a source that runs nowhere", async () => {
    const { folder: empty, dispose: remove } = writeFleet({
      ...FILES,
      "fleet.yaml": { ...FILES["fleet.yaml"], cells: [{ environment: "stage", clusters: ["us"] }] },
    });
    try {
      await assert.rejects(promote("dev", "stage", { folder: empty, dryRun: true, json: false }), /dev has no cells/);
    } finally {
      remove();
    }
  });
});
