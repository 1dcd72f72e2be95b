import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";

/** What V8 tells of a process that runs these lines. */
function traced(...script: string[]): string {
  return execFileSync(process.execPath, ["--trace-opt", "-e", script.join("\n")], { encoding: "utf8" });
}

const MODULE = JSON.stringify(join(projectRoot, "policy/dist/runtime/optimize-later"));
const COMPUTE = "let sum = 0; for (let i = 0; i < 2e7; i++) sum += i;";
const BEGIN = `let later; globalThis.setTimeout = (run) => ((later = run), { unref() {} }); require(${MODULE}).optimizeLater();`;
const OPTIMIZED = /completed optimizing/;

describe("V8's optimizing compiler", () => {
  it("does nothing at first", () => {
    assert.match(traced(COMPUTE), OPTIMIZED);
    assert.doesNotMatch(traced(BEGIN, COMPUTE), OPTIMIZED);
  });

  it("is let in later", () => {
    assert.match(traced(BEGIN, "later();", COMPUTE), OPTIMIZED);
  });
});
