import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { startTimeOf } from "../../engine/process-start";
import { withLock } from "../../engine/toolchain/lock";

const lockModule = require.resolve("../../engine/toolchain/lock");

/** Takes the lock, writes that it began, works until a file is there, writes that it ended. */
const worker = `
const { appendFileSync, existsSync } = require("node:fs");
const [lock, diary, enough] = process.argv.slice(1);
require(${JSON.stringify(lockModule)}).withLock(lock, { purpose: "a test", log: (line) => process.stderr.write(line + "\\n"), signal: undefined }, async () => {
  appendFileSync(diary, "begin " + process.pid + "\\n");
  while (!existsSync(enough)) await new Promise((resolve) => setTimeout(resolve, 20));
  appendFileSync(diary, "end " + process.pid + "\\n");
});`;

describe("toolchain: locks", function () {
  this.timeout(30_000);
  let dir: string;
  let lock: string;
  let diary: string;
  let enough: string;
  const children: ChildProcess[] = [];
  const start = () => {
    const child = spawn(process.execPath, ["-e", worker, lock, diary, enough], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    children.push(child);
    return { child, ended: once(child, "close"), said: () => said };
  };
  const until = async (condition: () => boolean) => {
    for (const end = Date.now() + 10_000; !condition(); await sleep(20)) assert.ok(Date.now() < end, "waited 10 s");
  };
  const quiet = { purpose: "a test", log: () => undefined, signal: undefined };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "toolchain-"));
    lock = join(dir, "x.lock");
    diary = join(dir, "diary");
    enough = join(dir, "enough");
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await rm(dir, { recursive: true });
  });

  it("lets real processes work one after another, and the waiting ones say who holds it", async () => {
    const first = start();
    await until(() => existsSync(diary));
    const others = [start(), start()];
    const waiting = `waiting for process ${first.child.pid} on ${hostname()}: a test`;
    await until(() => others.every(({ said }) => said().includes(waiting)));
    writeFileSync(enough, "");
    await Promise.all([first, ...others].map(({ ended }) => ended));
    const entries = readFileSync(diary, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    assert.equal(entries.length, 6);
    for (let i = 0; i < entries.length; i += 2) {
      assert.deepEqual([entries[i]?.[0], entries[i + 1]?.[0]], ["begin", "end"]);
      assert.equal(entries[i]?.[1], entries[i + 1]?.[1]);
    }
    assert.deepEqual((await readdir(dir)).sort(), ["diary", "enough"]);
  });

  it("takes over from a process that was killed, and only one of those that wait does", async () => {
    const first = start();
    await until(() => existsSync(diary));
    first.child.kill("SIGKILL");
    await first.ended;
    writeFileSync(enough, "");
    const others = [start(), start(), start()];
    await Promise.all(others.map(({ ended }) => ended));
    const events = readFileSync(diary, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    assert.deepEqual(events, ["begin", "begin", "end", "begin", "end", "begin", "end"]);
    assert.ok(others.some(({ said }) => said().includes(`taking over the lock of process ${first.child.pid}`)));
    assert.deepEqual((await readdir(dir)).sort(), ["diary", "enough"]);
  });

  it("takes over from a process whose id another process has now", async () => {
    writeFileSync(lock, JSON.stringify({ pid: process.pid, started: "long ago", host: hostname(), purpose: "gone" }));
    const lines: string[] = [];
    assert.equal(await withLock(lock, { ...quiet, log: (line) => void lines.push(line) }, () => Promise.resolve(7)), 7);
    assert.deepEqual(lines, [`taking over the lock of process ${process.pid}, which ended without releasing it`]);
  });

  it("waits for a live process and for one on another host, until aborted", async () => {
    for (const host of [hostname(), "another-host"]) {
      writeFileSync(
        lock,
        JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid), host, purpose: "busy" }),
      );
      const signal = AbortSignal.timeout(300);
      await assert.rejects(
        withLock(lock, { ...quiet, signal }, () => Promise.resolve()),
        { name: "TimeoutError" },
      );
      assert.ok(existsSync(lock));
    }
  });

  it("says which option helps when the folder can't be written", async () => {
    writeFileSync(lock, "a file");
    await assert.rejects(
      withLock(join(lock, "y.lock"), quiet, () => Promise.resolve()),
      /x\.lock: the cache can't be written: \w+\n\s+Fix: set CLAWFLEET_CACHE/,
    );
  });

  it("is released when the work fails", async () => {
    await assert.rejects(
      withLock(lock, quiet, () => Promise.reject(new Error("failed"))),
      /failed/,
    );
    assert.equal(await withLock(lock, quiet, () => Promise.resolve("again")), "again");
  });
});
