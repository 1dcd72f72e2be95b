import type { ChannelsOptions } from "../channel-options";
import { channelsConfig } from "../channels";
import { ValidationFailed } from "../errors";
import { agentsConfig, behaviourConfig } from "./agents";
import { connectionsConfig, embeddingsConfig, MODEL_PROXY_PROVIDER, modelEntry, type Connections } from "./connections";
import { mergeExtraConfig } from "./extra-config";
import type { JsonObject, JsonValue } from "./json";
import { isObject } from "./json";
import { literalSecrets } from "./literal-secrets";
import {
  OpenClawControlUiMode,
  OpenClawDmScope,
  OpenClawEnvironmentColor,
  OpenClawLogLevel,
  OpenClawModelApi,
  type OpenClawModels,
  type OpenClawOptions,
} from "./options";
import { envSecret } from "./secret-ref";
import { interfacesOf, toolPolicy } from "./tool-policy";
import { assertTrustedProxies } from "./trusted-proxies";
import { assertValidConfig, openclawSchema, type OpenClawConfig } from "./validate";

/** The port that the gateway listens on, in the Pod and in its Service. */
export const GATEWAY_PORT = 18789;
/** The environment variable that carries the gateway's token. */
export const GATEWAY_TOKEN_ENV = "OPENCLAW_GATEWAY_TOKEN";
/** The environment variable that carries the gateway's password: its own jobs use it in trusted-proxy mode. */
export const GATEWAY_PASSWORD_ENV = "OPENCLAW_GATEWAY_PASSWORD";

/** What a gateway's config takes from its surroundings instead of from options. */
export interface GatewayContext {
  /** The environment's name; it becomes the label in the web interface. */
  environment: string;
  /** Where people reach the gateway from outside, for example `https://claw.example.com`. */
  publicOrigin?: string;
  /** Origins that browsers may come from, besides the port-forward's. @default the public origin */
  allowedOrigins?: string[];
  /** The addresses or ranges that the entry's proxy connects from. @default none */
  trustedProxies?: string[];
  /** Where the vault is mounted. @default no vault */
  vaultPath?: string;
  /** The channels that people reach agents by. @default none */
  channels?: ChannelsOptions;
  /** Where the agents' workspaces are. @default WORKSPACES_DIR */
  workspacesDir?: string;
  /** The other parts of the cell that it uses. @default none */
  connections?: Connections;
  /** @default GATEWAY_PORT */
  port?: number;
}

const ENVIRONMENT_COLORS: Record<string, OpenClawEnvironmentColor> = {
  dev: OpenClawEnvironmentColor.Blue,
  stage: OpenClawEnvironmentColor.Amber,
  prod: OpenClawEnvironmentColor.Red,
};

/**
 * The complete config of a gateway: what is always so, the options, then `extraConfig`.
 * @throws ValidationFailed for options that contradict each other or the surroundings, for proxies that are too wide,
 * for an `extraConfig` that touches what is guaranteed, for a secret in clear, and for whatever OpenClaw's own schema
 * refuses.
 */
export function gatewayConfig(options: OpenClawOptions, context: GatewayContext): OpenClawConfig {
  assertConsistent(options, context);
  assertTrustedProxies(context.trustedProxies ?? []);
  const connected = connectionsConfig(context.connections ?? {});
  const guaranteed = mergeAll(guaranteedConfig(options, context), connected.guaranteed);
  const own = [
    optionalConfig(options, context),
    behaviourConfig(options),
    agentsConfig(options.agents, context.workspacesDir),
    channelsConfig(context.channels ?? {}),
  ].reduce(mergeAll);
  const typed = mergeAll(mergeAll(connected.defaults, own), guaranteed);
  const config = options.extraConfig === undefined ? typed : mergeExtraConfig(typed, guaranteed, options.extraConfig);
  assertValidConfig(config);
  assertNoLiteralSecrets(config);
  return config;
}

/** The text of `openclaw.json`. Keys are sorted, so that the same config always has the same hash. */
export function configText(config: OpenClawConfig): string {
  return `${JSON.stringify(sorted(config), undefined, 2)}\n`;
}

/** The environment variable that carries a model provider's key. */
export function providerKeyEnv(id: string): string {
  return `MODEL_${id.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_API_KEY`;
}

/**
 * The variables that the Pod must supply, by the id of the provider that needs them.
 * @throws ValidationFailed for an id that is malformed, and for two ids that would share a variable.
 */
export function providerKeyEnvs(options: OpenClawOptions): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [id, provider] of Object.entries(options.models?.providers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const where = `gateway.openclaw.models.providers.${id}`;
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(id)) {
      throw new ValidationFailed({
        what: "is no provider id",
        where,
        fix: "use lower case letters, digits and hyphens, starting with a letter",
      });
    }
    if (provider.apiKey !== false) result[id] = providerKeyEnv(id);
  }
  return result;
}

/** The variable of the credential that the config refers to: the real gateway refuses a token in trusted-proxy mode. */
export function authSecretEnv(options: OpenClawOptions): string {
  return options.controlUi?.mode === OpenClawControlUiMode.TrustedProxy ? GATEWAY_PASSWORD_ENV : GATEWAY_TOKEN_ENV;
}

/** What no option and no `extraConfig` changes. */
function guaranteedConfig(options: OpenClawOptions, context: GatewayContext): JsonObject {
  return {
    gateway: {
      // Without it the gateway does not start (exit code 78).
      mode: "local",
      // The kubelet's port-forward and the Service both reach the Pod by its address.
      bind: "lan",
      port: context.port ?? GATEWAY_PORT,
      auth: authConfig(options),
      trustedProxies: context.trustedProxies ?? [],
      controlUi: { enabled: options.controlUi?.mode !== OpenClawControlUiMode.Off },
      terminal: { enabled: false },
      tailscale: { mode: "off" },
    },
    secrets: { providers: { default: { source: "env" } } },
    // The image is pinned, and egress is closed: nothing updates itself, reports home or announces itself.
    update: { checkOnStart: false, auto: { enabled: false } },
    telemetry: { enabled: false },
    discovery: { mdns: { mode: "off" } },
    models: { catalogRefresh: { enabled: false } },
    logging: { consoleStyle: "json" },
  };
}

function authConfig(options: OpenClawOptions): JsonObject {
  const { controlUi, authRateLimit } = options;
  const rateLimit = {
    maxAttempts: authRateLimit?.maxAttempts ?? 10,
    windowMs: authRateLimit?.windowMs ?? 60_000,
    lockoutMs: authRateLimit?.lockoutMs ?? 300_000,
  };
  if (controlUi?.mode !== OpenClawControlUiMode.TrustedProxy) {
    return { mode: "token", token: envSecret(GATEWAY_TOKEN_ENV), rateLimit };
  }
  return {
    mode: "trusted-proxy",
    password: envSecret(GATEWAY_PASSWORD_ENV),
    rateLimit,
    trustedProxy: {
      userHeader: controlUi.userHeader ?? "",
      requiredHeaders: controlUi.requiredHeaders ?? [],
      allowUsers: controlUi.allowUsers ?? [],
      deviceAutoApprove: { enabled: controlUi.deviceAutoApprove ?? false },
    },
  };
}

/** What options decide, and `extraConfig` may refine. */
function optionalConfig(options: OpenClawOptions, context: GatewayContext): JsonObject {
  const { controlUi, http, tools, memorySearch, models } = options;
  const extraPaths = [
    ...(context.vaultPath === undefined ? [] : [context.vaultPath]),
    ...(memorySearch?.extraPaths ?? []),
  ];
  return {
    gateway: {
      ...(context.publicOrigin === undefined ? {} : { publicOrigin: context.publicOrigin }),
      controlUi: {
        allowedOrigins: allowedOrigins(context),
        environment: {
          label: controlUi?.label ?? context.environment,
          color: controlUi?.color ?? ENVIRONMENT_COLORS[context.environment] ?? OpenClawEnvironmentColor.Gray,
        },
      },
      http: {
        endpoints: {
          chatCompletions: { enabled: http?.chatCompletions ?? false },
          responses: { enabled: http?.responses ?? false },
        },
      },
    },
    logging: { level: options.logLevel ?? OpenClawLogLevel.Info },
    tools: toolPolicy(tools, interfacesOf(options.interfaces, context.connections?.browser ?? false)),
    session: { dmScope: options.dmScope ?? OpenClawDmScope.PerChannelPeer },
    memory: {
      search: {
        enabled: memorySearch?.enabled ?? true,
        ...embeddingsConfig(memorySearch, context.connections?.modelProxy),
        ...(extraPaths.length === 0 ? {} : { extraPaths }),
      },
    },
    cron: { enabled: options.cron ?? true },
    ...(models === undefined ? {} : modelConfig(models)),
  };
}

/** A port-forward arrives as one of these; the entry's origins come on top. */
function allowedOrigins(context: GatewayContext): string[] {
  const port = context.port ?? GATEWAY_PORT;
  const entry = context.allowedOrigins ?? (context.publicOrigin === undefined ? [] : [context.publicOrigin]);
  return [...new Set([...entry, `http://localhost:${port}`, `http://127.0.0.1:${port}`])];
}

function modelConfig({ primary, fallbacks, providers }: OpenClawModels): JsonObject {
  const model = { ...(primary === undefined ? {} : { primary }), ...(fallbacks === undefined ? {} : { fallbacks }) };
  const configured = Object.entries(providers ?? {}).map(([id, provider]): [string, JsonObject] => [
    id,
    {
      baseUrl: provider.baseUrl,
      api: provider.api ?? OpenClawModelApi.OpenAICompletions,
      ...(provider.apiKey === false ? {} : { apiKey: envSecret(providerKeyEnv(id)) }),
      models: provider.models.map(modelEntry),
    },
  ]);
  return {
    ...(Object.keys(model).length === 0 ? {} : { agents: { defaults: { model } } }),
    // Only what is named here: OpenClaw's own catalogue lists providers that no key and no egress rule exists for.
    ...(configured.length === 0 ? {} : { models: { mode: "replace", providers: Object.fromEntries(configured) } }),
  };
}

function assertConsistent(options: OpenClawOptions, context: GatewayContext): void {
  const envs = providerKeyEnvs(options);
  const { controlUi = {}, tools, models } = options;
  const problems: { option: string; what: string }[] = [];
  const trustedProxy = controlUi.mode === OpenClawControlUiMode.TrustedProxy;
  const proxyOnly = ["userHeader", "requiredHeaders", "allowUsers", "deviceAutoApprove"] as const;
  if (trustedProxy) {
    if (!controlUi.userHeader)
      problems.push({
        option: "controlUi.userHeader",
        what: "names the header that the proxy puts the person in; trusted-proxy mode needs it",
      });
    if (!controlUi.allowUsers?.length)
      problems.push({
        option: "controlUi.allowUsers",
        what: "lists who gets in; trusted-proxy mode needs it, or everyone that the proxy knows would",
      });
    if (!context.trustedProxies?.length)
      problems.push({
        option: "controlUi.mode",
        what: "trusted-proxy needs an entry, whose proxy's addresses become gateway.trustedProxies",
      });
  } else {
    for (const option of proxyOnly) {
      if (controlUi[option] !== undefined)
        problems.push({ option: `controlUi.${option}`, what: "only has a meaning with controlUi.mode trusted-proxy" });
    }
  }
  if (tools?.allow !== undefined && tools.alsoAllow !== undefined) {
    problems.push({ option: "tools.alsoAllow", what: "adds to the profile, tools.allow replaces it: set one of them" });
  }
  const shared = Object.entries(envs).find(([id, env]) =>
    Object.entries(envs).some(([other, its]) => other !== id && its === env),
  );
  if (shared !== undefined)
    problems.push({
      option: `models.providers.${shared[0]}`,
      what: `shares the variable ${shared[1]} with another provider: rename one`,
    });
  problems.push(...unknownProviders(models, context.connections?.modelProxy !== undefined));
  if (problems.length === 0) return;
  throw new ValidationFailed({
    what: problems.map(({ option, what }) => `gateway.openclaw.${option} ${what}`).join("\n  "),
    where: "the gateway's options",
  });
}

function unknownProviders(models: OpenClawModels | undefined, modelProxy: boolean): { option: string; what: string }[] {
  const own = Object.keys(models?.providers ?? {});
  if (modelProxy && own.includes(MODEL_PROXY_PROVIDER)) {
    return [{ option: `models.providers.${MODEL_PROXY_PROVIDER}`, what: "is the cell's model proxy: rename this one" }];
  }
  const known = modelProxy ? [...own, MODEL_PROXY_PROVIDER] : own;
  if (known.length === 0) return [];
  const named: [string, string][] = (models?.fallbacks ?? []).map((model, index) => [
    `models.fallbacks[${index}]`,
    model,
  ]);
  if (models?.primary !== undefined) named.unshift(["models.primary", models.primary]);
  return named
    .filter(([, model]) => !known.includes(model.split("/")[0] ?? ""))
    .map(([option]) => ({
      option,
      what: `must be <provider>/<model> with a provider of models.providers: ${known.join(", ")}`,
    }));
}

function assertNoLiteralSecrets(config: OpenClawConfig): void {
  const paths = [...literalSecrets(openclawSchema(), config), ...literalHookTokens(config)];
  if (paths.length === 0) return;
  throw new ValidationFailed({
    what: `a secret in clear at ${paths.join(", ")}: the config is a ConfigMap that many may read`,
    where: "gateway.openclaw.extraConfig",
    fix: 'refer to an environment variable instead: {"source": "env", "provider": "default", "id": "NAME"}',
  });
}

/** Where OpenClaw takes text alone, the name of a variable is the only text that is no secret. */
function literalHookTokens({ hooks }: OpenClawConfig): string[] {
  if (!isObject(hooks) || typeof hooks.token !== "string") return [];
  return /^\$\{[A-Z][A-Z0-9_]*\}$/.test(hooks.token) ? [] : ["hooks.token"];
}

/** Merges two configs that share no leaf. */
function mergeAll(a: JsonObject, b: JsonObject): JsonObject {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(
    keys.map((key) => {
      const [left, right] = [a[key], b[key]];
      return [key, isObject(left) && isObject(right) ? mergeAll(left, right) : (right ?? left ?? null)];
    }),
  );
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}
