import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { stopClusters } from "../../engine/clusters";
import { ensureStackDefinition } from "../../engine/toolchain";
import { operatorStacks } from "../../stacks/fleet/emit/operator";
import { TestFleet, type Outcome } from "../support/fleet";
import { planOf } from "../support/rollout-run";

const execute = promisify(execFile);
const CLI = join(projectRoot, "dist", "cli", "main.js");

describe("day two on a real API server", function () {
  this.timeout(300_000);
  let fleet: TestFleet;
  let files: string;

  /** Runs the command line as a user does. */
  const clawfleet = async (...args: string[]): Promise<Outcome & { stdout: string }> => {
    const env = { ...process.env, CLAWFLEET_STATE: fleet.folder, PULUMI_BACKEND_URL: "", CI: "1" };
    const ended = await execute(process.execPath, [CLI, ...args], { env, maxBuffer: 64 * 2 ** 20 }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    return { code: ended.code, stdout: ended.stdout, output: ended.stdout + ended.stderr };
  };
  const json = async <T>(...args: string[]): Promise<T> => {
    const { stdout, output } = await clawfleet(...args, "--json");
    assert.notEqual(stdout, "", output);
    return JSON.parse(stdout) as T;
  };
  const healthOf = async () => {
    const { cells } = await json<{ cells: { cell: string; health: string }[] }>("status", "--folder", files);
    return Object.fromEntries(cells.map(({ cell, health }) => [cell, health]));
  };

  before(async () => {
    fleet = await TestFleet.start(["east"]);
    files = join(fleet.folder, "fleet");
    mkdirSync(join(files, "overlays"), { recursive: true });
    const write = (name: string, value: unknown) => {
      writeFileSync(join(files, name), stringify(value));
    };
    write("fleet.yaml", {
      clusters: [{ id: "east", region: "us-east", embedded: true }],
      tenants: [{ id: "acme" }, { id: "globex" }],
      environments: [{ id: "dev", stacks: "cell" }],
      cells: [{ environment: "dev", clusters: ["east"], tenants: ["acme", "globex"] }],
    });
    write("overlays/base.yaml", { retain: true });
  });
  after(() => fleet.stop());

  it("shows what was never rolled out, and after a rollout how it does and when that was", async () => {
    assert.deepEqual(await healthOf(), { "east-acme": "not rolled out", "east-globex": "not rolled out" });
    const { code, output } = await clawfleet("up", "--all", "--folder", files, "--intent", "first");
    assert.equal(code, 0, output);
    assert.deepEqual(await healthOf(), { "east-acme": "healthy", "east-globex": "healthy" });
    const { stdout } = await clawfleet("status", "tenant=acme", "--folder", files);
    assert.match(stdout, /east-acme +dev +east +healthy .* not checked +done, \d+ (s|min) ago/);
    assert.doesNotMatch(stdout, /globex/);
  });

  it("keeps a report of the rollout, and its history", async () => {
    const [rollout] = await json<{ run: string; outcome: string; intent: string }[]>("history");
    assert.deepEqual([rollout?.outcome, rollout?.intent], ["done", "first"]);
    const own = join(fleet.folder, "rollouts", rollout?.run ?? "", "report.html");
    assert.match(readFileSync(own, "utf8"), /^<!doctype html>[^]*east-acme/);
    const elsewhere = join(fleet.folder, "out", "report.html");
    assert.equal((await clawfleet("report", "--out", elsewhere)).code, 0);
    assert.equal(readFileSync(elsewhere, "utf8"), readFileSync(own, "utf8"));
    const [cell] = await json<{ outcome: string; attempts: number }[]>("history", "east-acme");
    assert.deepEqual([cell?.outcome, cell?.attempts], ["done", 1]);
    assert.equal((await clawfleet("history", "east-nobody")).code, 3);
  });

  it("finds what somebody changed or deleted on the cluster, and only that, and brings it back", async () => {
    assert.equal((await clawfleet("drift", "--folder", files)).code, 0);
    const patch = '[{"op":"replace","path":"/spec/template/spec/terminationGracePeriodSeconds","value":77}]';
    await fleet.kubectl(
      "east",
      "-n",
      "east-acme",
      "patch",
      "statefulset",
      "east-acme-gateway",
      "--type=json",
      "-p",
      patch,
    );
    await fleet.kubectl("east", "-n", "east-acme", "delete", "poddisruptionbudget", "--all");
    const drifted = await clawfleet("drift", "--folder", files);
    assert.equal(drifted.code, 11, drifted.output);
    assert.match(
      drifted.stdout,
      /StatefulSet east-acme-gateway: changed \(spec\.template\.spec\.terminationGracePeriod/,
    );
    assert.match(drifted.stdout, /PodDisruptionBudget east-acme-gateway: deleted/);
    assert.match(drifted.stdout, /east-acme: 2 drifted[^]*east-globex: no drift/);
    assert.match((await clawfleet("status", "--folder", files)).stdout, /east-acme .* 2, \d+ (s|min) ago/);

    const fixed = await clawfleet("drift", "--fix", "--folder", files);
    assert.equal(fixed.code, 0, fixed.output);
    const path = "jsonpath={.spec.template.spec.terminationGracePeriodSeconds}";
    const seconds = await fleet.kubectl(
      "east",
      "-n",
      "east-acme",
      "get",
      "statefulset",
      "east-acme-gateway",
      "-o",
      path,
    );
    assert.notEqual(seconds, "77");
    assert.equal((await clawfleet("drift", "--folder", files)).code, 0);
  });

  it("takes a cell down after a confirmation, lists what stays, and leaves the other alone", async () => {
    const asked = await clawfleet("decommission", "east-acme", "--folder", files);
    assert.equal(asked.code, 2, asked.output);
    assert.match(asked.output, /not confirmed/);
    const answers = await clawfleet("decommission", "east-acme", "--yes", "--unreachable", "--folder", files);
    assert.equal(answers.code, 4, "the cluster answers");
    const { deleted, kept } = await json<{ deleted: string[]; kept: string[] }>(
      ...["decommission", "east-acme", "--yes", "--folder", files],
    );
    assert.deepEqual(kept.sort(), [
      "Namespace east-acme",
      "PersistentVolumeClaim east-acme/east-acme-gateway-state",
      "PersistentVolumeClaim east-acme/east-acme-vault",
    ]);
    assert.ok(
      deleted.indexOf("StatefulSet east-acme/east-acme-gateway") <
        deleted.indexOf("ServiceAccount east-acme/east-acme-gateway"),
    );
    assert.deepEqual(
      [...(await fleet.objects("east", "east-acme", "statefulsets,services,persistentvolumeclaims")).keys()].sort(),
      ["persistentvolumeclaim/east-acme-gateway-state", "persistentvolumeclaim/east-acme-vault"],
    );
    assert.deepEqual(await healthOf(), { "east-acme": "not rolled out", "east-globex": "healthy" });
  });

  it("writes Stack resources that a real API server takes with the operator's definition", async () => {
    const definition = await ensureStackDefinition();
    await fleet.kubectl("east", "create", "-f", definition);
    await fleet.kubectl("east", "wait", "--for=condition=Established", "crd/stacks.pulumi.com");
    const options = { repository: "https://git.example.com/fleet.git", commit: "0123abc", directory: "fleet" };
    const stacks = operatorStacks(planOf({ dev: ["a"], prod: ["b"] }), {
      ...options,
      ...{ backend: "s3://state", organization: "organization", namespace: "default", within: "1h" },
    });
    for (const stack of stacks) {
      // The definition is of 1.16, the newest that a registry has. These two are of 2.0, and all that is new to it.
      const { serviceAccountName, workspaceTemplate, ...spec } = stack.spec;
      assert.ok(serviceAccountName !== undefined && workspaceTemplate !== undefined);
      const strict = async (resource: object) => {
        const file = join(fleet.folder, "stack.yaml");
        writeFileSync(file, stringify(resource));
        return fleet.kubectl("east", "create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", file);
      };
      assert.deepEqual((parse(await strict({ ...stack, spec })) as typeof stack).spec, spec, "nothing was pruned");
      await assert.rejects(strict(stack), (error: Error) => {
        const unknown = [...error.message.matchAll(/unknown field "([^"]+)"/g)].map(([, field]) => field);
        assert.deepEqual(unknown, ["spec.serviceAccountName", "spec.workspaceTemplate"]);
        return true;
      });
    }
  });

  it("says that a cluster does not answer, and forgets its cell only when told that it is gone", async () => {
    await stopClusters(fleet.folder, ["east"]);
    const status = await clawfleet("status", "--folder", files);
    assert.equal(status.code, 6, status.output);
    assert.match(status.stdout, /east-globex .* unreachable/);
    assert.equal((await clawfleet("drift", "east-globex", "--folder", files)).code, 6);
    const refused = await clawfleet("decommission", "east-globex", "--yes", "--folder", files);
    assert.equal(refused.code, 4, refused.output);
    assert.match(refused.output, /--unreachable/);
    const forgotten = await clawfleet("decommission", "east-globex", "--yes", "--unreachable", "--folder", files);
    assert.equal(forgotten.code, 0, forgotten.output);
    assert.match(forgotten.output, /nothing from the cluster[^]*stays on the cluster:[^]*StatefulSet/);
    assert.equal((await healthOf())["east-globex"], "not rolled out");
  });
});
