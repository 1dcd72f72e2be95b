import assert from "node:assert/strict";
import { ConfigMap, Secret } from "@pulumi/kubernetes/core/v1";
import * as pulumi from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random";
import { differences, generatedValue, providers, record } from "./support";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";

describe("the recorder of the mocks tests", () => {
  it("tells secrets apart, also within a map, and hands over their value", async () => {
    const recorder = await record(() => {
      const [provider] = providers();
      new ConfigMap("leak", { data: { plain: "a", hidden: pulumi.secret("b") } }, { provider });
      new ConfigMap("plain", { data: { plain: "a" } }, { provider });
    });
    assert.deepEqual(recorder.get(CONFIG_MAP, "leak").secrets, ["data"]);
    assert.deepEqual(recorder.get(CONFIG_MAP, "leak").inputs.data, { plain: "a", hidden: "b" });
    assert.deepEqual(recorder.get(CONFIG_MAP, "plain").secrets, []);
  });

  it("carries a secret from the output of one resource into the input of another", async () => {
    const recorder = await record(() => {
      const [provider, random] = providers();
      const password = new RandomPassword("password", { length: 8 }, { provider: random });
      new ConfigMap("leak", { data: { password: password.result } }, { provider });
    });
    assert.deepEqual(recorder.get(CONFIG_MAP, "leak").inputs.data, { password: generatedValue("password") });
    assert.deepEqual(recorder.get(CONFIG_MAP, "leak").secrets, ["data"]);
  });

  it("waits for resources that come late, one behind the outputs of another", async () => {
    const recorder = await record(() => {
      const [provider] = providers();
      const first = new ConfigMap("first", {}, { provider });
      first.id.apply((id) => {
        setTimeout(() => undefined, 1);
        const second = new ConfigMap("second", { data: { id } }, { provider });
        second.id.apply((other) => new Secret("third", { stringData: { other } }, { provider }));
      });
    });
    assert.deepEqual(recorder.list(), [
      `${CONFIG_MAP} first`,
      `${CONFIG_MAP} second`,
      "kubernetes:core/v1:Secret third",
    ]);
  });

  it("tells the provider, and that there is none", async () => {
    const recorder = await record(() => {
      const [provider] = providers();
      new ConfigMap("explicit", {}, { provider });
      new ConfigMap("default", {});
    });
    assert.match(recorder.get(CONFIG_MAP, "explicit").provider, /::cluster::/);
    assert.equal(recorder.get(CONFIG_MAP, "default").provider, "");
  });

  it("compares two recordings", async () => {
    const one = (data: Record<string, string>, name: string) =>
      record(() => {
        const [provider] = providers();
        new ConfigMap("config", { metadata: { name: "config" }, data }, { provider });
        new ConfigMap(name, {}, { provider });
      });
    assert.deepEqual(differences(await one({ a: "1", b: "2" }, "x"), await one({ a: "1", b: "3", c: "4" }, "y")), [
      `${CONFIG_MAP} config data.b`,
      `${CONFIG_MAP} config data.c`,
      `${CONFIG_MAP} x`,
      `${CONFIG_MAP} y`,
    ]);
  });
});
