import type { EgressRule } from "./network";
import type { Endpoint, SeededPartArgs } from "./part";
import type { PostgresOptions } from "./postgres";
import type { ResourceOptions } from "./resources";
import type { SecretOptions } from "./secrets";
import type { ValkeyOptions } from "./valkey";

/** What a model is asked for. */
export enum ModelMode {
  Chat = "chat",
  Embedding = "embedding",
}

/** Where the model proxy keeps keys and spend. */
export enum ModelDatabase {
  /** A PostgreSQL of its own. */
  Own = "own",
  /** An existing PostgreSQL. */
  External = "external",
  /** Nowhere: no budgets, and limits are counted anew after a restart. */
  None = "none",
}

/** Where the model proxy's Pods share what they count. */
export enum ModelCache {
  /** Nowhere: one Pod counts by itself. */
  None = "none",
  /** A Valkey of its own. */
  Own = "own",
  /** An existing Valkey or Redis. */
  External = "external",
}

/** A model that agents may ask for by its public name. */
export interface ModelOptions {
  /** The provider and its model, as LiteLLM writes it, for example `openai/gpt-4o`. */
  model: string;
  /** The base URL of the API. Default: the provider's own; needed for providers that have none, for example one in the cluster. */
  apiBase?: string;
  /** Which of `providerKeys` to present. Default: the provider's name, the first part of `model`; a model on a private address needs none. */
  providerKey?: string;
  /** What it is asked for. Default: `chat`. */
  mode?: ModelMode;
  /** Requests per minute that the provider takes. Default: no limit. */
  rpm?: number;
  /** Tokens per minute that the provider takes. Default: no limit. */
  tpm?: number;
  /** USD for a million input tokens. Default: LiteLLM's own price list; a model that it lacks costs nothing, so no budget counts it. */
  inputPrice?: number;
  /** USD for a million output tokens. Default: as for inputPrice. */
  outputPrice?: number;
}

/** An agent's virtual key: what the agent may spend. */
export interface AgentKeyOptions {
  /** The key: generated, or given and beginning with `sk-`. Default: generated. */
  key?: SecretOptions;
  /** The models that it may ask for, by public name. Default: all of them. */
  models?: string[];
  /** USD per `budgetDuration`. Needs a database. Default: no limit. */
  budget?: number;
  /** After how long the spend is counted from zero again, for example `24h` or `30d`. Default: `30d` with a budget. */
  budgetDuration?: string;
  /** Requests per minute. Default: no limit. */
  rpm?: number;
  /** Tokens per minute. Default: no limit. */
  tpm?: number;
  /** Requests at the same time. Default: no limit. */
  maxParallelRequests?: number;
}

/** An existing PostgreSQL. */
export interface ExternalDatabaseOptions {
  /** Its host name or address. */
  host: string;
  /** Default: 5432. */
  port?: number;
  /** The database, which LiteLLM creates its tables in. */
  database: string;
  /** The user, which must own the database. */
  user: string;
  /** The user's password, without spaces: LiteLLM writes them as `+` into its URL. */
  password: SecretOptions;
  /** Whether to insist on TLS. Default: true. */
  tls?: boolean;
  /** Where it is. Without a rule the default-deny policy keeps it unreachable. */
  egress: EgressRule[];
}

/** Where keys and spend are kept. */
export interface ModelDatabaseOptions {
  /** Default: `own`. */
  kind?: ModelDatabase;
  /** Of the own one. */
  own?: PostgresOptions;
  /** The existing one; goes with `kind: external` only. */
  external?: ExternalDatabaseOptions;
}

/** An existing Valkey or Redis. */
export interface ExternalCacheOptions {
  /** Its host name or address. */
  host: string;
  /** Default: 6379. */
  port?: number;
  /** The password that it asks for. */
  password: SecretOptions;
  /** Whether it is spoken to over TLS. Default: true. */
  tls?: boolean;
  /** Where it is. Without a rule the default-deny policy keeps it unreachable. */
  egress: EgressRule[];
}

/** Where several Pods share what they count. Answers are never cached: one agent's would reach another. */
export interface ModelCacheOptions {
  /** Default: `none`. */
  kind?: ModelCache;
  /** Of the own one. */
  own?: ValkeyOptions;
  /** The existing one; goes with `kind: external` only. */
  external?: ExternalCacheOptions;
}

/** What a team may tune of its model proxy. */
export interface ModelProxyOptions {
  /** Image to run, with tag and digest. Default: `litellm` of components/images.json. */
  image?: string;
  /** The models, by the name that agents use. Default: none. */
  models?: Record<string, ModelOptions>;
  /** Which models stand in for one that fails, in that order. Default: none. */
  fallbacks?: Record<string, string[]>;
  /** The providers' API keys; they are here and nowhere else. Default: none, or the cell's store. */
  providerKeys?: Record<string, SecretOptions>;
  /** Seconds that one request may take. Default: 600, as in the providers' own clients. */
  timeoutSeconds?: number;
  /** How often a failed request is tried again before a fallback is. Default: 2. */
  retries?: number;
  /** One virtual key per agent, by the agent's name. Default: one agent `main` without limits. */
  agents?: Record<string, AgentKeyOptions>;
  /** LiteLLM's administrator key, which nothing but the proxy's own Pod gets; given, it begins with `sk-`. Only exists with a database. Default: generated. */
  masterKey?: SecretOptions;
  /** Where keys and spend are kept. Default: a PostgreSQL of its own. */
  database?: ModelDatabaseOptions;
  /** Where several Pods share what they count. Default: nowhere. */
  cache?: ModelCacheOptions;
  /** How many Pods. More than one needs a cache. Default: 1. */
  replicas?: number;
  /** Requests and limits of LiteLLM's container. Default: 250m and 1Gi, limits of 2 CPU, 2Gi and 1Gi of ephemeral storage; 1.103.0 was measured at 622 MiB with a database and 352 MiB without. */
  resources?: ResourceOptions;
  /** How long LiteLLM keeps what each request cost, for example `90d`. Default: `90d`. */
  spendRetention?: string;
  /** Put prompts and answers into traces. Default: false. */
  traceContent?: boolean;
  /** Destinations for models that the forward proxy is not the way to, for example one in the cluster. Default: none. */
  egress?: EgressRule[];
}

export interface ModelProxyArgs extends ModelProxyOptions, SeededPartArgs {
  /** The cell's forward proxy, which lets `allowedHosts` through. Default: none. */
  forwardProxy?: Endpoint;
  /** Where traces go, as OTLP over HTTP. Default: nowhere. */
  telemetry?: Endpoint;
}
