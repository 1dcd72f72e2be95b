/*
 * The typed options of a gateway's configuration. They are part of a Pulumi component's args, so only the shapes that
 * the SDK's schema analyzer understands are used: named interfaces, enums, plain types, lists and maps.
 */

import type {
  OpenClawAgents,
  OpenClawApprovals,
  OpenClawExecMode,
  OpenClawInterface,
  OpenClawMedia,
  OpenClawSessions,
} from "./agent-options";

/** How people reach OpenClaw's web interface. */
export enum OpenClawControlUiMode {
  /** No web interface. */
  Off = "off",
  /** The gateway's token opens it, and each browser is approved once with `openclaw devices approve`. */
  Pairing = "pairing",
  /** An identity-aware proxy in front authenticates people and names them in a header. */
  TrustedProxy = "trusted-proxy",
}

/** The colours that OpenClaw has for the label of an environment. */
export enum OpenClawEnvironmentColor {
  Teal = "teal",
  Amber = "amber",
  Purple = "purple",
  Coral = "coral",
  Pink = "pink",
  Blue = "blue",
  Green = "green",
  Red = "red",
  Gray = "gray",
}

/** The protocol that a model provider speaks. */
export enum OpenClawModelApi {
  OpenAICompletions = "openai-completions",
  OpenAIResponses = "openai-responses",
  AnthropicMessages = "anthropic-messages",
  GoogleGenerativeAI = "google-generative-ai",
  AzureOpenAIResponses = "azure-openai-responses",
  Ollama = "ollama",
}

/** What a model takes as input. */
export enum OpenClawModelInput {
  Text = "text",
  Image = "image",
  Video = "video",
  Audio = "audio",
}

/** OpenClaw's sets of tools, from the least to the most powerful. */
export enum OpenClawToolProfile {
  Minimal = "minimal",
  Messaging = "messaging",
  Coding = "coding",
  Full = "full",
}

/** How much the gateway logs. */
export enum OpenClawLogLevel {
  Silent = "silent",
  Fatal = "fatal",
  Error = "error",
  Warn = "warn",
  Info = "info",
  Debug = "debug",
  Trace = "trace",
}

/** Which direct messages share a session. */
export enum OpenClawDmScope {
  /** All of them share the main session. */
  Main = "main",
  PerPeer = "per-peer",
  PerChannelPeer = "per-channel-peer",
  PerAccountChannelPeer = "per-account-channel-peer",
}

/** The web interface and who gets in. */
export interface OpenClawControlUi {
  /** How people reach it. @default "pairing" */
  mode?: OpenClawControlUiMode;
  /** Trusted-proxy only, required there: the header in which the proxy names the person, for example `x-forwarded-user`. The proxy must overwrite it. */
  userHeader?: string;
  /** Trusted-proxy only: further headers that every request of the proxy carries. @default none */
  requiredHeaders?: string[];
  /** Trusted-proxy only, required there: the people who get in, as the proxy names them. */
  allowUsers?: string[];
  /** Trusted-proxy only: whether a browser of such a person is approved without `openclaw devices approve`, never as an administrator. @default false */
  deviceAutoApprove?: boolean;
  /** The label shown on every page, at most 24 characters. @default the environment's name */
  label?: string;
  /** The label's colour. @default blue in dev, amber in stage, red in prod */
  color?: OpenClawEnvironmentColor;
}

/** How often a wrong credential may be tried, per client. */
export interface OpenClawAuthRateLimit {
  /** Attempts within the window before the lock-out. @default 10 */
  maxAttempts?: number;
  /** The window, in milliseconds. @default 60000 */
  windowMs?: number;
  /** The lock-out, in milliseconds. @default 300000 */
  lockoutMs?: number;
}

/** A model that a provider offers. */
export interface OpenClawModel {
  /** The id that the provider knows it by. */
  id: string;
  /** The name that people see. @default the id */
  name?: string;
  /** Whether it reasons before it answers. @default false */
  reasoning?: boolean;
  /** What it takes. @default text */
  input?: OpenClawModelInput[];
  /** Tokens that fit into one request. @default OpenClaw's own */
  contextWindow?: number;
  /** Tokens of one answer. @default OpenClaw's own */
  maxTokens?: number;
}

/** A model provider. */
export interface OpenClawModelProvider {
  /** Where it listens, with the path that comes before the operation, for example `http://litellm:4000/v1`. */
  baseUrl: string;
  /** The protocol it speaks. @default "openai-completions" */
  api?: OpenClawModelApi;
  /** Whether it needs a key; the key itself is a secret, and reaches the gateway as `MODEL_<ID>_API_KEY`. @default true */
  apiKey?: boolean;
  /** The models to offer. */
  models: OpenClawModel[];
}

/** The models that agents use. */
export interface OpenClawModels {
  /** The default model, as `<provider>/<model>`. @default OpenClaw's own */
  primary?: string;
  /** What to try when the default model fails, in order. @default none */
  fallbacks?: string[];
  /** Providers by id (lower case letters, digits and hyphens). @default none */
  providers?: Record<string, OpenClawModelProvider>;
}

/** OpenAI-compatible HTTP endpoints of the gateway itself; whoever has the token has full operator access through them. */
export interface OpenClawHttp {
  /** `POST /v1/chat/completions` and `GET /v1/models`. @default false */
  chatCompletions?: boolean;
  /** `POST /v1/responses`. @default false */
  responses?: boolean;
}

/** Which tools agents may use. */
export interface OpenClawTools {
  /** The set to start from. @default "messaging" */
  profile?: OpenClawToolProfile;
  /** Only these tools or groups (`group:fs`), instead of the profile's. @default the profile's; not together with alsoAllow */
  allow?: string[];
  /** These tools or groups on top of the profile's. @default none */
  alsoAllow?: string[];
  /** Never these tools or groups; wins over everything else. @default none */
  deny?: string[];
  /** Whether commands run. Default: `deny`. */
  exec?: OpenClawExecMode;
  /** Whether file tools stay within the agent's workspace; only for all agents together. Default: true. */
  workspaceOnly?: boolean;
}

/** Search over the agents' memory and the vault. */
export interface OpenClawMemorySearch {
  /** Whether agents can search. @default true */
  enabled?: boolean;
  /** Who computes embeddings: a provider's id of `models.providers`, or `none` for full-text search alone. @default "none" */
  provider?: string;
  /** The embedding model. @default the provider's own */
  model?: string;
  /** Further directories or files to index; the vault always is. @default none */
  extraPaths?: string[];
}

/** An OpenClaw gateway's configuration. What it guarantees (authentication, listening address, no updates of itself) is no option. */
export interface OpenClawOptions {
  /** The web interface. */
  controlUi?: OpenClawControlUi;
  /** Limits on wrong credentials. */
  authRateLimit?: OpenClawAuthRateLimit;
  /** Models and their providers. */
  models?: OpenClawModels;
  /** The gateway's own OpenAI-compatible endpoints. */
  http?: OpenClawHttp;
  /** Tools that agents may use. */
  tools?: OpenClawTools;
  /** The agents, what they are told and what they may use. Default: one agent `main` without content. */
  agents?: OpenClawAgents;
  /**
   * Which interfaces agents may use; the tools of all others are denied, and agents are told to prefer the more stable
   * ones: `internal-api`, `external-api`, `query`, `browser`, `desktop`, in this order. Default: the first three, and
   * `browser` when the gateway has one.
   */
  interfaces?: OpenClawInterface[];
  /** How long sessions go on, and how much of them is kept. */
  sessions?: OpenClawSessions;
  /** Limits on files that come with messages. */
  media?: OpenClawMedia;
  /** Who is asked before a command runs. */
  approvals?: OpenClawApprovals;
  /** How much is logged, as JSON lines. @default "info" */
  logLevel?: OpenClawLogLevel;
  /** Which direct messages share a session. @default "per-channel-peer" */
  dmScope?: OpenClawDmScope;
  /** Memory search. */
  memorySearch?: OpenClawMemorySearch;
  /** Whether agents may schedule work. @default true */
  cron?: boolean;
  /**
   * JSON text of further OpenClaw configuration, merged last: maps merge, lists replace, null removes. It is checked
   * against OpenClaw's schema, and cannot change what ClawFleet guarantees. @default none
   */
  extraConfig?: string;
}
