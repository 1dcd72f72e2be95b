import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(__dirname, "../../..");

describe("stale compiled code", function () {
  this.timeout(30_000); // each run starts Node, which loads Pulumi's SDK
  let copy: string;
  const at = (path: string) => join(copy, path);

  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), "clawfleet-build-stamp-"));
    for (const path of ["index.ts", "tsconfig.json", "components", "stacks"]) {
      cpSync(join(ROOT, path), at(path), { recursive: true });
    }
    for (const path of ["node_modules", "policy"]) symlinkSync(join(ROOT, path), at(path));
    mkdirSync(at("dist/stacks"), { recursive: true });
    writeFileSync(at("dist/stacks/program.js"), 'exports.program = () => console.log("the program runs");');
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  const stamp = () => execFileSync(process.execPath, [at("stacks/build-stamp.js")]);
  const run = () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["-e", `Promise.resolve(require(${JSON.stringify(at("stacks/entry.js"))})()).catch(() => process.exit(1))`],
      { encoding: "utf8" },
    );
    return { status, text: `${stdout}${stderr}` };
  };
  const assertRuns = () => assert.deepEqual(run(), { status: 0, text: "the program runs\n" });
  const assertStale = () => {
    const { status, text } = run();
    assert.equal(status, 1);
    assert.match(text, /compiled program in dist\/ is missing or older than its sources\.\s+Fix: run `make build`/);
    assert.ok(!text.includes("the program runs"));
  };

  it("is never run: what was not compiled is refused", () => assertStale());

  it("runs what was compiled from the sources as they are", () => {
    stamp();
    assertRuns();
  });

  for (const file of [
    "components/agent-stack.ts",
    "stacks/program.ts",
    "components/images.json",
    "tsconfig.json",
    "index.ts",
  ]) {
    it(`is refused after an edit of ${file}, and accepted once compiled`, () => {
      stamp();
      writeFileSync(at(file), "\n", { flag: "a" });
      assertStale();
      stamp();
      assertRuns();
    });
  }

  it("is refused after a file was added, removed or renamed", () => {
    stamp();
    writeFileSync(at("components/new.ts"), "");
    assertStale();
    stamp();
    rmSync(at("components/new.ts"));
    assertStale();
  });

  it("does not depend on times, which a checkout changes, nor on a stack's config", () => {
    stamp();
    utimesSync(at("components/agent-stack.ts"), new Date(), new Date());
    writeFileSync(at("stacks/Pulumi.dev.yaml"), "config: {}\n");
    assertRuns();
  });
});
