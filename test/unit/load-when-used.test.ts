import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";

/** Runs a script after the stand-ins are in place and returns what it prints as JSON. */
function afterStandIns(script: string): unknown {
  const standIns = JSON.stringify(join(projectRoot, "stacks", "load-when-used.js"));
  const print = `require(${standIns}); console.log(JSON.stringify((() => { ${script} })()))`;
  return JSON.parse(execFileSync(process.execPath, ["-e", print], { cwd: projectRoot, encoding: "utf8" }));
}

describe("modules that are loaded when used", () => {
  it("are not loaded by the program", () => {
    const loaded = afterStandIns(
      `require("./dist/stacks/program.js"); return Object.keys(require.cache).map((file) => file.replaceAll("\\\\", "/"))`,
    ) as string[];
    assert.ok(loaded.some((file) => file.includes("/@pulumi/pulumi/runtime/")));
    const heavy = /\/(typescript|@npmcli\/arborist|execa)\b/;
    assert.deepEqual(
      loaded.filter((file) => heavy.test(file)),
      [],
    );
  });

  it("do what they do otherwise once they are used", () => {
    assert.deepEqual(
      afterStandIns(`
        const pulumi = require("@pulumi/pulumi");
        const { LocalWorkspace } = pulumi.automation;
        return [
          Object.keys(pulumi.automation).includes("LocalWorkspace"),
          typeof LocalWorkspace.createOrSelectStack,
          new pulumi.automation.CommandError({ code: 1 }) instanceof Error,
        ]`),
      [true, "function", true],
    );
  });

  it("serialize functions as before", () => {
    const script = `require("@pulumi/pulumi").runtime.serializeFunction(() => 42).then(({ text }) => console.log(text))`;
    const text = execFileSync(process.execPath, ["-r", "./stacks/load-when-used.js", "-e", script], {
      cwd: projectRoot,
      encoding: "utf8",
    });
    assert.match(text, /return 42|=> 42/);
  });
});
