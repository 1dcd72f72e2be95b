import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import type { AgentStackArgs } from "../../components/agent-stack";
import { EntryPreset, presetFacts } from "../../components/entry-presets";
import { Environment } from "../../components/environment";
import { policies } from "../../policy/policies";
import { everything, recordCell } from "../mocks/cells";
import { validate } from "./support";

/** A way in by every preset. */
function entries(): NonNullable<AgentStackArgs["entry"]>[] {
  const common = { host: "openclaw.example.com", proxy: { cidrs: ["10.1.2.0/24"] } };
  return Object.values(EntryPreset).map((preset) => {
    if (preset === EntryPreset.EnvoyGateway || preset === EntryPreset.Cilium)
      return { ...common, gatewayApi: { preset } };
    const inCloud = presetFacts(preset, "ingress").cloudCertificate ?? false;
    return { ...common, ingress: { preset }, ...(inCloud && { tls: { cloudCertificate: "arn" } }) };
  });
}

describe("policy pack", () => {
  it("finds nothing in a cell with everything switched on, by any way in", async () => {
    const kinds = new Set<string>();
    for (const entry of entries()) {
      const { resources } = await recordCell({ ...everything(), entry });
      for (const { type, name, inputs, provider } of resources) {
        kinds.add(type);
        const [, , providerType = "", providerName = ""] = provider.split("::");
        const resource = { type, name, props: inputs, provider: { type: providerType, name: providerName } };
        for (const policy of policies) {
          assert.deepEqual(await validate(policy, resource), { violations: [] }, `${policy.name}: ${type} ${name}`);
        }
      }
    }
    for (const kind of ["apps/v1:StatefulSet", "core/v1:Service", "networking.k8s.io/v1:Ingress"]) {
      assert.ok(kinds.has(`kubernetes:${kind}`), kind);
    }
    assert.ok(kinds.has("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"));
    assert.ok(kinds.has("pulumi:providers:kubernetes"));
  });

  it("has a config for every environment, whose policies all exist", () => {
    const names = policies.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    const levels = Object.values(Environment).map((environment) => {
      const file = join(projectRoot, "policy", "config", `${environment}.json`);
      const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
      const unknown = Object.keys(config).filter((name) => name !== "all" && !names.includes(name));
      assert.deepEqual(unknown, [], file);
      return [environment, config.all];
    });
    assert.deepEqual(Object.fromEntries(levels), { dev: "advisory", stage: "mandatory", prod: "mandatory" });
  });
});
