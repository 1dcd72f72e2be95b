import assert from "node:assert/strict";
import { ModelCache, ModelDatabase, type ModelProxyArgs } from "../../components/model-proxy-options";
import { SecretFrom, type SecretOptions } from "../../components/secrets";
import {
  container,
  envOf,
  files,
  pods,
  POLICY,
  recordedProxy,
  recordProxy,
  refused,
  secretsOf,
  USUAL,
} from "./model-proxy-recorder";

describe("ModelProxy with what is outside of it", () => {
  it("uses an existing database and an existing cache, over TLS, where they are", async () => {
    const password: SecretOptions = { from: SecretFrom.Existing, existingName: "db" };
    const recorder = await recordProxy({
      ...USUAL,
      database: {
        kind: ModelDatabase.External,
        external: {
          host: "db.example.com",
          port: 6432,
          database: "models",
          user: "proxy",
          password,
          egress: [{ cidr: "203.0.113.7/32" }],
        },
      },
      cache: {
        kind: ModelCache.External,
        external: { host: "cache.example.com", password, egress: [{ cidr: "203.0.113.8/32" }] },
      },
    });
    const env = envOf(container(recorder, "litellm"));
    assert.equal(env.DATABASE_HOST, "db.example.com:6432");
    assert.equal(env.DATABASE_SSLMODE, "require");
    assert.equal(env.NO_PROXY, "localhost,127.0.0.1,db.example.com,cache.example.com,collector");
    assert.match(
      files(recorder)["config.yaml"] ?? "",
      /coordination_redis:\n {4}host: cache.example.com\n {4}port: 6379\n {4}password: os.environ\/REDIS_PASSWORD\n {4}ssl: true/,
    );
    const { egress } = recorder.get(POLICY, "models").inputs.spec as { egress: unknown[] };
    assert.deepEqual(egress.slice(-2), [
      { to: [{ ipBlock: { cidr: "203.0.113.7/32" } }], ports: [{ protocol: "TCP", port: 6432 }] },
      { to: [{ ipBlock: { cidr: "203.0.113.8/32" } }], ports: [{ protocol: "TCP", port: 6379 }] },
    ]);
    assert.ok(!recorder.list().some((line) => line.includes("StatefulSet")));
  });

  it("counts in a cache of its own for several Pods", async () => {
    const recorder = await recordProxy({ ...USUAL, replicas: 2, cache: { kind: ModelCache.Own } });
    assert.ok(recorder.list().includes("clawfleet:index:Valkey models-cache"));
    assert.match(files(recorder)["config.yaml"] ?? "", /host: models-cache/);
    assert.ok(secretsOf(container(recorder, "litellm")).includes("REDIS_PASSWORD"));
    const { ingress } = recorder.get(POLICY, "models-cache").inputs.spec as { ingress: unknown };
    assert.deepEqual(ingress, [{ from: [pods("model-proxy")], ports: [{ protocol: "TCP", port: 6379 }] }]);
  });

  it("refuses what cannot work, and names the option", () => {
    const bad: [Partial<ModelProxyArgs>, string, string][] = [
      [{ models: { a: { model: "gpt-4o" } } }, "modelProxy.models.a.model", "<provider>/<model>"],
      [{ models: { a: { model: "nobody/x" } } }, "modelProxy.models.a.model", "apiBase"],
      [
        { models: { a: { model: "openai/x", apiBase: "http://api.example.com" } } },
        "modelProxy.models.a.apiBase",
        "https",
      ],
      [
        { models: { a: { model: "openai/x", apiBase: "https://u:canary@h.example.com" } } },
        "modelProxy.models.a.apiBase",
        "https",
      ],
      [{ models: { "a b": { model: "openai/x" } } }, "modelProxy.models.a b", "letters"],
      [{ models: { a: { model: "openai/x", rpm: 0 } } }, "modelProxy.models.a.rpm", "from 1 up"],
      [{ models: { a: { model: "openai/x", inputPrice: -1 } } }, "modelProxy.models.a.inputPrice", "USD"],
      [{ providerKeys: {} }, "modelProxy.providerKeys.openai", "existing Secret"],
      [
        { providerKeys: { ...USUAL.providerKeys, groq: { value: "x" } } },
        "modelProxy.providerKeys.groq",
        "providerKey: groq",
      ],
      [{ fallbacks: { main: ["nothing"] } }, "modelProxy.fallbacks.main", "modelProxy.models.nothing"],
      [{ fallbacks: { main: ["main"] } }, "modelProxy.fallbacks.main", "remove it"],
      [{ fallbacks: { main: ["embed"] } }, "modelProxy.fallbacks.main", "same mode"],
      [{ forwardProxy: undefined }, "modelProxy.egress", "forward proxy"],
      [{ agents: {} }, "modelProxy.agents", "main"],
      [{ agents: { Main: {} } }, "modelProxy.agents.Main", "lower case"],
      [{ agents: { main: { models: ["x"] } } }, "modelProxy.agents.main.models", "modelProxy.models.x"],
      [{ agents: { main: { budget: 0 } } }, "modelProxy.agents.main.budget", "USD"],
      [{ agents: { main: { budgetDuration: "7d" } } }, "modelProxy.agents.main.budgetDuration", "budget"],
      [{ agents: { main: { budget: 1, budgetDuration: "week" } } }, "modelProxy.agents.main.budgetDuration", "30d"],
      [{ agents: { main: { maxParallelRequests: 0.5 } } }, "modelProxy.agents.main.maxParallelRequests", "from 1 up"],
      [{ agents: { main: { key: { value: "no-prefix-canary" } } } }, "modelProxy.agents.main.key", "sk-"],
      [{ masterKey: { value: "sk-short" } }, "modelProxy.masterKey", "16 characters"],
      [{ replicas: 2 }, "modelProxy.replicas", "cache.kind"],
      [{ replicas: 0 }, "modelProxy.replicas", "1 to 10"],
      [{ retries: -1 }, "modelProxy.retries", "0 to 10"],
      [{ timeoutSeconds: 0 }, "modelProxy.timeoutSeconds", "seconds"],
      [{ spendRetention: "long" }, "modelProxy.spendRetention", "90d"],
      [{ database: { kind: ModelDatabase.External } }, "modelProxy.database.external", "kind: external"],
      [{ database: { kind: ModelDatabase.None, own: {} } }, "modelProxy.database.own", "kind: own"],
      [{ database: { own: { maxConnections: 1 } } }, "modelProxy.database.own.maxConnections", "10"],
      [{ database: { own: { volume: { size: "big" } } } }, "modelProxy.database.own.volume.size", "10Gi"],
      [{ cache: { kind: ModelCache.External } }, "modelProxy.cache.external", "kind: external"],
      [{ cache: { own: {} } }, "modelProxy.cache.own", "kind: own"],
      [{ resources: { limitsMemory: "1Mi" } }, "modelProxy.resources.limitsMemory", "requestsMemory"],
    ];
    for (const [change, where, fix] of bad) refused({ ...USUAL, ...change }, where, fix);
  });

  it("needs a way to a model on a private name, and goes there directly", async () => {
    const models = { own: { model: "hosted_vllm/qwen", apiBase: "http://vllm.models.svc:8000/v1" } };
    const change = { ...USUAL, models, fallbacks: {}, providerKeys: {}, agents: { main: {} } };
    refused(change, "modelProxy.egress", "addresses and ports");
    const recorder = await recordProxy({ ...change, egress: [{ cidr: "10.1.2.0/24", ports: [8000] }] });
    assert.deepEqual(recordedProxy().allowedHosts, []);
    assert.match(envOf(container(recorder, "litellm")).NO_PROXY ?? "", /vllm\.models\.svc/);
  });
});
