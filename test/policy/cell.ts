import type { AgentStackArgs } from "../../components/agent-stack";
import { EntryPreset, presetFacts } from "../../components/entry-presets";
import { Environment } from "../../components/environment";
import { SecretFrom } from "../../components/secrets";
import { everything } from "../mocks/cells";

/** A cell of production with every part. */
export function everyPart(): Partial<AgentStackArgs> {
  const { gateway, ...common } = everything();
  return {
    ...common,
    environment: Environment.Prod,
    // With a model proxy, no provider is the gateway's own.
    gateway: { egress: [{ cidr: "203.0.113.0/24" }], scheduling: gateway?.scheduling, token: gateway?.token },
    browser: {},
    modelProxy: {
      models: { chat: { model: "openai/gpt-5" } },
      providerKeys: { openai: { from: SecretFrom.Value, value: "canary-openai-key" } },
    },
    search: {},
    dnsFilter: {},
    forwardProxy: {},
    messaging: { broker: {}, relay: {} },
    adminAccess: { authKey: { from: SecretFrom.Existing, existingName: "tailnet" }, tag: "tag:agents-prod" },
    diagnostics: {},
    telemetry: {},
  };
}

/** A way in by every preset. */
export function entries(): NonNullable<AgentStackArgs["entry"]>[] {
  const common = { host: "openclaw.example.com", proxy: { cidrs: ["10.1.2.0/24"] } };
  return Object.values(EntryPreset).map((preset) => {
    if (preset === EntryPreset.EnvoyGateway || preset === EntryPreset.Cilium)
      return { ...common, gatewayApi: { preset } };
    const inCloud = presetFacts(preset, "ingress").cloudCertificate ?? false;
    return { ...common, ingress: { preset }, ...(inCloud && { tls: { cloudCertificate: "arn" } }) };
  });
}
