export { AgentStack, type AgentStackArgs } from "./components/agent-stack";
export { Entry, type EntryArgs } from "./components/entry";
export { OpenClawGateway, type OpenClawGatewayArgs } from "./components/openclaw-gateway";
export { Tenancy, type TenancyArgs } from "./components/tenancy";
export { Vault, type VaultArgs } from "./components/vault";
