import assert from "node:assert/strict";
import { namespaceBounded } from "../../policy/policies/namespace-bounded";
import { UNKNOWN, validateStack } from "./support";

const namespaceNamed = (name: unknown) => ({
  type: "kubernetes:core/v1:Namespace",
  name: "n",
  props: { metadata: { name } },
});
const inNamespace = (kind: string, namespace: unknown) => ({
  type: `kubernetes:core/v1:${kind}`,
  name: kind,
  props: { metadata: { namespace } },
});

describe("policy namespace-bounded", () => {
  it("accepts a namespace with both, and namespaces that others made", async () => {
    const bounds = ["ResourceQuota", "LimitRange"].map((kind) => inNamespace(kind, "agents"));
    assert.deepEqual(await validateStack(namespaceBounded, [namespaceNamed("agents"), ...bounds]), { violations: [] });
    assert.deepEqual(await validateStack(namespaceBounded, [inNamespace("ConfigMap", "other")]), { violations: [] });
  });

  it("names what a namespace lacks", async () => {
    assert.deepEqual((await validateStack(namespaceBounded, [namespaceNamed("agents")])).violations, [
      "n metadata.name: has no ResourceQuota and no LimitRange; add it",
    ]);
    const elsewhere = [inNamespace("ResourceQuota", "agents"), inNamespace("LimitRange", "other")];
    assert.deepEqual((await validateStack(namespaceBounded, [namespaceNamed("agents"), ...elsewhere])).violations, [
      "n metadata.name: has no LimitRange; add it",
    ]);
  });

  it("trusts the config on namespaces that are bounded elsewhere", async () => {
    const config = { otherwiseBounded: ["agents"] };
    assert.deepEqual(await validateStack(namespaceBounded, [namespaceNamed("agents")], config), { violations: [] });
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(
      await validateStack(namespaceBounded, [namespaceNamed("agents"), inNamespace("ResourceQuota", UNKNOWN)]),
      {
        violations: ["n metadata.name: has no LimitRange; add it"],
        advisory: "1 field not decidable in preview: ResourceQuota metadata.namespace",
      },
    );
    assert.deepEqual(await validateStack(namespaceBounded, [namespaceNamed(UNKNOWN)]), {
      violations: [],
      advisory: "1 field not decidable in preview: n metadata.name",
    });
  });
});
