import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFleet } from "../../cli/config";
import { projectRoot } from "../../cli/workspace";
import { Environment } from "../../components/environment";
import { presetFacts, EntryPreset } from "../../components/entry-presets";
import { podGroups, type ArchitectureObject } from "../../engine/architecture";
import { networkMatrix, type NetworkPolicyManifest } from "../../engine/network-matrix";
import { cellArgs } from "../../stacks/cell-args";
import type { Cell } from "../../stacks/config";
import { Overlays } from "../../stacks/fleet/overlays";
import { cellsIn, EXAMPLES, SHIPPED, shippedFleets } from "../support/shipped-fleets";
import { POD_CIDRS, recordCell } from "./cells";
import type { Recorder } from "./support";

const EXAMPLE = join(EXAMPLES, "two-regions-two-tenants");

function recorded(cell: Cell): Promise<Recorder> {
  return recordCell(
    cellArgs(cell, cell.cluster.podCidrs ?? POD_CIDRS, (key) => `value of ${key}`),
    cell.id,
  );
}

describe("the fleets that ship", () => {
  for (const folder of shippedFleets()) {
    describe(folder.slice(projectRoot.length + 1), () => {
      it("has no problem", () => assert.deepEqual(checkFleet(folder).problems, []));
      for (const cell of cellsIn(folder)) {
        it(`makes the cell ${cell.id}`, async () => {
          const recorder = await recorded(cell);
          recorder.get("kubernetes:apps/v1:StatefulSet", `${cell.id}-gateway`);
        });
      }
    });
  }

  it("has an overlay for every environment, each of which makes a cell of what base says", async () => {
    const overlays = new Overlays(SHIPPED);
    const cluster = { id: "mine", region: "eu-west", context: "mine" };
    for (const environment of Object.values(Environment)) {
      const place = { id: "mine", environment, cluster, tenant: undefined, labels: {} };
      assert.ok(overlays.overlay(`environment/${environment}`), environment);
      const recorder = await recorded({ ...place, config: overlays.settings(place) });
      recorder.get("kubernetes:apps/v1:StatefulSet", "mine-gateway");
    }
  });
});

describe("the example's tenants", () => {
  for (const cluster of ["dev-eu", "stage-eu", "prod-eu", "prod-us"]) {
    it(`cannot reach each other on ${cluster}, with every part that they have`, async () => {
      const objects: ArchitectureObject[] = [];
      for (const cell of cellsIn(EXAMPLE).filter((candidate) => candidate.cluster.id === cluster))
        objects.push(...(await recorded(cell)).objects().map(({ inputs }) => inputs as unknown as ArchitectureObject));
      const groups = podGroups(objects).map((group, index) => ({
        ...group,
        component: `${group.namespace} ${group.component}`,
        // Some Pod's address of each, wherever the cluster takes them from: in the load balancer's range, too.
        addresses: ["10.42.0", "10.20.0", "10.64.0"].map((network) => `${network}.${String(index + 1)}`),
      }));
      assert.equal(new Set(groups.map(({ namespace }) => namespace)).size, 2);
      assert.ok(groups.length > 20);
      const policies = objects.filter(({ kind }) => kind === "NetworkPolicy") as unknown as NetworkPolicyManifest[];
      const tenantOf = (name: string) => name.split(" ")[0];
      const connections = networkMatrix(policies, groups).filter(
        ({ from, to }) => from.includes(" ") && /^\w+-\w+-(acme|globex) /.test(to) && from !== "outside",
      );
      assert.ok(connections.length > 20);
      assert.deepEqual(
        connections.filter(({ from, to }) => tenantOf(from) !== tenantOf(to)),
        [],
      );
    });
  }
});

describe("the example's prod", () => {
  const prod = cellsIn(EXAMPLE).filter(({ environment }) => environment === Environment.Prod);

  it("is a stack of its own for each tenant in each region", () => {
    assert.deepEqual(
      prod.map(({ id }) => id),
      ["prod-eu-acme", "prod-eu-globex", "prod-us-acme", "prod-us-globex"],
    );
    assert.equal(new Set(prod.map(({ config }) => config.entry?.host)).size, prod.length);
  });

  it("is reached privately alone", () => {
    for (const { id, config } of prod) {
      const { ingress, gatewayApi } = config.entry ?? {};
      const { annotations } = ingress
        ? presetFacts(ingress.preset ?? EntryPreset.Nginx, "ingress")
        : presetFacts(gatewayApi?.preset ?? EntryPreset.EnvoyGateway, "gatewayApi");
      assert.match(JSON.stringify(annotations), /"internal"/, id);
    }
  });

  it("keeps its volumes, takes its secrets from the store, and has more than one Pod of what allows it", () => {
    for (const { config } of prod) {
      assert.equal(config.retain, true);
      assert.equal(config.externalSecrets?.store, "clawfleet-prod");
      for (const part of [config.modelProxy, config.dnsFilter, config.forwardProxy])
        assert.ok((part?.replicas ?? 0) > 1);
    }
  });

  it("has secrets of its own in the store for each cell", async () => {
    const keys: string[] = [];
    for (const cell of prod.slice(0, 2)) {
      const secrets = (await recorded(cell)).resources.filter(({ type }) => type.endsWith(":ExternalSecret"));
      assert.ok(secrets.length > 0);
      for (const { inputs } of secrets) {
        const { data } = inputs.spec as { data: { remoteRef: { key: string } }[] };
        for (const { remoteRef } of data) {
          assert.ok(remoteRef.key.startsWith(`${cell.id}/`), remoteRef.key);
          keys.push(remoteRef.key);
        }
      }
    }
    assert.equal(new Set(keys).size, keys.length);
  });
});
