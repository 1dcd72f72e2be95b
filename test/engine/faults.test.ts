import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { clearStaleLocks } from "../../cli/local";
import { TestFleet, type FleetOfOneStack } from "../support/fleet";
import { projectRoot } from "../../cli/workspace";

const cluster = (over: Record<string, unknown> = {}) => ({ id: "solo", region: "eu", embedded: true, ...over });
const config = (over: Partial<FleetOfOneStack> = {}): FleetOfOneStack => ({
  environment: "dev",
  clusters: [cluster()],
  ...over,
});

describe("faults on a real engine", function () {
  this.timeout(300_000);
  let fleet: TestFleet;
  let kubeconfig: string;

  before(async () => {
    fleet = await TestFleet.start(["solo"]);
    kubeconfig = fleet.clusters[0]?.kubeconfig ?? "";
  });
  after(() => fleet.stop());

  /** Runs an update that has to fail: with one clear error, no stack trace, and nothing written. */
  const refused = async (values: FleetOfOneStack, ...expected: RegExp[]) => {
    await fleet.configure("bad", values);
    const { code, output } = await fleet.run("bad", ["up", "--yes", "--skip-preview"]);
    assert.notEqual(code, 0, output);
    for (const pattern of [...expected, /Fix: /]) assert.match(output, pattern);
    assert.doesNotMatch(output, /^\s+at .*:\d+:\d+\)?$/m, "no stack trace");
    const namespaces = await fleet.kubectl("solo", "get", "namespaces", "-o", "name");
    assert.doesNotMatch(namespaces, /namespace\/solo/, "nothing was written");
  };

  it("refuses a cluster whose identity differs", () =>
    refused(
      config({
        clusters: [
          { id: "solo", region: "eu", kubeconfig, context: "solo", uid: "00000000-0000-4000-8000-000000000000" },
        ],
      }),
      /another cluster/,
      /kube-system/,
    ));

  it("refuses an ambiguous context", async () => {
    const file = join(fleet.folder, "two.yaml");
    const two = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [],
      users: [],
      contexts: ["a", "b"].map((name) => ({ name, context: { cluster: name, user: name } })),
    };
    writeFileSync(file, JSON.stringify(two), { mode: 0o600 });
    await refused(
      config({ clusters: [{ id: "solo", region: "eu", kubeconfig: file }] }),
      /which context is meant is not clear/,
      /a, b/,
    );
  });

  it("refuses a context that does not exist", () =>
    refused(
      config({ clusters: [{ id: "solo", region: "eu", kubeconfig, context: "nowhere" }] }),
      /no context nowhere/,
      /solo/,
    ));

  it("refuses an API server that cannot be reached", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((listening) => server.once("listening", listening));
    const { port } = server.address() as AddressInfo;
    await new Promise((closed) => server.close(closed));
    const file = join(fleet.folder, "gone.yaml");
    const gone = {
      clusters: [{ name: "gone", cluster: { server: `https://127.0.0.1:${String(port)}` } }],
      users: [{ name: "gone", user: { token: "none" } }],
      contexts: [{ name: "gone", context: { cluster: "gone", user: "gone" } }],
    };
    writeFileSync(file, JSON.stringify(gone), { mode: 0o600 });
    await refused(
      config({ clusters: [{ id: "solo", region: "eu", kubeconfig: file, context: "gone" }] }),
      /cannot be reached/,
      /ECONNREFUSED/,
    );
  });

  it("refuses an unknown config key, with the nearest name", () =>
    refused(
      config({ cell: { gateway: { openclaw: { logLevle: "debug" } } } }),
      /overlays\/base\.yaml:3: gateway\.openclaw\.logLevle/,
      /did you mean logLevel\?/,
    ));

  it("refuses a key that OpenClaw does not know, with its path", () =>
    refused(
      config({ cell: { gateway: { openclaw: { extraConfig: '{"session":{"dmScop":"main"}}' } } } }),
      /session\.dmScop/,
    ));

  it("refuses an image without a digest", () =>
    refused(
      config({ cell: { gateway: { image: "ghcr.io/openclaw/openclaw:2026.9.6" } } }),
      /overlays\/base\.yaml:2: gateway\.image/,
      /write it as registry\/repository:tag@sha256:/,
    ));

  it("refuses both entries at once", () =>
    refused(
      config({ cell: { entry: { host: "a.example.com", ingress: {}, gatewayApi: {} } } }),
      /ingress and gatewayApi are both given/,
    ));

  it("refuses a cluster without a default StorageClass", async () => {
    const saved = await fleet.kubectl("solo", "get", "storageclass", "-o", "json");
    await fleet.kubectl("solo", "delete", "storageclass", "--all");
    try {
      await refused(config(), /no default StorageClass/, /gateway\.state\.storageClass/);
    } finally {
      const file = join(fleet.folder, "storageclasses.json");
      writeFileSync(file, saved);
      await fleet.kubectl("solo", "create", "-f", file);
    }
  });

  it("refuses the Gateway API where its CRDs are missing", async () => {
    const crds = (await fleet.kubectl("solo", "get", "crd", "-o", "name"))
      .split("\n")
      .filter((name) => name.endsWith("gateway.networking.k8s.io"));
    await fleet.kubectl("solo", "delete", ...crds);
    await refused(
      config({ cell: { entry: { host: "a.example.com", gatewayApi: {} } } }),
      /Gateway API is not installed/,
      /entry\.ingress/,
    );
  });

  it("goes on after a run was killed", async () => {
    await fleet.configure("killed", config());
    const args = [
      "up",
      "--yes",
      "--skip-preview",
      "--non-interactive",
      "--stack",
      "killed",
      "--config-file",
      fleet.configFile("killed"),
    ];
    const child = spawn(fleet.pulumi.cli, args, {
      cwd: projectRoot,
      env: fleet.pulumi.env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    // Killed in the middle: when the first object was created.
    await new Promise<void>((created) => {
      child.stdout.on("data", (text: Buffer) => {
        if (/created|creating/.test(text.toString())) created();
      });
      child.once("exit", () => {
        created();
      });
    });
    child.kill("SIGKILL");
    const blocked = await fleet.run("killed", ["up", "--yes", "--skip-preview"]);
    assert.match(blocked.output, /locked/);
    clearStaleLocks(fleet.pulumi, "killed");
    await fleet.up("killed");
    assert.deepEqual(await fleet.plan("killed"), []);
    await fleet.must("killed", ["destroy", "--yes", "--skip-preview"]);
  });
});
