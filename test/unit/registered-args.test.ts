import assert from "node:assert/strict";
import { output, secret } from "@pulumi/pulumi";
import { registeredArgs } from "../../components/registered-args";

describe("what a component registers of its args", () => {
  it("is what it was given as plain values, however deep", () => {
    const args = { name: "a", none: undefined, nothing: null, list: [1, { b: "c" }], deep: { on: true, ports: [] } };
    assert.deepEqual(registeredArgs(args), {
      name: "a",
      nothing: null,
      list: [1, { b: "c" }],
      deep: { on: true, ports: [] },
    });
  });

  it("is nothing that has to be waited for, and no secret", () => {
    const args = {
      namespace: output("cell"),
      instance: Promise.resolve("cell"),
      broker: { host: output("10.0.0.1"), port: 4222 },
      clients: ["gateway", output("search")],
      password: { value: secret("canary"), version: 2 },
      secretSeed: "canary",
    };
    assert.deepEqual(registeredArgs(args), { broker: { port: 4222 }, clients: ["gateway"], password: { version: 2 } });
  });

  it("keeps what is no plain object as it is", () => {
    const at = new Date(0);
    assert.equal((registeredArgs({ at }) as { at: unknown }).at, at);
  });
});
