import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { forgetUnsaved, hasUnsaved, savedAtEnd } from "../../cli/saved-at-end";
import { stateLayout } from "../../cli/workspace";
import { checkpointFile } from "../../stacks/project";

const ENDED = { code: 0, killed: false, stdout: "" };

describe("a state that is saved at the end", () => {
  let folder: string;
  const layout = () => stateLayout({ CLAWFLEET_STATE: folder });
  const marker = () => join(folder, "unsaved", "dev.json");
  /** What a run leaves that was killed together with its Pulumi. */
  const kill = async () => {
    await savedAtEnd(layout(), "dev", () => Promise.resolve({ ...ENDED, code: 1, killed: true }));
    writeFileSync(marker(), JSON.stringify({ pid: 1, started: "earlier" }));
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-saved-"));
    mkdirSync(dirname(checkpointFile(layout().backend, "dev")), { recursive: true });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("leaves nothing behind when Pulumi ends by itself, well or not", async () => {
    for (const code of [0, 1]) {
      await savedAtEnd(layout(), "dev", (env) => {
        assert.equal(env.PULUMI_SKIP_CHECKPOINTS, "true");
        return Promise.resolve({ ...ENDED, code });
      });
      assert.deepEqual(readdirSync(join(folder, "unsaved")), []);
    }
    assert.equal(hasUnsaved(layout(), "dev"), false);
  });

  it("is missed when Pulumi was killed, until the clusters are gone", async () => {
    await kill();
    assert.equal(hasUnsaved(layout(), "dev"), true);
    assert.equal(hasUnsaved(layout(), "stage"), false);
    forgetUnsaved(layout(), "dev");
    assert.equal(hasUnsaved(layout(), "dev"), false);
  });

  it("is missed when the record of the run is damaged", async () => {
    await kill();
    writeFileSync(marker(), "{");
    assert.equal(hasUnsaved(layout(), "dev"), true);
  });

  it("is not missed while the run goes on", async () => {
    await savedAtEnd(layout(), "dev", () => {
      assert.equal(hasUnsaved(layout(), "dev"), false);
      return Promise.resolve(ENDED);
    });
  });

  it("is not missed when Pulumi outlived us and saved it", async () => {
    await kill();
    const file = checkpointFile(layout().backend, "dev");
    writeFileSync(file, "{}");
    const soon = new Date(Date.now() + 1000);
    utimesSync(file, soon, soon);
    assert.equal(hasUnsaved(layout(), "dev"), false);
  });

  it("is saved with each step where the user wants it so", async () => {
    process.env.PULUMI_SKIP_CHECKPOINTS = "false";
    try {
      await savedAtEnd(layout(), "dev", (env) => {
        assert.deepEqual(env, {});
        return Promise.resolve(ENDED);
      });
    } finally {
      delete process.env.PULUMI_SKIP_CHECKPOINTS;
    }
  });
});
