import { stringify } from "./yaml";
import type { SecretOptions } from "./secrets";
import { isPrivateHost, modelHost, providerOf } from "./model-providers";
import { AGENT_AUTH_SCRIPT, SYNC_KEYS_SCRIPT } from "./model-proxy-scripts";
import { ModelMode, type AgentKeyOptions, type ModelOptions, type ModelProxyOptions } from "./model-proxy-options";

/** The port that LiteLLM listens on. */
export const MODEL_PROXY_PORT = 4000;
/** The environment variable of LiteLLM's administrator key. */
export const MASTER_KEY_ENV = "LITELLM_MASTER_KEY";
/** Keys that LiteLLM makes or takes begin with it. */
export const KEY_PREFIX = "sk-";

/** What a model proxy's files depend on beside its options. */
export interface ModelProxyContext {
  /** Whether keys and spend are kept in a database. */
  database: boolean;
  /** Where Pods share what they count. Its password is REDIS_PASSWORD. */
  cache?: { host: string; port: number; tls: boolean };
  /** Whether traces go to a collector. */
  telemetry: boolean;
}

/** The environment variable of each provider's key. */
export function providerKeyEnv(name: string): string {
  return `PROVIDER_KEY_${upperSnake(name)}`;
}

/** The environment variable of an agent's virtual key. */
export function agentKeyEnv(name: string): string {
  return `AGENT_KEY_${upperSnake(name)}`;
}

function upperSnake(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

/** The agents that have a key. */
export function agentsOf(options: ModelProxyOptions): Record<string, AgentKeyOptions> {
  return options.agents ?? { main: {} };
}

/** The name of the key that a model presents; undefined for one on a private address that needs none. */
export function keyOf(name: string, model: ModelOptions): string | undefined {
  const privateHost = isPrivateHost(modelHost(model, `modelProxy.models.${name}`));
  return model.providerKey ?? (privateHost ? undefined : providerOf(model));
}

/** The options of every key that a model presents; those of a key that comes from the cell's store may be missing. */
export function usedProviderKeys({ models = {}, providerKeys = {} }: ModelProxyOptions): Record<string, SecretOptions> {
  const names = Object.entries(models).map(([name, model]) => keyOf(name, model));
  return Object.fromEntries(names.filter((name) => name !== undefined).map((name) => [name, providerKeys[name] ?? {}]));
}

/** LiteLLM's files, by name. Secrets are named by their environment variable. */
export function modelProxyFiles(options: ModelProxyOptions, context: ModelProxyContext): Record<string, string> {
  return {
    "config.yaml": stringify(liteLlmConfig(options, context), { lineWidth: 0 }),
    "agents.json": `${JSON.stringify(agentLimits(options, context), null, 2)}\n`,
    ...(context.database ? { "sync_keys.py": SYNC_KEYS_SCRIPT } : { "agent_auth.py": AGENT_AUTH_SCRIPT }),
  };
}

/** https://docs.litellm.ai/docs/proxy/config_settings */
function liteLlmConfig(options: ModelProxyOptions, context: ModelProxyContext): object {
  const { models = {}, fallbacks = {}, timeoutSeconds = 600, retries = 2 } = options;
  return {
    model_list: Object.entries(models).map(([name, model]) => modelEntry(name, model)),
    litellm_settings: {
      // A parameter that a model does not know is no reason to fail.
      drop_params: true,
      telemetry: false,
      request_timeout: timeoutSeconds,
      turn_off_message_logging: !(options.traceContent ?? false),
      ...(context.telemetry && { callbacks: ["otel"] }),
      // Or LiteLLM would take what the function below says of a key's models and limits for granted.
      ...(!context.database && { enable_post_custom_auth_checks: true }),
    },
    router_settings: {
      routing_strategy: "simple-shuffle",
      num_retries: retries,
      timeout: timeoutSeconds,
      fallbacks: Object.entries(fallbacks).map(([model, others]) => ({ [model]: others })),
    },
    general_settings: {
      ...(context.database
        ? {
            master_key: `os.environ/${MASTER_KEY_ENV}`,
            store_model_in_db: false,
            store_prompts_in_spend_logs: false,
            maximum_spend_logs_retention_period: options.spendRetention ?? "90d",
          }
        : { custom_auth: "agent_auth.user_api_key_auth", custom_auth_run_common_checks: true }),
      ...(context.cache && {
        coordination_redis: {
          host: context.cache.host,
          port: context.cache.port,
          password: "os.environ/REDIS_PASSWORD",
          ssl: context.cache.tls,
        },
      }),
    },
  };
}

function modelEntry(name: string, model: ModelOptions): object {
  const key = keyOf(name, model);
  const perToken = (price: number | undefined) => (price === undefined ? undefined : price / 1e6);
  const params = {
    model: model.model,
    api_base: model.apiBase,
    // LiteLLM insists on one, and would take a variable of the provider's name instead.
    api_key: key === undefined ? "none" : `os.environ/${providerKeyEnv(key)}`,
    rpm: model.rpm,
    tpm: model.tpm,
    input_cost_per_token: perToken(model.inputPrice),
    output_cost_per_token: perToken(model.outputPrice),
  };
  return {
    model_name: name,
    litellm_params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)),
    model_info: { mode: model.mode ?? ModelMode.Chat },
  };
}

/** Every limit is named, so that one that was removed is removed from the key as well: null is no limit. */
function agentLimits(options: ModelProxyOptions, { database }: ModelProxyContext): object {
  return Object.fromEntries(
    Object.entries(agentsOf(options)).map(([name, agent]) => [
      name,
      {
        env: agentKeyEnv(name),
        limits: {
          models: agent.models ?? [],
          rpm_limit: agent.rpm ?? null,
          tpm_limit: agent.tpm ?? null,
          max_parallel_requests: agent.maxParallelRequests ?? null,
          ...(database && {
            max_budget: agent.budget ?? null,
            budget_duration: agent.budget === undefined ? null : (agent.budgetDuration ?? "30d"),
          }),
        },
      },
    ]),
  );
}
