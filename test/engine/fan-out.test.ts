import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { policyArgs } from "../../cli/local";
import { Environment } from "../../components/environment";
import { podGroups, type ArchitectureObject } from "../../engine/architecture";
import { networkMatrix, type NetworkPolicyManifest, type PodGroup } from "../../engine/network-matrix";
import {
  accessesTo,
  allowedOf,
  asServiceAccount,
  resourcesInUse,
  rulesIn,
  serviceAccountUser,
} from "../support/access-reviews";
import type { ExampleProject } from "../support/example-project";
import { CANARIES, clusterOf, DEV_CELLS, FanOut, PROD_CELL } from "../support/fan-out";
import type { KubernetesObject, TestFleet } from "../support/fleet";

/** Takes away what the tenants' isolation does not depend on. */
const SMALL = {
  ...{ browser: null, search: null, messaging: null, telemetry: null, diagnostics: null },
  modelProxy: { agents: null, database: { kind: "none" } },
};
/** The cell that gets a stack of its own. */
const MOVED = "dev-eu-acme";
const COMPONENT = "app.kubernetes.io/component";

/** The example's own files, by plain Pulumi; see its README. */
describe("two tenants in two regions", function () {
  this.timeout(600_000);
  let fanOut: FanOut;
  let fleet: TestFleet;
  let project: ExampleProject;

  before(async () => {
    fanOut = await FanOut.start();
    ({ fleet, project } = fanOut);
  });
  after(() => fanOut.stop());

  it("comes up as one stack of four cells", async () => {
    // Pulumi writes the whole state after every step: four cells with every part would take minutes.
    project.write("Pulumi.dev.yaml", stringify({ config: { "clawfleet:cell": SMALL } }));
    await project.pulumi("stack", "init", "dev");
    await project.pulumi("config", "set", "--secret", "secrets:openai", CANARIES.providerKey, "-s", "dev");
    const begin = Date.now();
    const output = await project.pulumi("up", "-s", "dev", "--yes", "--skip-preview");
    process.stderr.write(`    four cells up in ${String(Math.round((Date.now() - begin) / 1000))} s\n`);
    assert.doesNotMatch(output, /PodSecurity|violat|forbidden/i);
    const cells = JSON.parse(await project.pulumi("stack", "output", "cells", "--json", "-s", "dev")) as Record<
      string,
      { cluster: string; namespace: string }
    >;
    assert.deepEqual(
      Object.entries(cells).map(([id, { cluster, namespace }]) => [id, cluster, namespace]),
      DEV_CELLS.map((id) => [id, clusterOf(id), id]),
    );
    for (const cell of DEV_CELLS) await fanOut.assertReady(cell);
  });

  it("shows no change in the next preview", async () => {
    assert.deepEqual(await project.changes("dev", "--expect-no-changes"), []);
  });

  it("refuses a stack that the fleet has not, and one with a cell that the fleet has not", async () => {
    for (const stack of ["prod-eu-acmee", "extra"]) await project.pulumi("stack", "init", stack);
    const misspelt = await project.run(["preview", "-s", "prod-eu-acmee"]);
    assert.notEqual(misspelt.code, 0);
    assert.match(misspelt.output, /fleet\.yaml: there is no stack prod-eu-acmee\s+Fix: did you mean prod-eu-acme\?/);
    assert.doesNotMatch(misspelt.output, /\n\s+at .*\.js/);
    await project.pulumi("config", "set", "--path", "clawfleet:cells[0]", "dev-eu-acmee", "-s", "extra");
    const listed = await project.run(["preview", "-s", "extra"]);
    assert.notEqual(listed.code, 0);
    assert.match(
      listed.output,
      /Pulumi\.extra\.yaml: clawfleet:cells: there is no cell dev-eu-acmee\s+Fix: did you mean dev-eu-acme\?/,
    );
    for (const stack of ["prod-eu-acmee", "extra"]) await project.pulumi("stack", "rm", stack, "--yes");
  });

  describe("two tenants on one cluster", () => {
    const [first, second] = ["dev-eu-acme", "dev-eu-globex"] as const;
    const pairs = [
      [first, second],
      [second, first],
    ] as const;
    const accounts = async (cell: string) =>
      [...(await fanOut.objects(cell, "serviceaccounts")).values()].map(({ metadata }) => metadata.name);

    it("may do nothing in each other's namespace, nor in the whole cluster, with any verb and resource in use", async () => {
      const server = fanOut.api("dev-eu");
      const resources = await resourcesInUse(server, [first, second]);
      const inUse = resources.map(({ name }) => name);
      for (const name of ["secrets", "configmaps", "pods", "pods/log", "pods/exec", "serviceaccounts/token", "events"])
        assert.ok(inUse.includes(name), name);
      let reviews = 0;
      for (const [own, other] of pairs) {
        const users = (await accounts(own)).map((name) => serviceAccountUser(own, name));
        assert.ok(users.length >= 5);
        const team = { user: "ann", groups: [`${own.split("-").at(-1) ?? ""}-developers`, "system:authenticated"] };
        const accesses = accessesTo(resources, [...users, team], [other, ""]);
        reviews += accesses.length;
        assert.deepEqual(await allowedOf(server, accesses), []);
        // The reviews are of who it is meant to be: in its own namespace, the team may do what its Role says.
        const ownAccesses = await allowedOf(server, accessesTo(resources, [team], [own]));
        assert.ok(ownAccesses.includes(`ann may list pods in ${own}`));
        assert.ok(!ownAccesses.some((access) => / secrets? in /.test(access)));
      }
      process.stderr.write(`    ${String(reviews)} access reviews of ${String(resources.length)} resources\n`);
    });

    it("may do nothing in any namespace by their own tokens, but ask who they are", async () => {
      const server = fanOut.api("dev-eu");
      const { items } = (await server.get<{ items: KubernetesObject[] }>("/api/v1/namespaces")) ?? { items: [] };
      const namespaces = items.map(({ metadata }) => metadata.name);
      assert.ok(namespaces.length >= 6);
      for (const [own, other] of pairs) {
        for (const name of await accounts(own)) {
          const client = fanOut.closing(await asServiceAccount(fleet.access("dev-eu"), own, name));
          assert.equal((await client.call("GET", `/api/v1/namespaces/${other}/secrets`)).status, 403);
          for (const namespace of namespaces) {
            const rules = await rulesIn(client, namespace);
            assert.deepEqual(
              rules.filter((rule) => !/^create \w+\.k8s\.io\/(selfsubject\w+|clustertrustbundles)$/.test(rule)),
              [],
              `${own} ${name} in ${namespace}`,
            );
          }
        }
      }
    });

    it("would be found out, had one a Role in the other's namespace", async () => {
      const server = fanOut.api("dev-eu");
      const [name = ""] = await accounts(first);
      await fleet.kubectl("dev-eu", "-n", second, "create", "role", "leak", "--verb=get", "--resource=secrets");
      const binding = ["rolebinding", "leak", "--role=leak", `--serviceaccount=${first}:${name}`];
      await fleet.kubectl("dev-eu", "-n", second, "create", ...binding);
      const secrets = { group: "", version: "v1", name: "secrets", verbs: ["get", "list"] };
      const access = accessesTo([secrets], [serviceAccountUser(first, name)], [second]);
      assert.deepEqual(await allowedOf(server, access), [`${access[0]?.user ?? ""} may get secrets in ${second}`]);
      await fleet.kubectl("dev-eu", "-n", second, "delete", "rolebinding/leak", "role/leak");
    });

    it("reach no Pod of each other by the policies that the API server has", async () => {
      const policies: NetworkPolicyManifest[] = [];
      const groups: PodGroup[] = [];
      for (const cell of [first, second]) {
        policies.push(
          ...([...(await fanOut.objects(cell, "networkpolicies")).values()] as unknown as NetworkPolicyManifest[]),
        );
        const workloads = [...(await fanOut.objects(cell, "deployments,statefulsets,cronjobs")).values()];
        const pods = [...(await fanOut.objects(cell, "pods")).values()];
        for (const group of podGroups(workloads as unknown as ArchitectureObject[])) {
          const addresses = pods.flatMap(({ metadata, status }) =>
            metadata.labels?.[COMPONENT] === group.component ? ((status?.podIP as string | undefined) ?? []) : [],
          );
          groups.push({ ...group, component: `${cell} ${group.component}`, addresses });
        }
      }
      assert.ok(groups.filter(({ addresses = [] }) => addresses.length > 0).length > 5);
      const between = (found: NetworkPolicyManifest[]) =>
        networkMatrix(found, groups).filter(({ from, to }) =>
          pairs.some(
            ([own, other]) => from.startsWith(`${own} `) && (to.startsWith(`${other} `) || to.startsWith("other ")),
          ),
        );
      assert.deepEqual(between(policies), []);
      const inside = networkMatrix(policies, groups).filter(
        ({ from, to }) => from.startsWith(first) && to.startsWith(first),
      );
      assert.ok(inside.length > 5);
      // Without what keeps them apart it would not be empty.
      assert.notDeepEqual(between([]), []);
    });

    it("have quotas of their own", async () => {
      const quota = (await fanOut.objects(first, "resourcequotas")).get("resourcequota/quota");
      const { hard, used } = quota?.status as Record<"hard" | "used", Record<string, string>>;
      const left = Math.floor(cores(hard["requests.cpu"]) * 1000 - cores(used["requests.cpu"]) * 1000);
      const requests = { cpu: `${String(left)}m` };
      const hog = pod("hog", { requests, limits: { ...requests, memory: "64Mi" } });
      const file = join(fleet.folder, "hog.json");
      writeFileSync(file, JSON.stringify(hog));
      await fleet.kubectl("dev-eu", "-n", first, "create", "-f", file);
      const next = pod("next", { requests: { cpu: "1m" } });
      await assert.rejects(fleet.dryRun("dev-eu", first, next), /exceeded quota: quota/);
      await fleet.dryRun("dev-eu", second, next);
      await fleet.kubectl("dev-eu", "-n", first, "delete", "pod", "hog", "--wait");
    });

    it("have no token, key or password in common but what the platform gives to both", async () => {
      const owners = new Map<string, Set<string>>();
      let values = 0;
      for (const cell of DEV_CELLS) {
        for (const { metadata, data = {} } of (await fanOut.objects(cell, "secrets")).values()) {
          for (const [key, value] of Object.entries(data)) {
            values++;
            // By hash, so that no message has a value.
            const hash = createHash("sha256").update(Buffer.from(value, "base64")).digest("hex");
            const uses = owners.get(hash) ?? new Set();
            owners.set(hash, uses.add(`${cell} ${metadata.name.replace(`${cell}-`, "")} ${key}`));
          }
        }
      }
      const shared = [...owners.values()].filter((uses) => new Set([...uses].map((use) => use.split(" ")[0])).size > 1);
      const kinds = new Set([...owners.values()].flatMap((uses) => [...uses].map((use) => use.split(" ")[2])));
      for (const kind of ["tls.crt", "tls.key", "OPENCLAW_GATEWAY_TOKEN"]) assert.ok(kinds.has(kind), kind);
      assert.ok(values > 4 * DEV_CELLS.length, String(values));
      assert.deepEqual(
        shared.map((uses) => [...uses].map((use) => use.split(" ").slice(1).join(" "))),
        [DEV_CELLS.map(() => "model-proxy-provider-openai PROVIDER_KEY_OPENAI")],
      );
    });
  });

  describe("a cell of prod", () => {
    it("comes up as a stack of its own, by server and exec plugin", async () => {
      await project.pulumi("stack", "init", PROD_CELL);
      const begin = Date.now();
      await project.pulumi("up", "-s", PROD_CELL, "--yes", "--skip-preview");
      process.stderr.write(`    a cell of prod up in ${String(Math.round((Date.now() - begin) / 1000))} s\n`);
      await fanOut.assertReady(PROD_CELL);
      const cells = JSON.parse(await project.pulumi("stack", "output", "cells", "--json", "-s", PROD_CELL)) as object;
      assert.deepEqual(Object.keys(cells), [PROD_CELL]);
    });

    it("shows no change in the next preview, and the policy pack finds nothing", async () => {
      assert.deepEqual(await project.changes(PROD_CELL, "--expect-no-changes"), []);
      const output = await project.pulumi("preview", "-s", PROD_CELL, ...policyArgs(Environment.Prod));
      assert.match(output, /clawfleet@v/);
      assert.doesNotMatch(output, /\[(advisory|mandatory|remediated?|disabled)\]/i);
    });

    it("has every secret from the store", async () => {
      for (const [name, { metadata, data = {} }] of await fanOut.objects(PROD_CELL, "secrets")) {
        assert.equal(metadata.ownerReferences?.[0]?.kind, "ExternalSecret", name);
        for (const value of Object.values(data))
          assert.ok(Buffer.from(value, "base64").toString().startsWith(CANARIES.stored), name);
      }
    });

    it("has no credential of the cluster in its state, nor in anything that was printed", async () => {
      const { token } = fleet.access("prod-eu");
      const state = JSON.stringify(await project.state(PROD_CELL, true));
      assert.match(state, /get-token/);
      for (const [where, text] of Object.entries({ state, output: project.transcript.join("\n") })) {
        for (const secret of [token, CANARIES.stored, CANARIES.providerKey]) assert.ok(!text.includes(secret), where);
      }
    });
  });

  describe("a cell that moves into a stack of its own", () => {
    const urn = `urn:pulumi:dev::clawfleet::clawfleet:index:AgentStack::${MOVED}`;

    it("keeps every object, and both stacks show no change", async () => {
      const before = await fanOut.uids(MOVED);
      const token = await fanOut.tokenHash("dev", MOVED);
      await project.pulumi("stack", "init", MOVED);
      await project.pulumi("config", "cp", "secrets:openai", "-s", "dev", "--dest", MOVED);
      await project.pulumi("config", "cp", "clawfleet:cell", "-s", "dev", "--dest", MOVED);
      await project.pulumi("config", "set", "--path", "clawfleet:cells[0]", MOVED, "-s", MOVED);
      await project.pulumi("state", "move", "--source", "dev", "--dest", MOVED, urn, "--yes");
      for (const stack of ["dev", MOVED])
        assert.deepEqual(await project.changes(stack, "--expect-no-changes"), [], stack);
      for (const stack of ["dev", MOVED]) {
        const output = await project.pulumi("up", "-s", stack, "--yes", "--skip-preview");
        assert.match(output, /Resources:\n\s+\d+ unchanged\n/);
      }
      assert.deepEqual(await fanOut.uids(MOVED), before);
      assert.equal(await fanOut.tokenHash(MOVED, MOVED), token);
    });

    it("leaves nothing of itself behind, and takes no key of the other stack with it", async () => {
      const [dev, own] = [await project.state("dev"), await project.state(MOVED)];
      const cellsIn = (resources: { urn: string }[]) =>
        resources.flatMap(({ urn: found }) => /::clawfleet:index:AgentStack::(.*)$/.exec(found)?.[1] ?? []);
      assert.deepEqual(
        cellsIn(dev.resources).sort(),
        DEV_CELLS.filter((cell) => cell !== MOVED),
      );
      assert.deepEqual(cellsIn(own.resources), [MOVED]);
      assert.ok(own.resources.every(({ urn: found }) => found.startsWith(`urn:pulumi:${MOVED}::`)));
      assert.notEqual(own.secrets_providers.state.salt, dev.secrets_providers.state.salt);
      const providers = own.resources.filter(({ type }) => type.startsWith("pulumi:providers:"));
      assert.deepEqual(providers.map(({ type }) => type.split(":").at(-1)).sort(), ["kubernetes", "random", "tls"]);
    });

    it("is the new stack's to destroy, alone", async () => {
      const others = await fanOut.uids("dev-eu-globex");
      await project.pulumi("destroy", "-s", MOVED, "--yes", "--skip-preview");
      assert.equal(await fleet.kubectl("dev-eu", "get", "namespace", MOVED, "--ignore-not-found"), "");
      assert.deepEqual(await fanOut.uids("dev-eu-globex"), others);
    });
  });
});

function pod(name: string, resources: object): Record<string, unknown> {
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } };
  const container = {
    name: "c",
    image: "busybox",
    resources,
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  };
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { securityContext, containers: [container] } };
}

/** `4`, or `3350m`. */
function cores(quantity = ""): number {
  return quantity.endsWith("m") ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
}
