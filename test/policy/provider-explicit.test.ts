import assert from "node:assert/strict";
import { providerExplicit } from "../../policy/policies/provider-explicit";
import { UNKNOWN, validate } from "./support";

const PROVIDER = "pulumi:providers:kubernetes";
const provider = (props: Record<string, unknown>, name = "dev-eu") => ({ type: PROVIDER, name, props });
const NOT_IDENTIFIED =
  "clusterIdentifier: not set, so a changed kubeconfig may replace every object; set it to the cluster's id";
const DEFAULT = "opts.provider: the default provider; pass a kubernetes.Provider with a name of its own";

describe("policy provider-explicit", () => {
  it("accepts a provider with a cluster's id, and what uses it", async () => {
    assert.deepEqual(await validate(providerExplicit, provider({ clusterIdentifier: "dev-eu" })), { violations: [] });
    const resource = { type: "kubernetes:core/v1:Pod", props: {}, provider: { type: PROVIDER, name: "dev-eu" } };
    assert.deepEqual(await validate(providerExplicit, resource), { violations: [] });
  });

  it("refuses a provider without a cluster's id", async () => {
    for (const props of [{}, { clusterIdentifier: "" }, { kubeconfig: UNKNOWN }]) {
      assert.deepEqual(await validate(providerExplicit, provider(props)), { violations: [NOT_IDENTIFIED] });
    }
  });

  it("names an id that is unknown", async () => {
    assert.deepEqual(await validate(providerExplicit, provider({ clusterIdentifier: UNKNOWN })), {
      violations: [],
      advisory: "1 field not decidable in preview: clusterIdentifier",
    });
  });

  it("refuses a resource of a default provider, whatever of it is unknown", async () => {
    for (const name of ["default", "default_4_27_0", "default_4_28_0_alpha_1"]) {
      const resource = { type: "kubernetes:core/v1:Pod", props: { spec: UNKNOWN }, provider: { type: PROVIDER, name } };
      assert.deepEqual(await validate(providerExplicit, resource), { violations: [DEFAULT] }, name);
    }
  });

  it("refuses a custom resource of a default provider", async () => {
    const type = "kubernetes:gateway.networking.k8s.io/v1:Gateway";
    const resource = { type, props: {}, provider: { type: PROVIDER, name: "default_4_27_0" } };
    assert.deepEqual(await validate(providerExplicit, resource), { violations: [DEFAULT] });
  });

  it("blames what uses a default provider, not the provider itself", async () => {
    assert.deepEqual(await validate(providerExplicit, provider({}, "default_4_27_0")), { violations: [] });
  });

  it("leaves other providers, and names that only begin like a default one, alone", async () => {
    for (const resource of [
      { type: "pulumi:providers:random", name: "random", props: {} },
      {
        type: "random:index/randomPassword:RandomPassword",
        props: {},
        provider: { type: "pulumi:providers:random", name: "default_4_21_2" },
      },
      { type: "kubernetes:core/v1:Pod", props: {}, provider: { type: PROVIDER, name: "default_cluster" } },
      { type: "clawfleet:index:AgentStack", props: {} },
    ]) {
      assert.deepEqual(await validate(providerExplicit, resource), { violations: [] }, resource.type);
    }
  });
});
