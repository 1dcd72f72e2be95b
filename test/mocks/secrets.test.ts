import assert from "node:assert/strict";
import type { GitSyncOptions } from "../../components/git-sync";
import { SecretFrom, type SecretOptions } from "../../components/secrets";
import { everything, pod, recordCell } from "./cells";

const SECRET = "kubernetes:core/v1:Secret";

describe("the secrets of a cell", () => {
  const inconsistent: [string, SecretOptions, RegExp][] = [
    [
      "a generated secret with a value",
      { from: SecretFrom.Generated, value: "canary" },
      /from is generated, and value is given/,
    ],
    ["a given secret without value", { from: SecretFrom.Value }, /from is value, and value is missing/],
    ["an existing Secret without name", { from: SecretFrom.Existing }, /from is existing, and existingName is missing/],
    ["a name without saying that it exists", { existingName: "mine" }, /from is generated, and existingName is given/],
    [
      "an existing Secret with a value",
      { from: SecretFrom.Existing, existingName: "mine", value: "canary" },
      /value is given/,
    ],
    ["version 0", { version: 0 }, /version is 0/],
    ["a version between two", { version: 1.5 }, /version is 1\.5/],
  ];
  for (const [what, token, message] of inconsistent) {
    it(`refuse ${what}, name the option and tell no value`, async () => {
      await assert.rejects(recordCell({ gateway: { token } }), (error: Error) => {
        assert.match(error.message, /^gateway\.token: /);
        assert.match(error.message, message);
        assert.match(error.message, /Fix: /);
        assert.ok(!error.message.includes("canary"));
        return true;
      });
    });
  }

  it("are a Secret's key named as the variable, or any key of an existing Secret", async () => {
    const given = await recordCell({ gateway: { token: { value: "given" } } });
    const { inputs } = given.get(SECRET, "cell-gateway-token");
    assert.equal(inputs.type, "Opaque");
    assert.deepEqual(inputs.stringData, { OPENCLAW_GATEWAY_TOKEN: "given" });

    const reference = async (more: object) => {
      const token = { from: SecretFrom.Existing, existingName: "mine", ...more };
      const recorder = await recordCell({ gateway: { token } });
      assert.ok(!recorder.list().some((resource) => resource.startsWith(SECRET)));
      return pod(recorder).containers[0]?.env.find(({ name }) => name === "OPENCLAW_GATEWAY_TOKEN")?.valueFrom;
    };
    assert.deepEqual(await reference({}), { secretKeyRef: { name: "mine", key: "OPENCLAW_GATEWAY_TOKEN" } });
    assert.deepEqual(await reference({ existingKey: "token" }), { secretKeyRef: { name: "mine", key: "token" } });
  });

  it("roll the Pod by their versions, and never by a hash of their values", async () => {
    const options = everything();
    const gateway = { ...options.gateway, token: { value: "another", version: 4 } };
    const recorder = await recordCell({ ...options, gateway });
    const { spec } = recorder.get("kubernetes:apps/v1:StatefulSet", "cell-gateway").inputs as {
      spec: { template: { metadata: { annotations: unknown } } };
    };
    assert.deepEqual(spec.template.metadata.annotations, {
      "clawfleet.dev/secret-versions": "GIT_PASSWORD=1,MODEL_LITELLM_API_KEY=1,OPENCLAW_GATEWAY_TOKEN=4",
    });
  });
});

describe("git-sync's options", () => {
  const gitSync = everything().vault?.gitSync as GitSyncOptions;
  const withGitSync = (more: Partial<GitSyncOptions>) => recordCell({ vault: { gitSync: { ...gitSync, ...more } } });
  const env = async (more: Partial<GitSyncOptions>) => {
    const container = pod(await withGitSync(more)).containers[1];
    return Object.fromEntries(container?.env.map(({ name, value }) => [name, value]) ?? []);
  };

  it("have defaults", async () => {
    assert.deepEqual(await env({}), {
      GIT_WORK_TREE: "/vault",
      GIT_DIR: "/repository",
      HOME: "/git-sync",
      GIT_REPOSITORY: "https://git.example.com/team/vault.git",
      GIT_BRANCH: "main",
      GIT_INTERVAL: "300",
      GIT_USERNAME: "git",
      GIT_CELL: "cell",
      GIT_PASSWORD: undefined,
    });
  });

  it("are passed on", async () => {
    const { GIT_BRANCH, GIT_INTERVAL, GIT_USERNAME } = await env({
      branch: "notes",
      intervalSeconds: 60,
      username: "robot",
    });
    assert.deepEqual([GIT_BRANCH, GIT_INTERVAL, GIT_USERNAME], ["notes", "60", "robot"]);
  });

  for (const repository of [
    "http://git.example.com/v.git",
    "git@git.example.com:v.git",
    "ssh://git.example.com/v.git",
    "file:///vault.git",
    "https://canary@git.example.com/v.git",
    "https://git:canary@git.example.com/v.git",
    "vault",
  ]) {
    it(`refuse the repository ${repository.replace("canary", "SECRET")}, and do not repeat it`, async () => {
      await assert.rejects(withGitSync({ repository }), (error: Error) => {
        assert.match(
          error.message,
          /^vault\.gitSync\.repository: the repository is no https URL without credentials\n {2}Fix: /,
        );
        assert.ok(!error.message.includes("canary"));
        return true;
      });
    });
  }

  for (const intervalSeconds of [0, 9, 10.5, -300]) {
    it(`refuse an interval of ${String(intervalSeconds)} s`, async () => {
      await assert.rejects(
        withGitSync({ intervalSeconds }),
        /vault\.gitSync\.intervalSeconds: .*\n {2}Fix: use at least 10/,
      );
    });
  }
});
