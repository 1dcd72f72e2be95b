import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkFleet } from "../../cli/config";
import { projectRoot } from "../../cli/workspace";
import { writeFleet } from "../support/fleet-folder";

const CORPUS = join(projectRoot, "test", "unit", "fleet-corpus");

/** A fleet in which only the overlay under test is wrong. */
const FLEET = {
  clusters: [{ id: "eu", region: "eu-west", context: "eu" }],
  cells: [{ environment: "dev", clusters: ["eu"] }],
};

/** What a file of the corpus stands for: the inventory, `overlays/base.yaml`, or several files as texts by name. */
const KINDS: Record<string, (text: string) => Record<string, unknown>> = {
  inventory: (text) => ({ "fleet.yaml": text }),
  overlay: (text) => ({ "fleet.yaml": FLEET, "overlays/base.yaml": text }),
  fleet: (text) => parse(text) as Record<string, string>,
};

/** Without the names of all parts, which are not what these files are about. */
const shortened = (problem: string) => problem.replace(/known keys: namespace, .*/, "known keys: ...");

describe("what is wrong with a fleet's files", () => {
  for (const [kind, filesOf] of Object.entries(KINDS)) {
    for (const file of readdirSync(join(CORPUS, kind)).sort()) {
      it(`${kind}: ${file.replace(".yaml", "").replaceAll("-", " ")}`, () => {
        const text = readFileSync(join(CORPUS, kind, file), "utf8");
        const expected = [...text.matchAll(/^# expect: (.*)$/gm)].map(([, problem]) => problem);
        const { folder, dispose } = writeFleet(filesOf(text));
        try {
          assert.deepEqual(checkFleet(folder).problems.map(shortened), expected);
        } finally {
          dispose();
        }
      });
    }
  }

  it("is tried with at least 60 files", () => {
    const files = Object.keys(KINDS).flatMap((kind) => readdirSync(join(CORPUS, kind)));
    assert.ok(files.length >= 60, String(files.length));
  });
});
