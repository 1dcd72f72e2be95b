import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import fc from "fast-check";
import { parse, parseAllDocuments } from "yaml";
import { ValidationFailed } from "../../components/errors";
import { argumentsOf } from "../../engine/clusters/control-plane";
import { kubeconfig, prepareCredentials } from "../../engine/clusters/credentials";
import { startClusters, stopClusters } from "../../engine/clusters/index";
import { freeIndex, freePort, MAX_CLUSTERS, nodePodCidr, planIndexes, rangesOf } from "../../engine/clusters/network";
import {
  isRunning,
  readRunning,
  residentMemory,
  startProcess,
  stopProcess,
  stopRecorded,
  type ProcessRecord,
} from "../../engine/clusters/process";
import { parseStat } from "../../engine/proc";
import { startTimeOf } from "../../engine/process-start";
import { stagesFile } from "../../engine/clusters/stages";
import {
  ClusterFolder,
  clustersFile,
  makePrivateFolder,
  PROCESS_NAMES,
  readClusters,
  writePrivateFile,
} from "../../engine/clusters/state";

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe("local clusters", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-unit-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  describe("processes", () => {
    const sleeper = (args: readonly string[] = ["-e", "setInterval(() => {}, 1000)"]): ProcessRecord =>
      startProcess({
        command: process.execPath,
        args,
        cwd: folder,
        env: {},
        logFile: join(folder, "sleeper.log"),
        pidFile: join(folder, "sleeper.pid"),
      });

    it("reads what the kernel tells behind a command name with blanks and parentheses", () => {
      const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
      fields[0] = "S";
      assert.deepEqual(parseStat(`42 (a) S (b ) ${fields.join(" ")}`), {
        state: "S",
        parent: 4,
        ticks: 14 + 15,
        waitedTicks: 16 + 17,
        threads: 20,
        startTicks: "22",
      });
    });

    it("knows a process by pid and start time, not by pid alone", () => {
      const startTime = startTimeOf(process.pid);
      assert.ok(startTime);
      assert.equal(isRunning({ pid: process.pid, startTime }), true);
      assert.equal(isRunning({ pid: process.pid, startTime: `${startTime}0` }), false);
    });

    it("takes a child that ended but was not collected yet for ended", async () => {
      const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
      const { pid } = child;
      assert.ok(pid);
      await once(child, "exit");
      assert.equal(startTimeOf(pid), undefined);
    });

    it("starts a process that is found by its pid file, and ends it", async () => {
      const record = sleeper();
      assert.equal(modeOf(join(folder, "sleeper.pid")), 0o600);
      assert.equal(modeOf(join(folder, "sleeper.log")), 0o600);
      assert.deepEqual(readRunning(join(folder, "sleeper.pid")), record);
      assert.ok(residentMemory(process.pid) > 10 * 1024 * 1024);
      await stopProcess(record, 5_000);
      assert.equal(isRunning(record), false);
      assert.equal(readRunning(join(folder, "sleeper.pid")), undefined);
      assert.equal(residentMemory(record.pid), 0);
    });

    it("kills a process that ignores SIGTERM after the grace time", async () => {
      const script = "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)";
      const record = sleeper(["-e", script]);
      while (!readFileSync(join(folder, "sleeper.log"), "utf8").includes("up")) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const began = Date.now();
      await stopProcess(record, 200);
      assert.equal(isRunning(record), false);
      assert.ok(Date.now() - began >= 200);
    });

    it("does not signal a process whose pid a stale file names", async () => {
      const record = sleeper();
      const stale = join(folder, "stale.pid");
      writeFileSync(stale, JSON.stringify({ ...record, startTime: "another boot/1" }));
      assert.equal(await stopRecorded(stale, 100), false);
      assert.equal(isRunning(record), true);
      await stopProcess(record, 5_000);
    });

    it("ignores pid files that would address process groups or hold no record", () => {
      const file = join(folder, "odd.pid");
      for (const text of ["", "12", "null", "{}", '{"pid":-1,"startTime":"x"}', '{"pid":0,"startTime":"x"}']) {
        writeFileSync(file, text);
        assert.equal(readRunning(file), undefined, text);
      }
    });

    it("says which program can't be started", () => {
      const missing = join(folder, "no-such-program");
      assert.throws(
        () =>
          startProcess({
            command: missing,
            args: [],
            cwd: folder,
            env: {},
            logFile: join(folder, "x.log"),
            pidFile: join(folder, "x.pid"),
          }),
        (error) => error instanceof ValidationFailed && error.where === missing,
      );
    });
  });

  describe("addresses", () => {
    it("gives each cluster ranges of its own", () => {
      const all = Array.from({ length: MAX_CLUSTERS }, (_, index) => rangesOf(index));
      const cidrs = all.flatMap(({ podCidr, serviceCidr }) => [podCidr, serviceCidr]);
      assert.equal(new Set(cidrs).size, 2 * MAX_CLUSTERS);
      assert.ok(cidrs.every((cidr) => /^10\.\d+\.0\.0\/16$/.test(cidr)));
      assert.equal(new Set(all.map(({ entryAddress }) => entryAddress)).size, MAX_CLUSTERS);
    });

    it("keeps every node's range within its cluster's and apart from the other nodes'", () => {
      const ranges = Array.from({ length: 64 }, (_, node) => nodePodCidr(3, node));
      assert.equal(new Set(ranges).size, 64);
      assert.ok(ranges.every((cidr) => cidr.startsWith("10.163.")));
      assert.equal(ranges[63], "10.163.126.0/23");
    });

    it("finds the lowest free place", () => {
      fc.assert(
        fc.property(fc.uniqueArray(fc.nat(MAX_CLUSTERS - 1), { maxLength: MAX_CLUSTERS - 1 }), (taken) => {
          const index = freeIndex(new Set(taken));
          assert.ok(!taken.includes(index));
          for (let lower = 0; lower < index; lower++) assert.ok(taken.includes(lower));
        }),
      );
      assert.throws(
        () => freeIndex(new Set(Array.from({ length: MAX_CLUSTERS }, (_, index) => index))),
        ValidationFailed,
      );
    });

    it("keeps a place from before, and gives others the lowest free ones", () => {
      const previous = new Map([
        ["one", 1],
        ["stopped", 0],
      ]);
      assert.deepEqual(
        [...planIndexes(["two", "one", "three"], previous)],
        [
          ["two", 2],
          ["one", 1],
          ["three", 3],
        ],
      );
    });

    it("takes the preferred port, but neither a taken nor a reserved one", async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port: taken } = server.address() as AddressInfo;
      const reserved = new Set<number>();
      const first = await freePort(reserved, taken);
      assert.notEqual(first, taken);
      assert.deepEqual([...reserved], [first]);
      server.close();
      await once(server, "close");
      assert.equal(await freePort(reserved, taken), taken);
      assert.notEqual(await freePort(reserved, taken), taken);
    });
  });

  describe("files", () => {
    it("replaces a file with a private one, whatever its mode was", () => {
      const file = join(folder, "state.json");
      writeFileSync(file, "old");
      chmodSync(file, 0o644);
      writePrivateFile(file, "new");
      assert.equal(readFileSync(file, "utf8"), "new");
      assert.equal(modeOf(file), 0o600);
      assert.deepEqual(readdirSync(folder), ["state.json"]);
    });

    it("rejects a clusters.json that is not ours, and reads none as none", () => {
      assert.deepEqual(readClusters(folder), []);
      writeFileSync(clustersFile(folder), '[{"name":1}]');
      assert.throws(
        () => readClusters(folder),
        (error) => error instanceof ValidationFailed && error.where === clustersFile(folder),
      );
    });

    it("makes credentials once, private, and a kubeconfig with a context per cluster", () => {
      const cluster = new ClusterFolder(folder, "east");
      makePrivateFolder(cluster.path);
      cluster.writeNetwork({ index: 0, port: 6443 });
      assert.deepEqual(cluster.readNetwork(), { index: 0, port: 6443 });
      const { token } = prepareCredentials(cluster);
      assert.match(token, /^[0-9a-f]{64}$/);
      assert.deepEqual(prepareCredentials(cluster), { token });
      for (const file of [cluster.tokens, cluster.serviceAccountKey]) assert.equal(modeOf(file), 0o600);
      const access = { server: "https://127.0.0.1:6443", certificateAuthority: "PEM", token };
      const config = parse(kubeconfig(["east", "west"].map((name) => ({ name, access })))) as Record<string, unknown>;
      assert.equal(config["current-context"], "east");
      assert.deepEqual(config["contexts"], [
        { name: "east", context: { cluster: "east", user: "east" } },
        { name: "west", context: { cluster: "west", user: "west" } },
      ]);
    });
  });

  it("never puts the token on a command line", () => {
    const cluster = new ClusterFolder(folder, "east");
    makePrivateFolder(cluster.path);
    const access = { server: "https://127.0.0.1:6443", certificateAuthority: "", ...prepareCredentials(cluster) };
    for (const name of PROCESS_NAMES) {
      const args = argumentsOf(name, cluster, rangesOf(0), access);
      assert.ok(!args.join(" ").includes(access.token), name);
    }
  });

  it("writes stages that are valid YAML, each with a name of its own", () => {
    const stages = join(folder, "stages");
    for (const file of [
      "node/fast/node-initialize",
      "pod/fast/pod-ready",
      "pod/fast/pod-complete",
      "pod/fast/pod-delete",
    ]) {
      mkdirSync(join(stages, dirname(file)), { recursive: true });
      writeFileSync(join(stages, `${file}.yaml`), `kind: Stage\nmetadata:\n  name: ${basename(file)}\n`);
    }
    const documents = parseAllDocuments(stagesFile(stages, "192.0.2.1"));
    assert.ok(Array.isArray(documents));
    const names = documents.map((document) => {
      assert.deepEqual(document.errors, []);
      return document.getIn(["metadata", "name"]);
    });
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes("pod-ready") && names.includes("ingress-address") && names.includes("volume-provision"));
  });

  it("refuses bad names, names given twice and a bad number of nodes before it touches anything", async () => {
    const programs = { etcd: "", "kube-apiserver": "", "kube-controller-manager": "", "kube-scheduler": "", kwok: "" };
    const binaries = { ...programs, gatewayApiCrds: "", kwokStages: "" };
    const stateDir = join(folder, "state");
    for (const name of ["", "East", "a_b", "-a", "a-", "../up", "a".repeat(41)]) {
      await assert.rejects(startClusters([name], { stateDir, binaries }), ValidationFailed, name);
      await assert.rejects(stopClusters(stateDir, [name]), ValidationFailed, name);
    }
    await assert.rejects(startClusters(["a", "a"], { stateDir, binaries }), /named twice/);
    for (const nodes of [0, 1.5, 65]) {
      await assert.rejects(startClusters(["a"], { stateDir, binaries, nodes }), ValidationFailed);
    }
    assert.deepEqual(readdirSync(folder), []);
  });
});
