import assert from "node:assert/strict";
import { Environment } from "../../components/environment";
import { OpenClawGateway, type OpenClawGatewayArgs } from "../../components/openclaw-gateway";
import { configText, pod, type Container } from "./cells";
import { differences, providers, record, type Recorder } from "./support";

function recordGateway(args: Partial<OpenClawGatewayArgs> = {}): Promise<Recorder> {
  return record((recorder) => {
    new OpenClawGateway(
      "gw",
      { namespace: "agents", instance: "cell", environment: Environment.Dev, ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

const key = (name: string, version = 1) => ({ secretName: name, key: "token", version });

/** What each connection adds, and what it has to show for it. */
const CONNECTIONS: Required<
  Pick<OpenClawGatewayArgs, "browser" | "modelProxy" | "search" | "forwardProxy" | "telemetry" | "hooks">
> = {
  browser: { component: "browser", host: "10.96.3.4", port: 9222 },
  modelProxy: {
    endpoint: { component: "model-proxy", host: "cell-model-proxy", port: 4000 },
    key: key("cell-model-proxy-gateway-key"),
    models: [{ id: "chat" }, { id: "small" }],
    embeddingModel: "embeddings",
  },
  search: { endpoint: { component: "search", host: "cell-search", port: 8080 }, token: key("cell-search-token") },
  forwardProxy: { component: "forward-proxy", host: "cell-forward-proxy", port: 3128 },
  telemetry: {
    endpoint: { component: "telemetry-collector", host: "fd00::7", port: 4318 },
    attributes: { "service.namespace": "cell", "clawfleet.contract.version": "1, draft" },
  },
  hooks: {
    token: key("cell-relay-hooks"),
    events: {
      endpoint: { component: "message-relay", host: "cell-relay", port: 8080 },
      token: key("cell-relay-events"),
    },
  },
};

interface Policy {
  ingress?: unknown[];
  egress: { to: { podSelector?: { matchLabels: Record<string, string> } }[]; ports: { port: number }[] }[];
}

const policy = (recorder: Recorder) =>
  recorder.get("kubernetes:networking.k8s.io/v1:NetworkPolicy", "gw").inputs.spec as Policy;
const reached = (recorder: Recorder) =>
  policy(recorder).egress.map(({ to, ports }) => [
    to[0]?.podSelector?.matchLabels["app.kubernetes.io/component"] ?? "DNS",
    ports[0]?.port,
  ]);
const config = (recorder: Recorder) => JSON.parse(configText(recorder, "gw")) as unknown;
const gatewayEnv = (recorder: Recorder) => pod(recorder, "gw").containers[0]?.env ?? [];
const sidecar = (recorder: Recorder, name: string): Container | undefined =>
  pod(recorder, "gw").initContainers?.find((container) => container.name === name);
const rules = (recorder: Recorder) =>
  sidecar(recorder, "forwarder")?.env.find(({ name }) => name === "FORWARDS")?.value;
const secretVersions = (recorder: Recorder) => {
  const { spec } = recorder.get("kubernetes:apps/v1:StatefulSet", "gw").inputs as {
    spec: { template: { metadata: { annotations: Record<string, string> } } };
  };
  return spec.template.metadata.annotations["clawfleet.dev/secrets"];
};

describe("a gateway's connections to the other parts", () => {
  it("are none by default: no sidecar, no rule but DNS", async () => {
    const recorder = await recordGateway();
    assert.equal(pod(recorder, "gw").initContainers, undefined);
    assert.deepEqual(reached(recorder), [["DNS", 53]]);
    assert.equal(policy(recorder).ingress, undefined);
  });

  it("open exactly the way to each part", async () => {
    const recorder = await recordGateway(CONNECTIONS);
    assert.deepEqual(reached(recorder), [
      ["DNS", 53],
      ["browser", 9222],
      ["model-proxy", 4000],
      ["search", 8080],
      ["forward-proxy", 3128],
      ["telemetry-collector", 4318],
      ["message-relay", 8080],
    ]);
  });

  it("are found on the Pod's own ports, by a forwarder that knows where the parts are", async () => {
    const recorder = await recordGateway(CONNECTIONS);
    assert.equal(
      rules(recorder),
      "9222=10.96.3.4:9222 4000=cell-model-proxy:4000 8080=cell-search:8080 3128=cell-forward-proxy:3128 4318=[fd00::7]:4318 4196=cell-relay:8080",
    );
    const { browser, models, mcp, proxy, diagnostics } = config(recorder) as {
      browser: { attachOnly: boolean; profiles: { cell: object } };
      models: { mode: string; providers: { litellm: { baseUrl: string } } };
      mcp: { servers: { search: { url: string } } };
      proxy: { proxyUrl: string };
      diagnostics: { otel: { endpoint: string } };
    };
    assert.deepEqual(browser.profiles, { cell: { cdpUrl: "http://127.0.0.1:9222", attachOnly: true } });
    assert.equal(models.providers.litellm.baseUrl, "http://127.0.0.1:4000/v1");
    assert.equal(mcp.servers.search.url, "http://127.0.0.1:8080/mcp");
    assert.equal(proxy.proxyUrl, "http://127.0.0.1:3128");
    assert.equal(diagnostics.otel.endpoint, "http://127.0.0.1:4318");
  });

  it("start before the gateway and end after it", async () => {
    const forwarder = sidecar(await recordGateway(CONNECTIONS), "forwarder");
    assert.equal(forwarder?.restartPolicy, "Always");
    assert.ok(forwarder.startupProbe !== undefined && forwarder.livenessProbe !== undefined);
    assert.deepEqual(forwarder.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual(forwarder.resources, {
      requests: { cpu: "10m", memory: "80Mi", "ephemeral-storage": "8Mi" },
      limits: { cpu: "500m", memory: "192Mi", "ephemeral-storage": "32Mi" },
    });
  });

  it("have their secrets in the environment, by reference, and roll the Pod with them", async () => {
    const recorder = await recordGateway(CONNECTIONS);
    const references = gatewayEnv(recorder).filter(({ name }) =>
      ["LITELLM_API_KEY", "SEARCH_TOKEN", "OPENCLAW_HOOKS_TOKEN", "CLAWFLEET_EVENTS_TOKEN"].includes(name),
    );
    assert.deepEqual(references, [
      {
        name: "LITELLM_API_KEY",
        valueFrom: { secretKeyRef: { name: "cell-model-proxy-gateway-key", key: "token" } },
      },
      { name: "SEARCH_TOKEN", valueFrom: { secretKeyRef: { name: "cell-search-token", key: "token" } } },
      { name: "OPENCLAW_HOOKS_TOKEN", valueFrom: { secretKeyRef: { name: "cell-relay-hooks", key: "token" } } },
      { name: "CLAWFLEET_EVENTS_TOKEN", valueFrom: { secretKeyRef: { name: "cell-relay-events", key: "token" } } },
    ]);
    assert.equal(
      secretVersions(recorder),
      "CLAWFLEET_EVENTS_TOKEN=1,LITELLM_API_KEY=1,OPENCLAW_GATEWAY_TOKEN=1,OPENCLAW_HOOKS_TOKEN=1,SEARCH_TOKEN=1",
    );
    const rotated = await recordGateway({ ...CONNECTIONS, hooks: { token: key("cell-relay-hooks", 2) } });
    assert.match(secretVersions(rotated) ?? "", /OPENCLAW_HOOKS_TOKEN=2/);
  });

  it("let the relay start turns of one agent, and tell it nothing unless it takes events", async () => {
    const hooks = async (given: OpenClawGatewayArgs["hooks"]) =>
      (config(await recordGateway({ hooks: given })) as { hooks?: Record<string, unknown> }).hooks;
    const token = key("cell-relay-hooks");
    assert.equal(await hooks(undefined), undefined);
    assert.deepEqual(await hooks({ token, agent: "writer" }), {
      enabled: true,
      token: "${OPENCLAW_HOOKS_TOKEN}",
      path: "/hooks",
      allowedAgentIds: ["writer"],
      allowRequestSessionKey: false,
      internal: { enabled: false },
    });
    const without = await recordGateway({ hooks: { token } });
    assert.deepEqual(reached(without), [["DNS", 53]]);
    assert.ok(!without.list().some((resource) => resource.includes("events-hook")));
  });

  it("mount the hook that tells the relay of messages, read-only, and have it post through the forwarder", async () => {
    const recorder = await recordGateway({ hooks: CONNECTIONS.hooks });
    const { allowedAgentIds, internal } = (config(recorder) as { hooks: Record<string, unknown> }).hooks;
    assert.deepEqual(allowedAgentIds, ["main"]);
    const { load } = internal as { load: { extraDirs: string[] } };
    const { inputs } = recorder.get("kubernetes:core/v1:ConfigMap", "gw-events-hook");
    const { name } = inputs.metadata as { name: string };
    assert.match(name, /^gw-events-hook-[0-9a-f]{12}$/);
    assert.equal(inputs.immutable, true);
    assert.deepEqual(Object.keys(inputs.data as object).sort(), ["HOOK.md", "handler.js"]);
    const { containers, volumes } = pod(recorder, "gw");
    const volume = volumes.find((one) => one.name === "events-hook");
    assert.deepEqual(volume, { name: "events-hook", configMap: { name, defaultMode: 0o444 } });
    assert.deepEqual(
      containers[0]?.volumeMounts.find((mount) => mount.name === "events-hook"),
      { name: "events-hook", mountPath: load.extraDirs[0], readOnly: true },
    );
    const url = gatewayEnv(recorder).find(({ name: variable }) => variable === "CLAWFLEET_EVENTS_URL");
    assert.equal(url?.value, "http://127.0.0.1:4196/events");
    assert.equal(rules(recorder), "4196=cell-relay:8080");
  });

  it("pain 5: a browser's new address rolls the Pod, and leaves the config as it is", async () => {
    const before = await recordGateway(CONNECTIONS);
    const after = await recordGateway({ ...CONNECTIONS, browser: { ...CONNECTIONS.browser, host: "10.96.9.9" } });
    assert.deepEqual(differences(before, after), [
      "kubernetes:apps/v1:StatefulSet gw spec.template.spec.initContainers.0.env.0.value",
    ]);
  });

  it("pain 10: switch the exporter and its plugin on together", async () => {
    const { diagnostics, plugins } = config(await recordGateway({ telemetry: CONNECTIONS.telemetry })) as {
      diagnostics: { enabled: boolean; otel: Record<string, unknown> };
      plugins: { entries: object };
    };
    assert.equal(diagnostics.enabled, true);
    assert.deepEqual(diagnostics.otel, {
      enabled: true,
      endpoint: "http://127.0.0.1:4318",
      protocol: "http/protobuf",
      serviceName: "openclaw-gateway",
      traces: true,
      metrics: true,
      logs: true,
      logsExporter: "otlp",
      sampleRate: 1,
      flushIntervalMs: 30000,
      captureContent: false,
    });
    assert.deepEqual(plugins.entries, { "diagnostics-otel": { enabled: true } });
  });

  it("name the telemetry's attributes, encoded", async () => {
    const attributes = gatewayEnv(await recordGateway(CONNECTIONS)).find(
      ({ name }) => name === "OTEL_RESOURCE_ATTRIBUTES",
    );
    assert.equal(attributes?.value, "clawfleet.contract.version=1%2C%20draft,service.namespace=cell");
  });

  it("make the model proxy's first model the default, and its embeddings those of memory search", async () => {
    const { agents, memory } = config(await recordGateway(CONNECTIONS)) as {
      agents: { defaults: { model: object } };
      memory: { search: object };
    };
    assert.deepEqual(agents.defaults.model, { primary: "litellm/chat" });
    assert.deepEqual(memory.search, { enabled: true, provider: "litellm", model: "embeddings" });
  });

  it("let options choose another default model, and no provider that is not there", async () => {
    const choose = (primary: string) => recordGateway({ ...CONNECTIONS, openclaw: { models: { primary } } });
    const { agents } = config(await choose("litellm/small")) as {
      agents: { defaults: { model: object } };
    };
    assert.deepEqual(agents.defaults.model, { primary: "litellm/small" });
    await assert.rejects(choose("openai/gpt"), /gateway\.openclaw\.models\.primary must be .*litellm/);
    const taken = { providers: { litellm: { baseUrl: "http://x/v1", apiKey: false, models: [] } } };
    await assert.rejects(recordGateway({ ...CONNECTIONS, openclaw: { models: taken } }), /is the cell's model proxy/);
  });

  it("give agents the browser's tool, unless the options name all tools themselves", async () => {
    const tools = async (openclaw: OpenClawGatewayArgs["openclaw"]) => {
      const recorder = await recordGateway({ browser: CONNECTIONS.browser, openclaw });
      const { profile, allow, alsoAllow } = (config(recorder) as { tools: Record<string, unknown> }).tools;
      return { profile, allow, alsoAllow };
    };
    assert.deepEqual(await tools({}), { profile: "messaging", allow: undefined, alsoAllow: ["browser"] });
    assert.deepEqual(await tools({ tools: { alsoAllow: ["group:fs"] } }), {
      profile: "messaging",
      allow: undefined,
      alsoAllow: ["group:fs", "browser"],
    });
    assert.deepEqual(await tools({ tools: { allow: ["message"] } }), {
      profile: "messaging",
      allow: ["message"],
      alsoAllow: undefined,
    });
  });

  for (const patch of [
    { browser: { profiles: { cell: { cdpUrl: "http://192.0.2.9:9222" } } } },
    { models: { providers: { litellm: { baseUrl: "http://192.0.2.9/v1" } } } },
    { proxy: null },
    { proxy: { loopbackMode: "proxy" } },
    { mcp: { servers: { search: { url: "http://192.0.2.9/mcp" } } } },
    { diagnostics: { otel: { enabled: false } } },
    { hooks: { token: "literal" } },
    { hooks: { allowedAgentIds: ["*"] } },
  ]) {
    it(`cannot be changed by extraConfig ${JSON.stringify(patch)}`, async () => {
      await assert.rejects(
        recordGateway({ ...CONNECTIONS, openclaw: { extraConfig: JSON.stringify(patch) } }),
        /gateway\.openclaw\.extraConfig: /,
      );
    });
  }

  it("refuse a hook token in clear also where no relay is connected", async () => {
    const extraConfig = JSON.stringify({ hooks: { enabled: true, token: "canary-hook" } });
    await assert.rejects(recordGateway({ openclaw: { extraConfig } }), (error: Error) => {
      assert.match(error.message, /hooks\.token/);
      assert.ok(!error.message.includes("canary-hook"));
      return true;
    });
  });

  it("let the clients in that are named", async () => {
    const { ingress } = policy(await recordGateway({ clients: ["message-relay", "diagnostics"] }));
    const podsOf = (component: string) => ({
      podSelector: {
        matchLabels: {
          "app.kubernetes.io/name": "openclaw",
          "app.kubernetes.io/instance": "cell",
          "app.kubernetes.io/component": component,
        },
      },
    });
    assert.deepEqual(ingress, [
      { from: [podsOf("message-relay"), podsOf("diagnostics")], ports: [{ protocol: "TCP", port: 18789 }] },
    ]);
  });

  it("ask the cell's DNS filter when there is one", async () => {
    const dns = { component: "dns-filter", host: "10.96.0.53", port: 53, podPort: 5353 };
    const recorder = await recordGateway({ dns });
    assert.deepEqual(reached(recorder), [["dns-filter", 5353]]);
    assert.equal(pod(recorder, "gw").dnsPolicy, "None");
  });

  it("prefer the search service's node, since both mount the vault", async () => {
    const { affinity } = pod(await recordGateway(CONNECTIONS), "gw") as { affinity?: { podAffinity: object } };
    assert.deepEqual(Object.keys(affinity?.podAffinity ?? {}), ["preferredDuringSchedulingIgnoredDuringExecution"]);
    assert.equal(pod(await recordGateway(), "gw").affinity, undefined);
  });

  describe("with the browser as a sidecar", () => {
    const args = { forwardProxy: CONNECTIONS.forwardProxy, browserSidecar: {} };

    it("start it beside the gateway, on loopback alone, as another user", async () => {
      const recorder = await recordGateway(args);
      const browser = sidecar(recorder, "browser");
      assert.equal(browser?.restartPolicy, "Always");
      assert.deepEqual(browser.command, ["/headless-shell/headless-shell"]);
      assert.ok(browser.args?.includes("--remote-debugging-port=9222"));
      assert.ok(browser.args?.includes("--proxy-server=http://cell-forward-proxy:3128"));
      assert.equal(browser.securityContext.runAsUser, 65534);
      assert.equal(rules(recorder), "3128=cell-forward-proxy:3128");
      assert.deepEqual(reached(recorder), [
        ["DNS", 53],
        ["forward-proxy", 3128],
      ]);
      const mounted = pod(recorder, "gw").volumes.map(({ name }) => name);
      assert.ok(mounted.includes("browser-tmp") && mounted.includes("browser-shm"));
    });

    it("refuse it without a forward proxy, and together with another browser", async () => {
      await assert.rejects(recordGateway({ browserSidecar: {} }), /browser\.mode: without a forward proxy/);
      await assert.rejects(recordGateway({ ...args, browser: CONNECTIONS.browser }), /browser\.mode: .*two browsers/);
    });
  });
});
