import assert from "node:assert/strict";
import type { AgentStackArgs } from "../../components/agent-stack";
import { TlsFrom } from "../../components/tls-from";
import { ModelCache, ModelMode } from "../../components/model-proxy-options";
import { SecretSource, secretSources } from "../../engine/secret-sources";
import { recordCell } from "./cells";
import type { Recorder } from "./support";

const EXTERNAL_SECRET = "kubernetes:external-secrets.io/v1:ExternalSecret";
const SECRET = "kubernetes:core/v1:Secret";

/** Every part with everything that has a secret; not one option says where a secret comes from. */
const everyPart: Partial<AgentStackArgs> = {
  gateway: {
    channels: { telegram: { allowFrom: ["42"] } },
    openclaw: { agents: { entries: { main: {} } } },
  },
  vault: {
    gitSync: {
      repository: "https://git.example.com/team/vault.git",
      credential: {},
      egress: [{ cidr: "203.0.113.0/24" }],
    },
  },
  browser: { allowedHosts: [".example.com"] },
  modelProxy: {
    models: {
      chat: { model: "openai/gpt-4o" },
      embeddings: { model: "openai/text-embedding-3-small", mode: ModelMode.Embedding },
    },
    agents: { main: { budget: 10 }, reviewer: {} },
    cache: { kind: ModelCache.Own },
  },
  search: { embeddingModel: "embeddings" },
  dnsFilter: {},
  forwardProxy: {},
  messaging: { broker: { publishers: { billing: {} }, subscribers: { crm: {} } }, relay: { events: true } },
  adminAccess: { tag: "tag:agents-prod" },
  telemetry: {},
  diagnostics: {},
};
const entry = { host: "openclaw.example.com", ingress: {} };
const withStore: Partial<AgentStackArgs> = {
  ...everyPart,
  externalSecrets: { store: "company" },
  entry: { ...entry, tls: { from: TlsFrom.CertManager, issuerName: "company" } },
};

const types = (recorder: Recorder) => new Set(recorder.resources.map(({ type }) => type));
const sourcesOf = (recorder: Recorder) => secretSources(recorder.objects().map(({ inputs }) => inputs));

describe("a cell with every part and a store for its secrets", function () {
  this.timeout(20_000);

  it("generates nothing, and makes no Secret of its own", async () => {
    const all = types(await recordCell(withStore));
    assert.deepEqual(
      [...all].filter((type) => type.startsWith("random:") || type.startsWith("tls:") || type === SECRET),
      [],
    );
  });

  it("has every secret from the store, but for the certificate, which cert-manager makes", async () => {
    const recorder = await recordCell(withStore);
    const uses = sourcesOf(recorder);
    assert.deepEqual(
      uses.filter(({ source }) => source !== SecretSource.External).map(({ secret, usedBy }) => [secret, usedBy]),
      [["cell-entry-tls", ["Ingress/cell-entry"]]],
    );
    assert.deepEqual(
      uses.filter(({ usedBy }) => usedBy.length === 0),
      [],
    );
    const keys = recorder.resources
      .filter(({ type }) => type === EXTERNAL_SECRET)
      .map(({ inputs }) => (inputs.spec as { data: { remoteRef: { key: string } }[] }).data[0]?.remoteRef.key ?? "")
      .sort();
    assert.deepEqual(keys, [
      "cell/admin-key",
      "cell/broker-billing-password",
      "cell/broker-crm-password",
      "cell/broker-redrive-password",
      "cell/broker-relay-password",
      "cell/broker-setup-password",
      "cell/gateway-git-credential",
      "cell/gateway-telegram-bot-token",
      "cell/gateway-token",
      "cell/model-proxy-agent-main",
      "cell/model-proxy-agent-reviewer",
      "cell/model-proxy-agent-search",
      "cell/model-proxy-cache-password",
      "cell/model-proxy-db-password",
      "cell/model-proxy-master-key",
      "cell/model-proxy-provider-openai",
      "cell/relay-events-token",
      "cell/relay-hooks-token",
      "cell/search-token",
      "cell/telemetry-console-password",
      "cell/telemetry-console-session-secret",
      "cell/telemetry-database-admin-password",
      "cell/telemetry-database-collector-password",
      "cell/telemetry-database-console-password",
      "cell/telemetry-mongo-password",
    ]);
  });

  it("without the store, has the same secrets by Pulumi", async () => {
    const given = (value: string) => ({ value });
    const recorder = await recordCell({
      ...everyPart,
      entry,
      gateway: { ...everyPart.gateway, channels: { telegram: { allowFrom: ["42"], botToken: given("1:a") } } },
      vault: {
        gitSync: {
          repository: "https://git.example.com/team/vault.git",
          credential: given("c"),
          egress: [{ cidr: "203.0.113.0/24" }],
        },
      },
      modelProxy: { ...everyPart.modelProxy, providerKeys: { openai: given("k") } },
      adminAccess: { tag: "tag:agents-prod", authKey: given("t") },
    });
    const all = types(recorder);
    assert.ok(all.has("random:index/randomPassword:RandomPassword") && all.has("tls:index/privateKey:PrivateKey"));
    assert.ok(!all.has(EXTERNAL_SECRET));
    const names = (recorded: Recorder) => [...new Set(sourcesOf(recorded).map(({ secret }) => secret))];
    assert.deepEqual(new Set(sourcesOf(recorder).map(({ source }) => source)), new Set([SecretSource.Pulumi]));
    assert.deepEqual(names(recorder), names(await recordCell(withStore)));
  });

  it("is refused with a certificate authority of its own, whose key Pulumi would make", async () => {
    await assert.rejects(
      recordCell({ ...withStore, entry }),
      /entry\.tls\.from: own-ca generates a private key[\s\S]*Fix: use cert-manager or existing/,
    );
  });
});
