import assert from "node:assert/strict";
import type { GitSyncOptions } from "../../components/git-sync";
import { SecretFrom, type SecretOptions } from "../../components/secrets";
import { Valkey } from "../../components/valkey";
import { everything, pod, recordCell } from "./cells";
import { differences, generatedValue, providers, record, type Recorder } from "./support";

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
      "clawfleet.dev/secrets": "GIT_PASSWORD=1,MODEL_LITELLM_API_KEY=1,OPENCLAW_GATEWAY_TOKEN=4",
    });
  });
});

describe("the generated secrets of a cell's parts", () => {
  const PASSWORD = "random:index/randomPassword:RandomPassword";
  const parts = {
    modelProxy: { models: { chat: { model: "openai/gpt-4o" } }, providerKeys: { openai: { value: "key" } } },
    forwardProxy: {},
    search: {},
    messaging: {},
    telemetry: {},
  };
  const generated = (recorder: Recorder) => recorder.list().filter((resource) => resource.startsWith(PASSWORD));
  const values = (recorder: Recorder) =>
    new Map(
      recorder.resources
        .filter(({ type }) => type === SECRET)
        .flatMap(({ inputs }) => Object.entries(inputs.stringData as Record<string, string>)),
    );

  it("are derived from one random seed, each another one, and the same in the next run", async () => {
    const recorder = await recordCell(parts);
    assert.deepEqual(generated(recorder), [
      `${PASSWORD} cell-gateway-token`,
      `${PASSWORD} cell-secret-seed`,
      // HyperDX keeps these two in its own database.
      `${PASSWORD} cell-telemetry-console-password`,
      `${PASSWORD} cell-telemetry-database-console-password`,
    ]);
    const derived = [...values(recorder)].filter(([, value]) => value !== "key" && !value.includes("generated-"));
    assert.ok(derived.length > 10);
    for (const [key, value] of derived) assert.match(value, /^(sk-)?[0-9a-f]{64}$/, key);
    assert.equal(new Set(derived.map(([, value]) => value)).size, derived.length);
    assert.deepEqual(values(await recordCell(parts)), values(recorder));
  });

  it("differ from those of another cell", async () => {
    const [one, other] = [values(await recordCell(parts)), values(await recordCell(parts, "other"))];
    const same = [...one].filter(([key, value]) => other.get(key) === value);
    assert.deepEqual(
      same.map(([, value]) => value),
      ["key"],
    );
  });

  it("are marked as secrets wherever they are, and so is the seed", async () => {
    const recorder = await recordCell(parts);
    const secrets = [generatedValue("cell-secret-seed"), ...values(recorder).values()].filter(
      (value) => value !== "key",
    );
    const places = new Set<string>();
    for (const { type, name, inputs, secrets: marked } of recorder.resources)
      for (const [input, value] of Object.entries(inputs))
        if (secrets.some((secret) => JSON.stringify(value).includes(secret))) {
          assert.ok(marked.includes(input), `${type} ${name} ${input}`);
          places.add(`${type} ${input}`);
        }
    assert.deepEqual([...places], [`${SECRET} stringData`]);
  });

  it("have nothing to do with the seed once they are rotated", async () => {
    const before = await recordCell(parts);
    const after = await recordCell({ ...parts, search: { token: { version: 2 } } });
    assert.deepEqual(differences(before, after), [
      "kubernetes:apps/v1:StatefulSet cell-gateway spec.template.metadata.annotations.clawfleet.dev/secrets",
      "kubernetes:apps/v1:StatefulSet cell-search spec.template.metadata.annotations.clawfleet.dev/secrets",
      "kubernetes:core/v1:Secret cell-search-token stringData.SEARCH_TOKEN",
      `${PASSWORD} cell-search-token`,
    ]);
    assert.equal(values(after).get("SEARCH_TOKEN"), generatedValue("cell-search-token"));
  });

  const valkey = (more: object) =>
    record((recorder) => {
      const options = { providers: providers(), transformations: [recorder.observe] };
      new Valkey("cache", { namespace: "cell", ...more }, options);
    });

  it("are random by themselves in a part that stands alone, and derived from a seed that it is given", async () => {
    assert.deepEqual(generated(await valkey({})), [`${PASSWORD} cache-password`]);
    const seeded = await valkey({ secretSeed: "canary".repeat(8) });
    assert.deepEqual(generated(seeded), []);
    // HKDF-SHA256 of the seed without salt, `cache-password` as info: another value would change every cell's secrets.
    assert.equal(
      values(seeded).get("REDIS_PASSWORD"),
      "a0ba4247c31583d69722800ae6149cd108125a60e443f4bd6b93afad14ee408f",
    );
    assert.ok(!JSON.stringify(seeded.resources).includes("canary"));
    const other = await valkey({ secretSeed: "another".repeat(7) });
    assert.notEqual(values(other).get("REDIS_PASSWORD"), values(seeded).get("REDIS_PASSWORD"));
  });

  it("are refused with a seed that can be guessed, which is not repeated", async () => {
    await assert.rejects(valkey({ secretSeed: "canary" }), (error: Error) => {
      assert.match(error.message, /secretSeed: the seed has 6 characters\n {2}Fix: give 43 random ones or more/);
      assert.ok(!error.message.includes("canary"));
      return true;
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
