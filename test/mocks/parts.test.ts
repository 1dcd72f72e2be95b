import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { recordCell } from "./cells";

describe("the parts of a cell", () => {
  it("do not wait for each other's objects", async () => {
    const { resources } = await recordCell({ entry: { host: "cell.example.com", ingress: {} } });
    const position = (type: string, name: string) =>
      resources.findIndex((resource) => resource.type === type && resource.name === name);
    const entry = position("clawfleet:index:Entry", "cell-entry");
    const service = position("kubernetes:core/v1:Service", "cell-gateway");
    assert.ok(entry >= 0 && entry < service, "the entry, which names the Service, came after it");
  });

  it("start no Pod before the quota, the limits and the default-deny policy, and the gateway's own policy", async () => {
    const recorder = await recordCell();
    const dependsOn = (type: string, name: string) => {
      const resources = recorder.options(type, name).dependsOn ?? [];
      assert.ok(Array.isArray(resources));
      return resources.map((resource) => (resource as pulumi.Resource & { __pulumiType: string }).__pulumiType);
    };
    assert.deepEqual(dependsOn("kubernetes:apps/v1:StatefulSet", "cell-gateway").sort(), [
      "clawfleet:index:Tenancy",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    ]);
    assert.deepEqual(dependsOn("kubernetes:core/v1:Service", "cell-gateway"), []);
  });

  it("show the engine what they are given, but not what another part decides", async () => {
    const recorder = await recordCell({ entry: { host: "cell.example.com", ingress: {} } });
    const { inputs } = recorder.get("clawfleet:index:Entry", "cell-entry");
    assert.equal(inputs.host, "cell.example.com");
    assert.ok(!("service" in inputs) && !("namespace" in inputs));
  });
});
