import assert from "node:assert/strict";
import { Environment } from "../../components/environment";
import { SecretStoreKind, type ExternalSecretsOptions } from "../../components/external-secrets";
import { OpenClawGateway, type OpenClawGatewayArgs } from "../../components/openclaw-gateway";
import { SecretFrom } from "../../components/secrets";
import { secretSources } from "../../engine/secret-sources";
import type { PodSpec } from "./cells";
import { providers, record } from "./support";

const EXTERNAL = "kubernetes:external-secrets.io/v1:ExternalSecret";

/** A gateway with every kind of secret that it can have, none of which is said anything about. */
const args: OpenClawGatewayArgs = {
  namespace: "acme",
  instance: "acme",
  environment: Environment.Prod,
  externalSecrets: { store: "company" },
  openclaw: { models: { providers: { openai: { baseUrl: "https://models.example.com", models: [{ id: "m" }] } } } },
  vaultClaim: "acme-vault",
  vaultGitSync: { repository: "https://git.example.com/vault.git", credential: {}, egress: [] },
};

async function gateway(more: Partial<OpenClawGatewayArgs> = {}) {
  let token: string | undefined;
  const recorder = await record((recording) => {
    const made = new OpenClawGateway(
      "acme-gateway",
      { ...args, ...more },
      { providers: providers(), transformations: [recording.observe] },
    );
    made.token.apply((value) => (token = value));
  });
  const spec = (name: string) => recorder.get(EXTERNAL, name).inputs.spec as Record<string, unknown>;
  return { recorder, token, spec };
}
const store = (more: Partial<ExternalSecretsOptions>) => ({ externalSecrets: { store: "company", ...more } });

describe("External Secrets", () => {
  it("are an ExternalSecret for each secret of the cell, and no Secret and no password of ours", async () => {
    const { recorder, token } = await gateway();
    const types = recorder.resources.map(({ type }) => type);
    assert.ok(!types.includes("kubernetes:core/v1:Secret"));
    assert.ok(!types.some((type) => type.startsWith("random:")));
    assert.deepEqual(
      secretSources(recorder.objects().map(({ inputs }) => inputs)).map(
        ({ secret, key, source, usedBy }) => `${secret}/${key} ${source} ${usedBy.join()}`,
      ),
      [
        "acme-gateway-git-credential/GIT_PASSWORD external StatefulSet/acme-gateway",
        "acme-gateway-openai-key/MODEL_OPENAI_API_KEY external StatefulSet/acme-gateway",
        "acme-gateway-token/OPENCLAW_GATEWAY_TOKEN external StatefulSet/acme-gateway",
      ],
    );
    assert.equal(token, "");
  });

  it("are exactly what the operator expects", async () => {
    const { recorder } = await gateway();
    const { apiVersion, kind, metadata, spec } = recorder.get(EXTERNAL, "acme-gateway-token").inputs as {
      apiVersion: string;
      kind: string;
      metadata: { name: string; namespace: string; annotations: unknown; labels: Record<string, string> };
      spec: unknown;
    };
    assert.deepEqual([apiVersion, kind], ["external-secrets.io/v1", "ExternalSecret"]);
    assert.deepEqual([metadata.name, metadata.namespace], ["acme-gateway-token", "acme"]);
    assert.deepEqual(metadata.annotations, { "pulumi.com/waitFor": "condition=Ready" });
    assert.equal(metadata.labels["clawfleet.dev/owner"], "platform");
    assert.deepEqual(spec, {
      secretStoreRef: { kind: "ClusterSecretStore", name: "company" },
      refreshPolicy: "OnChange",
      target: { name: "acme-gateway-token", creationPolicy: "Owner", deletionPolicy: "Retain" },
      data: [{ secretKey: "OPENCLAW_GATEWAY_TOKEN", remoteRef: { key: "acme/gateway-token" } }],
    });
  });

  it("take their names from the cell, a prefix or an option", async () => {
    const remote = async (more: Partial<OpenClawGatewayArgs>) =>
      ((await gateway(more)).spec("acme-gateway-token").data as { remoteRef: unknown }[])[0]?.remoteRef;
    assert.deepEqual(await remote(store({ prefix: "prod/eu/acme/" })), { key: "prod/eu/acme/gateway-token" });
    assert.deepEqual(await remote(store({ prefix: "" })), { key: "gateway-token" });
    assert.deepEqual(await remote({ token: { externalKey: "shared", externalProperty: "token" } }), {
      key: "shared",
      property: "token",
    });
  });

  it("come from a store of the namespace, and periodically, when that is wanted", async () => {
    const { spec } = await gateway(store({ storeKind: SecretStoreKind.SecretStore, refreshInterval: "30m" }));
    const { secretStoreRef, refreshPolicy, refreshInterval } = spec("acme-gateway-token");
    assert.deepEqual(secretStoreRef, { kind: "SecretStore", name: "company" });
    assert.deepEqual([refreshPolicy, refreshInterval], ["Periodic", "30m"]);
  });

  it("are rotated by another Secret, so that no Pod starts with the old value", async () => {
    const { recorder, spec } = await gateway({ token: { version: 3 } });
    const { metadata } = recorder.get(EXTERNAL, "acme-gateway-token").inputs as { metadata: { name: string } };
    assert.equal(metadata.name, "acme-gateway-token-v3");
    assert.deepEqual(spec("acme-gateway-token").target, {
      name: "acme-gateway-token-v3",
      creationPolicy: "Owner",
      deletionPolicy: "Retain",
    });
    const { template } = recorder.get("kubernetes:apps/v1:StatefulSet", "acme-gateway").inputs.spec as {
      template: { metadata: { annotations: Record<string, string> }; spec: PodSpec };
    };
    assert.match(template.metadata.annotations["clawfleet.dev/secrets"] ?? "", /OPENCLAW_GATEWAY_TOKEN=3/);
    const { env } = template.spec.containers[0] ?? { env: [] };
    assert.deepEqual(env.find(({ name }) => name === "OPENCLAW_GATEWAY_TOKEN")?.valueFrom, {
      secretKeyRef: { name: "acme-gateway-token-v3", key: "OPENCLAW_GATEWAY_TOKEN" },
    });
  });

  it("leave alone what an option says otherwise about", async () => {
    const { recorder } = await gateway({
      token: { from: SecretFrom.Generated },
      providerKeys: { openai: { value: "given" } },
      vaultGitSync: {
        repository: "https://git.example.com/vault.git",
        credential: { from: SecretFrom.Existing, existingName: "mine" },
        egress: [],
      },
    });
    const of = (type: string) => recorder.resources.filter((one) => one.type === type).map(({ name }) => name);
    assert.deepEqual(of(EXTERNAL), []);
    assert.deepEqual(of("kubernetes:core/v1:Secret").sort(), ["acme-gateway-openai-key", "acme-gateway-token"]);
  });

  for (const [what, more, message] of [
    [
      "without a store",
      { externalSecrets: undefined, token: { from: SecretFrom.External } },
      /^gateway\.token: from is external, and the cell has no store\n {2}Fix: set externalSecrets\.store/,
    ],
    [
      "a name in the store for a given value",
      { token: { value: "canary", externalKey: "k" } },
      /^gateway\.token: from is value, and externalKey is given/,
    ],
    [
      "a property for an existing Secret",
      { token: { from: SecretFrom.Existing, existingName: "mine", externalProperty: "p" } },
      /from is existing, and externalProperty is given/,
    ],
    ["a store that is no name", store({ store: "My Store" }), /^externalSecrets\.store: "My Store" is no name/],
    ["an interval without unit", store({ refreshInterval: "60" }), /^externalSecrets\.refreshInterval: "60"/],
    ["an empty interval", store({ refreshInterval: "" }), /^externalSecrets\.refreshInterval: ""/],
  ] as [string, Partial<OpenClawGatewayArgs>, RegExp][]) {
    it(`refuse ${what}, and tell no value`, async () => {
      await assert.rejects(gateway(more), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes("canary"));
        return true;
      });
    });
  }
});
