import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endedProcess, runCellProcess } from "../../stacks/fleet/rollout/cell-process";
import { startTimeOf } from "../../engine/process-start";

const DEBUG = JSON.stringify({ diagnosticEvent: { severity: "debug", message: "resp: canary-secret" } });
const OUTPUT = JSON.stringify({
  resOutputsEvent: { metadata: { op: "create", type: "kubernetes:core/v1:Secret", new: { outputs: {} } } },
});

/** A stand-in for Pulumi: a shell script, in the process of a cell. */
describe("the process of a cell", function () {
  this.timeout(20_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-cell-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (script: string, signal = new AbortController().signal, args: string[] = []) => {
    const cli = join(folder, "pulumi");
    writeFileSync(cli, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    const onReport = () => undefined;
    return runCellProcess({ folder, name: "up", cli, args, cwd: folder, env: process.env, signal, onReport });
  };
  const pidIn = async (name: string) => {
    const file = join(folder, name);
    while (!existsSync(file) || readFileSync(file, "utf8").trim() === "") await wait(20);
    return Number(readFileSync(file, "utf8"));
  };

  it("tells what was printed, and keeps from the disk what shows secrets", async () => {
    const { code, report } = await start(`echo '${DEBUG}'; echo '${OUTPUT}'; echo 'error: it went wrong' >&2; exit 3`);
    assert.equal(code, 3);
    assert.equal(report.done, 1);
    assert.deepEqual(report.errors, ["error: it went wrong"]);
    assert.doesNotMatch(readFileSync(join(folder, "up.jsonl"), "utf8"), /canary-secret/);
  });

  it("is asked to end before it is killed", async () => {
    const interruption = new AbortController();
    const ended = start(
      `trap 'echo finished-what-it-was-at; exit 255' INT; echo $$ > pid; while :; do sleep 0.1; done`,
      interruption.signal,
    );
    const pid = await pidIn("pid");
    interruption.abort();
    const { code, report } = await ended;
    assert.equal(code, 255);
    assert.deepEqual(report.errors, ["finished-what-it-was-at"]);
    assert.equal(startTimeOf(pid), undefined);
    assert.equal(endedProcess(folder)?.pid, pid, "its lock is ours to remove");
  });

  it("killed from outside, takes with it what it had started", async function () {
    if (process.platform !== "linux") this.skip();
    const ended = start("sleep 60 & echo $! > plugin; echo $$ > pid; wait");
    const [plugin, pid] = [await pidIn("plugin"), await pidIn("pid")];
    const supervisor = (JSON.parse(readFileSync(join(folder, "supervisor.json"), "utf8")) as { pid: number }).pid;
    process.kill(supervisor, "SIGKILL");
    const { code } = await ended;
    assert.equal(code, null);
    assert.deepEqual([startTimeOf(plugin), startTimeOf(pid)], [undefined, undefined]);
  });

  it("says so when Pulumi cannot be started", async () => {
    rmSync(join(folder, "pulumi"), { force: true });
    const onReport = () => undefined;
    const { signal } = new AbortController();
    const options = {
      folder,
      name: "up",
      cli: join(folder, "nothing"),
      args: [],
      cwd: folder,
      env: process.env,
      signal,
      onReport,
    };
    const { code, report } = await runCellProcess(options);
    assert.notEqual(code, 0);
    assert.match(report.errors.join(), /cannot be started/);
  });
});
