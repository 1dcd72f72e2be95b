import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { projectRoot } from "../../cli/workspace";
import { ApiServer } from "../../engine/clusters/api";
import { mergedKubeconfig } from "../../engine/clusters";
import { secretSources, type Manifest } from "../../engine/secret-sources";
import { TestFleet } from "../support/fleet";
import {
  defineExternalSecrets,
  syncExternalSecret,
  type ExternalSecret as PlayedExternalSecret,
} from "../support/played-operators";

const execute = promisify(execFile);
const NAMESPACE = "acme";
const KIND = "externalsecrets.external-secrets.io";
const CANARY = "canary-of-the-store-51c0";

type ExternalSecret = Manifest & PlayedExternalSecret;

/** The operator's own definition on a real API server; the operator itself, which needs a store, is played. */
describe("External Secrets on a real API server", function () {
  this.timeout(600_000);
  let fleet: TestFleet;
  let api: ApiServer;
  let program: string;
  let operator: Promise<void>;
  const stopped = new AbortController();
  /** When each Secret was made, and each Pod's controller first seen with it. */
  const events: string[] = [];

  const kubectl = (...args: string[]) => fleet.kubectl("east", ...args);
  const list = async <T>(kinds: string) =>
    (JSON.parse(await kubectl("get", kinds, "-n", NAMESPACE, "-o", "json")) as { items: T[] }).items;
  const pulumi = async (...args: string[]) => {
    const { stdout } = await execute(fleet.pulumi.cli, [...args, "--stack", "test", "--non-interactive"], {
      cwd: program,
      env: fleet.pulumi.env,
      maxBuffer: 64 * 2 ** 20,
    }).catch((error: { stdout?: string; stderr?: string }) => {
      throw new Error(`pulumi ${args.join(" ")}:\n${error.stdout ?? ""}${error.stderr ?? ""}`);
    });
    fleet.transcript.push(stdout);
    return stdout;
  };

  const sync = async (external: ExternalSecret) => {
    await syncExternalSecret(api, NAMESPACE, external, (key) => `${CANARY} ${key}`);
    events.push(`Secret ${external.spec.target.name}`);
  };
  const operate = async () => {
    while (!stopped.signal.aborted) {
      const seen = new Set(events);
      const controllers = await list<{ metadata: { name: string; generation: number } }>("statefulsets");
      for (const { metadata } of controllers) {
        const event = `StatefulSet ${metadata.name} generation ${String(metadata.generation)}`;
        if (!seen.has(event)) events.push(event);
      }
      for (const external of await list<ExternalSecret>(KIND)) if (external.status === undefined) await sync(external);
      await sleep(500);
    }
  };

  before(async () => {
    fleet = await TestFleet.start(["east"]);
    api = new ApiServer(fleet.access("east"));
    await defineExternalSecrets(api);

    program = join(fleet.folder, "program");
    mkdirSync(program);
    const main = join(projectRoot, "dist", "test", "support", "external-secrets-program.js");
    const runtime = { name: "nodejs", options: { typescript: false } };
    writeFileSync(join(program, "Pulumi.yaml"), JSON.stringify({ name: "external", runtime, main }));
    await pulumi("stack", "init");
    await pulumi("config", "set", "kubeconfig", mergedKubeconfig(fleet.folder));
    operator = operate();
  });
  after(async () => {
    stopped.abort();
    await operator;
    api.close();
    await fleet.stop();
  });

  it("are accepted, and Pods come when the operator has made their Secrets", async () => {
    await pulumi("up", "--yes", "--skip-preview");
    const externals = await list<ExternalSecret>(KIND);
    assert.deepEqual(externals.map(({ spec }) => `${spec.target.name} < ${spec.data[0]?.remoteRef.key ?? ""}`).sort(), [
      "acme-gateway-git-credential < acme/gateway-git-credential",
      "acme-gateway-openai-key < acme/gateway-openai-key",
      "acme-gateway-token < acme/gateway-token",
    ]);
    const made = events.filter((event) => event.startsWith("Secret"));
    assert.equal(made.length, 3);
    assert.deepEqual(events.slice(0, 3).sort(), made.sort(), "a StatefulSet was there before the Secrets");
  });

  it("are every secret of the cell, each with its key in a Secret that exists", async () => {
    const objects = await list<Manifest>("statefulsets,deployments,daemonsets,cronjobs,ingresses");
    const externals = await list<Manifest>(KIND);
    const uses = secretSources([...objects, ...externals]);
    assert.deepEqual(
      uses.map(({ key, source }) => `${key} ${source}`),
      ["GIT_PASSWORD external", "MODEL_OPENAI_API_KEY external", "OPENCLAW_GATEWAY_TOKEN external"],
    );
    const secrets = await list<{ metadata: { name: string; ownerReferences?: unknown[] }; data: object }>("secrets");
    assert.ok(
      secrets.every(({ metadata }) => metadata.ownerReferences?.length === 1),
      "Pulumi made a Secret",
    );
    for (const { secret, key } of uses) {
      assert.ok(
        secrets.some(({ metadata, data }) => metadata.name === secret && key in data),
        `${secret}/${key}`,
      );
    }
  });

  it("show no change in the next preview, although the API server and the operator have filled in fields", async () => {
    await pulumi("refresh", "--yes", "--skip-preview");
    await pulumi("preview", "--expect-no-changes");
  });

  it("are rotated by a version: a Secret of its own first, then the rollout, and the old one goes last", async () => {
    events.length = 0;
    await pulumi("config", "set", "tokenVersion", "2");
    const output = await pulumi("up", "--yes", "--skip-preview");
    assert.match(output, /1 replaced|\+-1/);
    const token = events.indexOf("Secret acme-gateway-token-v2");
    const rolled = events.findIndex((event) => /^StatefulSet acme-gateway generation [^1]/.test(event));
    assert.ok(token >= 0 && rolled > token, events.join("\n"));
    const names = (await list<ExternalSecret>(KIND)).map(({ metadata }) => metadata.name);
    assert.ok(names.includes("acme-gateway-token-v2") && !names.includes("acme-gateway-token"), names.join());
    await pulumi("preview", "--expect-no-changes");
  });

  it("are refused by the API server with a wrong field or value", async () => {
    const [external] = await list<ExternalSecret>(KIND);
    assert.ok(external);
    const { apiVersion, kind, spec } = external;
    const refused = async (wrong: object, message: RegExp) => {
      const manifest = { apiVersion, kind, metadata: { name: "wrong" }, spec: { ...spec, ...wrong } };
      await assert.rejects(fleet.dryRun("east", NAMESPACE, manifest), message);
    };
    await fleet.dryRun("east", NAMESPACE, { apiVersion, kind, metadata: { name: "right" }, spec });
    await refused({ target: { ...spec.target, keep: true } }, /unknown field "spec\.target\.keep"/);
    await refused({ refreshPolicy: "Sometimes" }, /spec\.refreshPolicy: Unsupported value: "Sometimes"/);
    await refused({ target: { ...spec.target, deletionPolicy: "Keep" } }, /deletionPolicy: Unsupported value: "Keep"/);
  });

  it("have no value in Pulumi's state, its outputs or anything that it prints", async () => {
    const exported = await pulumi("stack", "export", "--show-secrets");
    assert.match(exported, /acme-gateway-token-v2/);
    assert.ok(!fleet.transcript.join("\n").includes(CANARY));
    assert.equal((await pulumi("stack", "output", "token", "--show-secrets")).trim(), "");
  });

  it("go with the stack", async () => {
    await pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await list(KIND), []);
  });
});
