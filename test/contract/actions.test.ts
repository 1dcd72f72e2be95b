import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { ensureTools } from "../../engine/toolchain";

interface Action {
  inputs: Record<string, { default?: string }>;
  runs: { using: string; steps: { id?: string; run: string; env: Record<string, string>; if?: string }[] };
}

describe("GitHub's workflow and action", function () {
  this.timeout(300_000); // actionlint may have to be built
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-actions-"));
  const github = join(projectRoot, ".github");
  const action = parse(readFileSync(join(github, "actions", "check", "action.yml"), "utf8")) as Action;

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  describe("under actionlint", () => {
    let actionlint: string;
    before(async () => {
      actionlint = (await ensureTools(["actionlint"])).actionlint.path;
    });

    /** What actionlint says of our workflow in a repository of its own, after a change of its text. */
    function lint(name: string, change: (text: string) => string): { status: number | null; stdout: string } {
      const root = join(folder, name);
      cpSync(github, join(root, ".github"), { recursive: true });
      mkdirSync(join(root, ".git"));
      const workflow = join(root, ".github", "workflows", "check.yml");
      const text = readFileSync(workflow, "utf8");
      assert.ok(name === "as-it-is" || change(text) !== text, "nothing was changed");
      writeFileSync(workflow, change(text));
      // It would call these, if they were there, and their versions decide what they say.
      return spawnSync(actionlint, ["-no-color", "-shellcheck=", "-pyflakes=", workflow], {
        cwd: root,
        encoding: "utf8",
      });
    }

    it("have nothing wrong", () => {
      const { status, stdout } = lint("as-it-is", (text) => text);
      assert.equal(stdout, "");
      assert.equal(status, 0);
    });

    it("are told when an input, an output or a permission is misspelt", () => {
      const changes: [name: string, change: (text: string) => string, message: RegExp][] = [
        [
          "input",
          (text) => text.replace("command: node", "comand: node"),
          /input "comand" is not defined in action "ClawFleet check"/,
        ],
        ["output", (text) => text.replaceAll("outputs.sarif", "outputs.sariff"), /property "sariff" is not defined/],
        [
          "permission",
          (text) => text.replace("pull-requests: write", "pull-request: write"),
          /unknown permission scope "pull-request"/,
        ],
      ];
      for (const [name, change, message] of changes) {
        const { status, stdout } = lint(name, change);
        assert.equal(status, 1, name);
        assert.match(stdout, message);
      }
    });
  });

  describe("the action's script", () => {
    const step = action.runs.steps.find(({ id }) => id === "check");

    /** Runs the script with a stand-in for clawfleet that ends with a code and writes down how it was called. */
    function run(name: string, code: number, env: Record<string, string>, report = true) {
      const temp = join(folder, name);
      mkdirSync(temp);
      const files = { calls: join(temp, "calls"), output: join(temp, "output"), summary: join(temp, "summary") };
      writeFileSync(
        join(temp, "stand-in"),
        `#!/bin/bash
printf '%q ' "$@" >> "${files.calls}"; echo >> "${files.calls}"
while [ $# -gt 0 ]; do [ "$1" != --out ] || out="$2"; [ "$1" != --from ] || from="$2"; shift; done
if [ -n "$from" ]; then [ -z "$out" ] || echo "from $from" > "$out"; exit 0; fi
${report ? 'echo "{}" > "$out"' : ""}
exit ${String(code)}
`,
        { mode: 0o755 },
      );
      const { status, stderr } = spawnSync(
        "bash",
        ["--noprofile", "--norc", "-eo", "pipefail", "-c", step?.run ?? ""],
        {
          encoding: "utf8",
          env: {
            PATH: process.env.PATH,
            RUNNER_TEMP: temp,
            GITHUB_OUTPUT: files.output,
            GITHUB_STEP_SUMMARY: files.summary,
            ...{
              COMMAND: join(temp, "stand-in"),
              BASE: "origin/main",
              FOLDER: "",
              BASE_CHECKPOINT: "",
              CONCURRENCY: "",
            },
            ...env,
          },
        },
      );
      const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
      return {
        status,
        stderr,
        calls: read(files.calls)
          .trim()
          .split("\n")
          .map((call) => call.trim()),
        output: read(files.output),
        summary: read(files.summary),
        temp,
      };
    }

    it("is one check, whose report becomes summary, comment and SARIF, also when it does not pass", () => {
      const { status, stderr, calls, output, summary, temp } = run("fails", 9, {
        BASE: "origin/$(touch x)",
        FOLDER: "a b",
      });
      assert.equal(status, 0, stderr);
      const report = `${temp}/clawfleet/report.json`;
      assert.deepEqual(calls, [
        `check --changed-since origin/\\$\\(touch\\ x\\) --folder a\\ b --json --out ${report}`,
        `check --from ${report} --format markdown --out ${temp}/clawfleet/comment.md`,
        `check --from ${report} --format sarif --out ${temp}/clawfleet/report.sarif`,
        `check --from ${report}`,
      ]);
      assert.match(output, /^code=9$/m);
      assert.match(output, new RegExp(`^sarif=${temp}/clawfleet/report.sarif$`, "m"));
      assert.equal(summary, `from ${report}\n`);
    });

    it("ends with the check's own code when there is no report", () => {
      assert.equal(run("no-report", 2, {}, false).status, 2);
    });
  });

  it("pass inputs on by the environment alone, and end with the check's code", () => {
    assert.equal(action.runs.using, "composite");
    for (const { run } of action.runs.steps) assert.ok(!run.includes("${{"), run);
    assert.match(action.runs.steps.at(-1)?.run ?? "", /^exit "\$CODE"$/);
  });
});
