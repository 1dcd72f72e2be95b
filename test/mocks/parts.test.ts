import assert from "node:assert/strict";
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

  it("show the engine what they are given, but not what another part decides", async () => {
    const recorder = await recordCell({ entry: { host: "cell.example.com", ingress: {} } });
    const { inputs } = recorder.get("clawfleet:index:Entry", "cell-entry");
    assert.equal(inputs.host, "cell.example.com");
    assert.ok(!("service" in inputs) && !("namespace" in inputs));
  });
});
