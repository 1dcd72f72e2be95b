import assert from "node:assert/strict";
import { planAgentStack, type AgentStackArgs } from "../../components/agent-stack";
import { BrowserMode } from "../../components/browser";
import { TlsFrom } from "../../components/tls-from";
import { Environment } from "../../components/environment";
import { ValidationFailed } from "../../components/errors";
import { ModelDatabase, ModelMode } from "../../components/model-proxy-options";
import { TelemetryMode } from "../../components/telemetry-mode";

type Args = Partial<AgentStackArgs>;

const plan = (args: Args) =>
  planAgentStack("cell", { environment: Environment.Dev, podCidrs: ["10.42.0.0/16"], ...args });
const given = { value: "given" };
const gitSync = {
  repository: "https://git.example.com/vault.git",
  credential: given,
  egress: [{ cidr: "203.0.113.0/24" }],
};
const telegram = { telegram: { botToken: given, allowFrom: ["42"] } };
const models = { chat: { model: "openai/gpt-4o" } };
const modelProxy = { models, providerKeys: { openai: given } };
const entry = { host: "openclaw.example.com", ingress: {} };
const external = { endpoint: "https://otlp.example.com" };
const providers = { own: { baseUrl: "https://models.example.org/v1", apiKey: false, models: [{ id: "m" }] } };
const unpinned = "example/image:latest";

/** What is wrong, the options, the option that the message names, and what the fix says. */
const WRONG: [string, Args, string, RegExp][] = [
  ["search without a vault", { vault: { enabled: false }, search: {} }, "search", /vault\.enabled/],
  ["embeddings without a model proxy", { search: { embeddingModel: "e" } }, "search.embeddingModel", /model proxy on/],
  [
    "an embedding model that the model proxy does not know",
    { forwardProxy: {}, modelProxy, search: { embeddingModel: "e" } },
    "search.embeddingModel",
    /modelProxy\.models: chat/,
  ],
  [
    "a chat model for embeddings",
    { forwardProxy: {}, modelProxy, search: { embeddingModel: "chat" } },
    "search.embeddingModel",
    /modelProxy\.models\.chat\.mode/,
  ],
  ["git sync without a vault", { vault: { enabled: false, gitSync } }, "vault.gitSync", /vault\.enabled/],
  ["git sync without a way out", { vault: { gitSync: { ...gitSync, egress: [] } } }, "vault.gitSync.egress", /rule/],
  ["channels without a way out", { gateway: { channels: telegram } }, "gateway.channels", /gateway\.egress/],
  [
    "an agent's channel that is off",
    { gateway: { openclaw: { agents: { entries: { a: { channels: ["telegram"] } } } } } },
    "gateway.openclaw.agents.entries.a.channels",
    /gateway\.channels/,
  ],
  [
    "a model provider without a way out",
    { gateway: { openclaw: { models: { providers } } } },
    "gateway.openclaw.models.providers.own",
    /gateway\.egress/,
  ],
  ["public models without a way out", { modelProxy }, "modelProxy.egress", /forward proxy on/],
  [
    "public models without a way out, with a DNS filter",
    { modelProxy, dnsFilter: { allow: ["api.openai.com"] } },
    "modelProxy.egress",
    /forward proxy on/,
  ],
  [
    "a model without its provider's key",
    { forwardProxy: {}, modelProxy: { models } },
    "modelProxy.providerKeys.openai",
    /value/,
  ],
  [
    "a budget without a database",
    {
      forwardProxy: {},
      modelProxy: { ...modelProxy, agents: { main: { budget: 5 } }, database: { kind: ModelDatabase.None } },
    },
    "modelProxy.agents.main.budget",
    /database\.kind/,
  ],
  [
    "two model proxies without a cache",
    { forwardProxy: {}, modelProxy: { ...modelProxy, replicas: 2 } },
    "modelProxy.replicas",
    /cache\.kind/,
  ],
  ["pages without a forward proxy", { browser: { allowedHosts: ["*"] } }, "browser.allowedHosts", /forward proxy on/],
  [
    "pages without a forward proxy, with a DNS filter",
    { browser: { allowedHosts: [".example.com"] }, dnsFilter: { allow: [".example.com"] } },
    "browser.allowedHosts",
    /forward proxy on/,
  ],
  [
    "a browser as a sidecar without a forward proxy",
    { browser: { mode: BrowserMode.Sidecar } },
    "browser.mode",
    /forward/,
  ],
  [
    "telemetry that goes outside, without an endpoint",
    { telemetry: { mode: TelemetryMode.External } },
    "telemetry.external.endpoint",
    /telemetry\.mode/,
  ],
  [
    "telemetry that goes outside, without a way there",
    { telemetry: { mode: TelemetryMode.External, external } },
    "telemetry.external.egress",
    /forward proxy on/,
  ],
  [
    "telemetry through the forward proxy to a port that it refuses",
    {
      forwardProxy: {},
      telemetry: { mode: TelemetryMode.External, external: { endpoint: "https://otlp.example.com:4318" } },
    },
    "telemetry.external.endpoint",
    /allowedPorts/,
  ],
  [
    "a database for telemetry that goes outside",
    { forwardProxy: {}, telemetry: { mode: TelemetryMode.External, external, clickhouse: {} } },
    "telemetry.clickhouse",
    /telemetry\.mode to own/,
  ],
  ["an endpoint for telemetry that stays", { telemetry: { external } }, "telemetry.external", /mode to external/],
  ["admin access without a key", { adminAccess: { tag: "tag:a" } }, "adminAccess.authKey", /Secret/],
  ["admin access without a tag", { adminAccess: { authKey: given } }, "adminAccess.tag", /tag:/],
  ["a deny-list beside an allow-list", { dnsFilter: { deny: ["a.example.com"] } }, "dnsFilter.deny", /\["\*"\]/],
  [
    "two listeners of one component",
    { forwardProxy: { listeners: [{ component: "gateway" }, { component: "gateway", allowedHosts: ["*"] }] } },
    "forwardProxy.listeners",
    /one listener/,
  ],
  [
    "two listeners on one port",
    { forwardProxy: { listeners: [{ component: "own", port: 3128 }] } },
    "forwardProxy.listeners",
    /a port of its own/,
  ],
  [
    "a listener for a part that is not there",
    { forwardProxy: { listeners: [{ component: "browser" }] } },
    "forwardProxy.listeners",
    /switch that part on/,
  ],
  [
    "a store for secrets, and a certificate whose key is generated",
    { externalSecrets: { store: "company" }, entry },
    "entry.tls.from",
    /cert-manager or existing/,
  ],
  ["a relay for an agent that is not there", { messaging: { relay: { agent: "x" } } }, "messaging.relay.agent", /main/],
  [
    "a relay whose default agent is not declared",
    { messaging: {}, gateway: { openclaw: { agents: { entries: { writer: {} } } } } },
    "messaging.relay.agent",
    /writer/,
  ],
  [
    "subscribers without events",
    { messaging: { broker: { subscribers: { crm: {} } } } },
    "messaging.relay.events",
    /events to true/,
  ],
  [
    "streams that are larger than the volume",
    { messaging: { broker: { volume: { size: "2Gi" } } } },
    "messaging.relay.outboundSize",
    /volume\.size/,
  ],
  ["an entry whose proxy comes from anywhere", { podCidrs: [], entry }, "entry.proxy.cidrs", /give/],
  ["two ways in", { entry: { ...entry, gatewayApi: {} } }, "entry", /exactly one/],
  [
    "a memory limit below what the gateway needs",
    { gateway: { resources: { limitsMemory: "1Gi" } } },
    "gateway.resources",
    /1Gi and 2Gi/,
  ],
];

const IMAGES: Record<string, Args> = {
  "gateway.image": { gateway: { image: unpinned } },
  "browser.image": { browser: { image: unpinned } },
  "modelProxy.image": { forwardProxy: {}, modelProxy: { ...modelProxy, image: unpinned } },
  "modelProxy.database.own.image": {
    forwardProxy: {},
    modelProxy: { ...modelProxy, database: { own: { image: unpinned } } },
  },
  "search.image": { search: { image: unpinned } },
  "dnsFilter.image": { dnsFilter: { image: unpinned } },
  "forwardProxy.image": { forwardProxy: { image: unpinned } },
  "messaging.broker.image": { messaging: { broker: { image: unpinned } } },
  "messaging.relay.image": { messaging: { relay: { image: unpinned } } },
  "adminAccess.image": { adminAccess: { tag: "tag:a", authKey: given, image: unpinned } },
  "diagnostics.image": { diagnostics: { image: unpinned } },
  "telemetry.collector.image": { telemetry: { collector: { image: unpinned } } },
  "telemetry.clickhouse.image": { telemetry: { clickhouse: { image: unpinned } } },
  "telemetry.console.image": { telemetry: { console: { image: unpinned } } },
  "telemetry.consoleDatabase.image": { telemetry: { consoleDatabase: { image: unpinned } } },
};

const resources = { requestsMemory: "8Gi", limitsMemory: "4Gi" };
const RESOURCES: Record<string, Args> = {
  "browser.resources.limitsMemory": { browser: { resources } },
  "modelProxy.resources.limitsMemory": { forwardProxy: {}, modelProxy: { ...modelProxy, resources } },
  "search.resources.limitsMemory": { search: { resources } },
  "dnsFilter.resources.limitsMemory": { dnsFilter: { resources } },
  "forwardProxy.resources.limitsMemory": { forwardProxy: { resources } },
  "messaging.broker.resources.limitsMemory": { messaging: { broker: { resources } } },
  "messaging.relay.resources.limitsMemory": { messaging: { relay: { resources } } },
  "diagnostics.resources.limitsMemory": { diagnostics: { resources } },
  "telemetry.collector.resources.limitsMemory": { telemetry: { collector: { resources } } },
  "telemetry.clickhouse.resources.limitsMemory": { telemetry: { clickhouse: { resources } } },
};

function refused(args: Args): ValidationFailed {
  try {
    plan(args);
  } catch (error) {
    assert.ok(error instanceof ValidationFailed, String(error));
    return error;
  }
  assert.fail("it was accepted");
}

describe("wrong combinations in a cell, before anything is created", () => {
  for (const [what, args, where, fix] of WRONG) {
    it(`refuses ${what}`, () => {
      const { message } = refused(args);
      assert.equal(message.slice(0, where.length + 2), `${where}: `, message);
      assert.match(message.split("Fix: ")[1] ?? "", fix, message);
    });
  }

  for (const [where, args] of Object.entries(IMAGES)) {
    it(`refuses an image without a digest: ${where}`, () => {
      assert.match(refused(args).message, new RegExp(`^${where}: image .* is not pinned[\\s\\S]*Fix: .*sha256`));
    });
  }

  for (const [where, args] of Object.entries(RESOURCES)) {
    it(`refuses a limit below the request: ${where}`, () => {
      assert.match(refused(args).message, new RegExp(`^${where}: 4Gi is less than the request[\\s\\S]*Fix: raise`));
    });
  }

  it("accepts what the fixes say", () => {
    const { listeners, dnsFilter } = plan({
      gateway: { channels: telegram, openclaw: { models: { providers }, agents: { entries: { writer: {} } } } },
      vault: { gitSync },
      browser: { allowedHosts: [".example.com"], mode: BrowserMode.Sidecar },
      modelProxy: { ...modelProxy, models: { ...models, e: { model: "openai/e", mode: ModelMode.Embedding } } },
      search: { embeddingModel: "e" },
      dnsFilter: {},
      forwardProxy: { listeners: [{ component: "telemetry-collector", allowedPorts: [4318] }] },
      messaging: { broker: { subscribers: { crm: {} } }, relay: { agent: "writer", events: true } },
      adminAccess: { tag: "tag:a", authKey: given },
      telemetry: { mode: TelemetryMode.External, external: { endpoint: "https://otlp.example.com:4318" } },
      diagnostics: {},
      entry: { ...entry, tls: { from: TlsFrom.CertManager, issuerName: "company" } },
      externalSecrets: { store: "company" },
    });
    const hosts = Object.fromEntries(listeners.map(({ component, allowedHosts }) => [component, allowedHosts]));
    assert.deepEqual(hosts, {
      gateway: [".example.com", "api.telegram.org", "models.example.org"],
      "model-proxy": ["api.openai.com"],
      "telemetry-collector": ["otlp.example.com"],
      diagnostics: [],
    });
    assert.ok(dnsFilter?.allow?.includes("models.example.org"));
  });

  it("lets names resolve of providers that the gateway reaches directly", () => {
    const gateway = { openclaw: { models: { providers } }, egress: [{ cidr: "198.51.100.0/24" }] };
    assert.deepEqual(plan({ gateway, dnsFilter: {} }).dnsFilter?.allow, ["models.example.org"]);
  });
});
