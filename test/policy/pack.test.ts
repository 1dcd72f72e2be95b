import assert from "node:assert/strict";
import { basename } from "node:path";
import type { AgentStackArgs } from "../../components/agent-stack";
import { Environment } from "../../components/environment";
import { SecretFrom } from "../../components/secrets";
import { policies } from "../../policy/policies";
import { cellArgs } from "../../stacks/cell-args";
import { everything, POD_CIDRS } from "../mocks/cells";
import { cellsIn, shippedFleets } from "../support/shipped-fleets";
import { entries, everyPart } from "./cell";
import { DEFAULT_DENY, LABELS, POD_SPEC } from "./compliant";
import { configOf, findingsIn, inspectedCell } from "./pack";

/** What the pack says of a cell, and the types of the cell's resources. */
async function verdictOn(args: Partial<AgentStackArgs>): Promise<{ findings: string[]; types: Set<string> }> {
  const resources = await inspectedCell(args);
  return { findings: await findingsIn(resources), types: new Set(resources.map(({ type }) => type)) };
}

describe("policy pack", () => {
  it("finds nothing in a cell with everything switched on, by any way in", async () => {
    const kinds = new Set<string>();
    for (const entry of entries()) {
      const { findings, types } = await verdictOn({ ...everything(), entry });
      assert.deepEqual(findings, []);
      for (const type of types) kinds.add(type);
    }
    for (const kind of ["apps/v1:StatefulSet", "core/v1:Service", "networking.k8s.io/v1:Ingress"]) {
      assert.ok(kinds.has(`kubernetes:${kind}`), kind);
    }
    assert.ok(kinds.has("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"));
    assert.ok(kinds.has("pulumi:providers:kubernetes"));
  });

  it("finds nothing in a cell of every part", async () => {
    const { findings, types } = await verdictOn(everyPart());
    assert.deepEqual(findings, []);
    for (const part of ["Browser", "ModelProxy", "Search", "Telemetry", "MessageBroker", "AdminAccess"]) {
      assert.ok(types.has(`clawfleet:index:${part}`), part);
    }
  });

  it("finds nothing in a cell whose secrets come from a store", async () => {
    const external = { from: SecretFrom.External };
    const { findings, types } = await verdictOn({ gateway: { token: external }, externalSecrets: { store: "store" } });
    assert.deepEqual(findings, []);
    assert.ok(types.has("kubernetes:external-secrets.io/v1:ExternalSecret"), [...types].join());
  });

  for (const folder of shippedFleets()) {
    for (const cell of cellsIn(folder)) {
      const { environment, id } = cell;
      it(`finds nothing at the level of ${environment} in ${basename(folder)}'s ${id}`, async () => {
        const args = cellArgs(cell, cell.cluster.podCidrs ?? POD_CIDRS, () => "canary");
        assert.deepEqual(await findingsIn(await inspectedCell(args), configOf(environment)), []);
      });
    }
  }

  it("finds nothing in the objects that tests of the engine begin with", async () => {
    const resources = [
      { type: "kubernetes:core/v1:Pod", name: "pod", props: { metadata: { labels: LABELS }, spec: POD_SPEC } },
      { type: "kubernetes:networking.k8s.io/v1:NetworkPolicy", name: "deny", props: DEFAULT_DENY },
    ];
    assert.deepEqual(await findingsIn(resources), []);
  });

  it("says of every policy what it is for, and lets every one be exempted from", () => {
    for (const { name, description, configSchema } of policies) {
      assert.match(name, /^[a-z]+(-[a-z]+)+$/);
      assert.ok(description.length > 20, name);
      assert.ok(configSchema?.properties.exemptions !== undefined, name);
    }
  });

  it("has a config for every environment, whose policies all exist", () => {
    const names = policies.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    const levels = Object.values(Environment).map((environment) => {
      const config = configOf(environment);
      for (const [name, own] of Object.entries(config)) {
        if (name === "all") continue;
        const policy = policies.find((candidate) => candidate.name === name);
        assert.ok(policy !== undefined, `${environment}: ${name}`);
        const options = typeof own === "object" ? Object.keys(own) : [];
        const known = ["enforcementLevel", ...Object.keys(policy.configSchema?.properties ?? {})];
        assert.deepEqual(
          options.filter((option) => !known.includes(option)),
          [],
          `${environment}: ${name}`,
        );
      }
      return [environment, config.all];
    });
    assert.deepEqual(Object.fromEntries(levels), { dev: "advisory", stage: "mandatory", prod: "mandatory" });
  });
});
