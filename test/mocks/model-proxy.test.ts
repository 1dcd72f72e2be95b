import assert from "node:assert/strict";
import { ModelCache, ModelDatabase, type ModelProxyArgs } from "../../components/model-proxy-options";
import {
  CONFIG_MAP,
  container,
  DEPLOYMENT,
  envOf,
  files,
  labels,
  pods,
  POLICY,
  recordedProxy,
  recordProxy,
  refused,
  resolved,
  SECRET,
  SERVICE,
  secretsOf,
  template,
  USUAL,
} from "./model-proxy-recorder";
import { differences, generatedValue, type Recorder, type Registered } from "./support";

describe("ModelProxy", () => {
  it("registers exactly these resources", async () => {
    const recorder = await recordProxy();
    assert.deepEqual(recorder.list(), [
      "clawfleet:index:ModelProxy models",
      "clawfleet:index:Postgres models-db",
      "kubernetes:apps/v1:Deployment models",
      "kubernetes:apps/v1:StatefulSet models-db",
      "kubernetes:core/v1:ConfigMap models-config",
      "kubernetes:core/v1:ConfigMap models-db-config",
      "kubernetes:core/v1:PersistentVolumeClaim models-db-data",
      "kubernetes:core/v1:Secret models-agent-main",
      "kubernetes:core/v1:Secret models-agent-support",
      "kubernetes:core/v1:Secret models-db-password",
      "kubernetes:core/v1:Secret models-master-key",
      "kubernetes:core/v1:Secret models-provider-anthropic",
      "kubernetes:core/v1:Secret models-provider-openai",
      "kubernetes:core/v1:Service models",
      "kubernetes:core/v1:Service models-db",
      "kubernetes:core/v1:ServiceAccount models",
      "kubernetes:core/v1:ServiceAccount models-db",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy models",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy models-db",
      "kubernetes:policy/v1:PodDisruptionBudget models",
      "kubernetes:policy/v1:PodDisruptionBudget models-db",
      "random:index/randomPassword:RandomPassword models-agent-main",
      "random:index/randomPassword:RandomPassword models-agent-support",
      "random:index/randomPassword:RandomPassword models-db-password",
      "random:index/randomPassword:RandomPassword models-master-key",
    ]);
  });

  it("works alone, with nothing but a namespace", async () => {
    const recorder = await recordProxy({});
    assert.deepEqual(Object.keys(recordedProxy().agentKeys), ["main"]);
    assert.match(files(recorder)["config.yaml"] ?? "", /^model_list: \[\]$/m);
  });

  it("says where it is, what it must reach, and which key each agent has", async () => {
    await recordProxy();
    assert.deepEqual(recordedProxy().endpoint, { component: "model-proxy", host: "models", port: 4000 });
    assert.deepEqual(recordedProxy().allowedHosts, ["api.anthropic.com", "api.openai.com"]);
    const { secretName, key } = recordedProxy().agentKeys.support ?? assert.fail();
    const [name, url] = await Promise.all([resolved(secretName), resolved(recordedProxy().url)]);
    assert.deepEqual([name, key], ["models-agent-support", "AGENT_KEY_SUPPORT"]);
    assert.equal(url, "http://models.agents.svc:4000/v1");
  });

  it("lets its clients in, and reaches database, collector, forward proxy and DNS filter alone", async () => {
    const { spec } = (await recordProxy()).get(POLICY, "models").inputs;
    assert.deepEqual(spec, {
      podSelector: { matchLabels: labels("model-proxy") },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [pods("gateway"), pods("search")], ports: [{ protocol: "TCP", port: 4000 }] }],
      egress: [
        {
          to: [pods("dns-filter")],
          ports: [
            { protocol: "UDP", port: 5353 },
            { protocol: "TCP", port: 5353 },
          ],
        },
        { to: [pods("forward-proxy")], ports: [{ protocol: "TCP", port: 3129 }] },
        { to: [pods("telemetry-collector")], ports: [{ protocol: "TCP", port: 4318 }] },
        { to: [pods("model-database")], ports: [{ protocol: "TCP", port: 5432 }] },
      ],
    });
    const service = (await recordProxy()).get(SERVICE, "models").inputs.spec as { type: string; ports: unknown[] };
    assert.deepEqual(service.ports, [{ name: "http", port: 4000, targetPort: 4000, protocol: "TCP" }]);
    assert.equal(service.type, "ClusterIP");
  });

  it("lets the database be reached by the proxy alone, and reach nothing", async () => {
    const { spec } = (await recordProxy()).get(POLICY, "models-db").inputs as {
      spec: { ingress: unknown; egress: unknown[] };
    };
    assert.deepEqual(spec.ingress, [{ from: [pods("model-proxy")], ports: [{ protocol: "TCP", port: 5432 }] }]);
    assert.equal(spec.egress.length, 1);
  });

  it("gives every container limits, a read-only root and no rights", async () => {
    const { containers, initContainers = [] } = template(await recordProxy()).spec;
    assert.deepEqual(
      [...initContainers, ...containers].map(({ name }) => name),
      ["wait-for-database", "litellm", "agent-keys"],
    );
    for (const { resources, securityContext } of [...initContainers, ...containers]) {
      for (const part of [resources.requests, resources.limits]) {
        assert.deepEqual(Object.keys(part).sort(), ["cpu", "ephemeral-storage", "memory"]);
      }
      assert.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      });
    }
  });

  it("is ready when LiteLLM and its database are, and the agents' keys exist", async () => {
    const recorder = await recordProxy();
    const { startupProbe, readinessProbe, livenessProbe } = container(recorder, "litellm");
    const get = (path: string) => ({ httpGet: { path, port: "http" }, timeoutSeconds: 10 });
    assert.deepEqual(startupProbe, { ...get("/health/readiness"), periodSeconds: 5, failureThreshold: 120 });
    assert.deepEqual(readinessProbe, { ...get("/health/readiness"), periodSeconds: 10, failureThreshold: 3 });
    assert.deepEqual(livenessProbe, { ...get("/health/liveliness"), periodSeconds: 30, failureThreshold: 4 });
    assert.deepEqual(container(recorder, "agent-keys").readinessProbe, {
      exec: { command: ["sh", "-c", "test -e /run/agent-keys/synced"] },
      timeoutSeconds: 5,
      periodSeconds: 5,
      failureThreshold: 3,
    });
  });

  it("answers what it has begun before it ends", async () => {
    assert.equal(template(await recordProxy()).spec.terminationGracePeriodSeconds, 630);
    const short = await recordProxy({ ...USUAL, timeoutSeconds: 60 });
    assert.equal(template(short).spec.terminationGracePeriodSeconds, 90);
  });

  it("reaches providers through the forward proxy, and the cell's own parts directly", async () => {
    const env = envOf(container(await recordProxy(), "litellm"));
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) {
      assert.equal(env[name], "http://egress:3129");
    }
    assert.equal(env.NO_PROXY, "localhost,127.0.0.1,models-db,collector");
    assert.equal(env.no_proxy, env.NO_PROXY);
    assert.equal(envOf(container(await recordProxy({}), "litellm")).HTTP_PROXY, undefined);
  });

  it("downloads nothing, reports nothing home, and serves no administration page", async () => {
    const env = envOf(container(await recordProxy(), "litellm"));
    for (const name of [
      "LITELLM_LOCAL_MODEL_COST_MAP",
      "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS",
      "LITELLM_LOCAL_AUTOROUTER_PRESETS",
      "LITELLM_LOCAL_BLOG_POSTS",
      "LITELLM_LOCAL_POLICY_TEMPLATES",
      "DISABLE_ADMIN_UI",
      "NO_DOCS",
      "NO_REDOC",
      "NO_OPENAPI",
    ]) {
      assert.equal(env[name], "True", name);
    }
    assert.equal(env.OTEL_ENDPOINT, "http://collector:4318/v1/traces");
  });

  describe("secrets", () => {
    it("gives provider keys to LiteLLM alone, and the administrator's key to the Pod alone", async () => {
      const recorder = await recordProxy();
      assert.deepEqual(secretsOf(container(recorder, "litellm")).sort(), [
        "DATABASE_PASSWORD",
        "LITELLM_MASTER_KEY",
        "PROVIDER_KEY_ANTHROPIC",
        "PROVIDER_KEY_OPENAI",
      ]);
      assert.deepEqual(secretsOf(container(recorder, "agent-keys")).sort(), [
        "AGENT_KEY_MAIN",
        "AGENT_KEY_SUPPORT",
        "LITELLM_MASTER_KEY",
      ]);
    });

    it("begins the keys that it generates with sk-", async () => {
      const recorder = await recordProxy();
      for (const [name, key] of [
        ["models-master-key", "LITELLM_MASTER_KEY"],
        ["models-agent-main", "AGENT_KEY_MAIN"],
      ] as const) {
        const { inputs, secrets } = recorder.get(SECRET, name);
        assert.deepEqual(inputs.stringData, { [key]: `sk-${generatedValue(name)}` });
        assert.deepEqual(secrets, ["stringData"]);
      }
    });

    it("keeps every given value a secret, in its own args too", async () => {
      const recorder = await recordProxy({
        ...USUAL,
        masterKey: { value: "sk-canary-master-key" },
        agents: { main: { key: { value: "sk-canary-agent-key" } } },
        database: { own: { password: { value: "canary-database" } } },
        cache: { kind: ModelCache.Own, own: { password: { value: "canary-cache" } } },
      });
      for (const registered of recorder.resources) assertSealed(registered);
      assert.ok(!JSON.stringify(files(recorder)).includes("canary"));
    });

    it("is rolled when a secret is rotated, by its version", async () => {
      const rotated = (change: Partial<ModelProxyArgs>) => recordProxy({ ...USUAL, ...change });
      const before = await recordProxy();
      const annotation = (recorder: Recorder) => template(recorder).metadata.annotations["clawfleet.dev/secrets"];
      assert.match(annotation(before) ?? "", /AGENT_KEY_SUPPORT=1/);
      const after = await rotated({
        agents: { ...USUAL.agents, support: { ...USUAL.agents?.support, key: { version: 2 } } },
      });
      assert.match(annotation(after) ?? "", /AGENT_KEY_SUPPORT=2/);
      assert.deepEqual(differences(before, after), [
        `${DEPLOYMENT} models spec.template.metadata.annotations.clawfleet.dev/secrets`,
        "random:index/randomPassword:RandomPassword models-agent-support keepers.version",
      ]);
    });
  });

  describe("config", () => {
    it("is immutable, named by its content, and rolls the Pods when a limit changes", async () => {
      const before = await recordProxy();
      const config = before.get(CONFIG_MAP, "models-config").inputs as {
        immutable: boolean;
        metadata: { name: string };
      };
      assert.equal(config.immutable, true);
      assert.match(config.metadata.name, /^models-config-[0-9a-f]{8,}$/);
      const after = await recordProxy({
        ...USUAL,
        agents: { ...USUAL.agents, support: { ...USUAL.agents?.support, rpm: 31 } },
      });
      assert.deepEqual(differences(before, after), [
        `${DEPLOYMENT} models spec.template.spec.volumes.0.configMap.name`,
        `${CONFIG_MAP} models-config data.agents.json`,
        `${CONFIG_MAP} models-config metadata.name`,
      ]);
    });

    it("names every limit of every agent", async () => {
      const agents = JSON.parse(files(await recordProxy())["agents.json"] ?? "") as Record<string, unknown>;
      assert.deepEqual(agents, {
        main: {
          env: "AGENT_KEY_MAIN",
          limits: {
            models: [],
            rpm_limit: null,
            tpm_limit: null,
            max_parallel_requests: null,
            max_budget: null,
            budget_duration: null,
          },
        },
        support: {
          env: "AGENT_KEY_SUPPORT",
          limits: {
            models: ["main"],
            rpm_limit: 30,
            tpm_limit: 50_000,
            max_parallel_requests: 2,
            max_budget: 25,
            budget_duration: "7d",
          },
        },
      });
    });
  });

  describe("without a database", () => {
    const NONE = { ...USUAL, agents: { main: { rpm: 5 } }, database: { kind: ModelDatabase.None } };

    it("has no administrator, and LiteLLM knows the agents' keys itself", async () => {
      const recorder = await recordProxy(NONE);
      const { containers, initContainers } = template(recorder).spec;
      assert.deepEqual(
        containers.map(({ name }) => name),
        ["litellm"],
      );
      assert.equal(initContainers, undefined);
      assert.ok(!secretsOf(container(recorder, "litellm")).includes("LITELLM_MASTER_KEY"));
      assert.ok(secretsOf(container(recorder, "litellm")).includes("AGENT_KEY_MAIN"));
      assert.deepEqual(Object.keys(files(recorder)).sort(), ["agent_auth.py", "agents.json", "config.yaml"]);
      assert.ok(!recorder.list().some((line) => line.includes("database") || line.includes("master-key")));
    });

    it("refuses a budget, and an administrator's key", () => {
      refused({ ...NONE, agents: { main: { budget: 5 } } }, "modelProxy.agents.main.budget", "database.kind");
      refused({ ...NONE, masterKey: {} }, "modelProxy.masterKey", "database");
    });
  });
});

/** No input that holds a canary may be outside of what is marked as a secret. */
function assertSealed({ type, name, inputs, secrets }: Registered): void {
  const visit = (value: unknown, path: string): void => {
    if (secrets.includes(path)) return;
    if (typeof value === "string") assert.ok(!value.includes("canary"), `${type} ${name} ${path}`);
    if (typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value)) visit(child, path === "" ? key : `${path}.${key}`);
  };
  visit(inputs, "");
}
