export { AgentStack, type AgentStackArgs } from "./components/agent-stack";
export { Entry, type EntryArgs } from "./components/entry";
export { OpenClawGateway, type OpenClawGatewayArgs } from "./components/openclaw-gateway";
export { Tenancy, type TenancyArgs } from "./components/tenancy";
export { Vault, type VaultArgs } from "./components/vault";

// What the args consist of.
export { TlsFrom } from "./components/certificate";
export { EntryPreset } from "./components/entry-presets";
export { Environment } from "./components/environment";
export * from "./components/openclaw/options";
export { SecretFrom } from "./components/secrets";
