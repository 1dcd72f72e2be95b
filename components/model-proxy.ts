import * as pulumi from "@pulumi/pulumi";
import { immutableConfigMap } from "./config-map";
import { objectLabels, Owner } from "./labels";
import {
  agentKeyEnv,
  agentsOf,
  KEY_PREFIX,
  MASTER_KEY_ENV,
  MODEL_PROXY_PORT,
  providerKeyEnv,
  usedProviderKeys,
} from "./model-proxy-config";
import { ModelCache, ModelDatabase, type ModelProxyArgs, type ModelProxyOptions } from "./model-proxy-options";
import { planModelProxy, type ModelProxyPlan } from "./model-proxy-plan";
import { LITELLM_UID, modelProxyPod } from "./model-proxy-pod";
import { egressToPart } from "./network";
import type { Endpoint, SeededPartArgs } from "./part";
import { Postgres } from "./postgres";
import { POSTGRES_PASSWORD_ENV, POSTGRES_PORT } from "./postgres-config";
import { registeredArgs } from "./registered-args";
import {
  provideSecret,
  sealed,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import { Valkey } from "./valkey";
import { VALKEY_PASSWORD_ENV } from "./valkey-config";
import { workload } from "./workload";

export const MODEL_PROXY_COMPONENT = "model-proxy";
export const MODEL_DATABASE_COMPONENT = "model-database";
export const MODEL_CACHE_COMPONENT = "model-cache";
/** The own database, and the user that owns it. */
const DATABASE_NAME = "litellm";

/**
 * LiteLLM: the only part that holds the model providers' keys. Agents present a virtual key each, which says what they
 * may ask for and spend. With a database, keys and spend last; without one, LiteLLM knows the same keys from its
 * environment, there is no administrator, and limits are counted in memory.
 */
export class ModelProxy extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:ModelProxy";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The base URL of its OpenAI-compatible API. */
  readonly url: pulumi.Output<string>;
  /** Each agent's virtual key. */
  readonly agentKeys: Record<string, SecretReference>;
  /** The host names that the cell's forward proxy has to let it through to. */
  readonly allowedHosts: string[];
  /** The Service's name. */
  readonly service: pulumi.Output<string>;

  constructor(name: string, args: ModelProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super(ModelProxy.__pulumiType, name, registeredArgs(sealedModelProxy(args)), opts);
    const component = MODEL_PROXY_COMPONENT;
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: args.labels });
    const plan = planModelProxy(args, {
      forwardProxy: args.forwardProxy !== undefined,
      telemetry: args.telemetry !== undefined,
      cacheHost: `${name}-cache`,
      externalSecrets: args.externalSecrets,
    });
    const provide = (suffix: string, options: SecretOptions, env: string, generatedPrefix?: string): SecretReference =>
      provideSecret(
        `${name}-${suffix}`,
        options,
        {
          env,
          namespace: args.namespace,
          labels,
          defaultFrom: generatedPrefix === undefined ? SecretFrom.Value : SecretFrom.Generated,
          externalSecrets: args.externalSecrets,
          secretSeed: args.secretSeed,
          generatedPrefix,
        },
        this,
      );

    this.agentKeys = mapValues(agentsOf(args), (agent, { key = {} }) =>
      provide(`agent-${agent}`, key, agentKeyEnv(agent), KEY_PREFIX),
    );
    const providerKeys = mapValues(usedProviderKeys(args), (provider, key) =>
      provide(`provider-${provider.toLowerCase().replace(/[^a-z0-9-]/g, "-")}`, key, providerKeyEnv(provider)),
    );
    const masterKey =
      plan.database === ModelDatabase.None
        ? undefined
        : provide("master-key", args.masterKey ?? {}, MASTER_KEY_ENV, KEY_PREFIX);
    const database = this.database(name, args, instance, plan, provide);
    const cache = this.cache(name, args, instance, plan, provide);

    const byEnv = (secrets: Record<string, SecretReference>, env: (name: string) => string) =>
      Object.fromEntries(Object.entries(secrets).map(([key, reference]) => [env(key), reference]));
    const administrator: Record<string, SecretReference> = masterKey ? { [MASTER_KEY_ENV]: masterKey } : {};
    const agents = byEnv(this.agentKeys, agentKeyEnv);
    const proxySecrets = {
      ...byEnv(providerKeys, providerKeyEnv),
      ...administrator,
      ...(database && { [POSTGRES_PASSWORD_ENV]: database.password }),
      ...(cache && { [VALKEY_PASSWORD_ENV]: cache.password }),
      ...(masterKey === undefined && agents),
    };

    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: plan.configHash, data: plan.files },
      this,
    );
    const parts = [args.forwardProxy, args.telemetry, database?.endpoint, cache?.endpoint];
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component,
        kind: "Deployment",
        uid: LITELLM_UID,
        replicas: plan.replicas,
        ports: [{ name: "http", port: MODEL_PROXY_PORT }],
        egress: [
          ...parts.filter((part) => part !== undefined).map((part) => egressToPart(instance, part)),
          ...plan.egress,
        ],
        podAnnotations: secretVersionsAnnotation({ ...proxySecrets, ...agents }),
        ...modelProxyPod({
          plan,
          configMap: config.metadata.name,
          proxySecrets,
          keySecrets: masterKey && { ...administrator, ...agents },
          database: database?.connection,
          forwardProxy: args.forwardProxy,
          telemetry: args.telemetry,
          directHosts: [database?.connection.host, cache?.host, args.telemetry?.host].filter(
            (host) => host !== undefined,
          ),
          timeoutSeconds: args.timeoutSeconds,
        }),
      },
      this,
    );
    this.endpoint = { component, host: name, port: MODEL_PROXY_PORT };
    this.url = pulumi.interpolate`http://${name}.${args.namespace}.svc:${MODEL_PROXY_PORT}/v1`;
    this.allowedHosts = plan.allowedHosts;
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ url: this.url, service: this.service, allowedHosts: this.allowedHosts });
  }

  private database(name: string, args: ModelProxyArgs, instance: string, plan: ModelProxyPlan, provide: Provide) {
    const { external, own } = args.database ?? {};
    if (plan.database === ModelDatabase.None) return undefined;
    if (plan.database === ModelDatabase.External && external !== undefined) {
      const { host, port = POSTGRES_PORT, database, user, tls = true } = external;
      const password = provide("database-password", external.password, POSTGRES_PASSWORD_ENV);
      return { password, endpoint: undefined, connection: { host, port, database, user, tls } };
    }
    const postgres = new Postgres(
      `${name}-db`,
      {
        ...own,
        ...partOf(args, instance),
        component: MODEL_DATABASE_COMPONENT,
        database: DATABASE_NAME,
        clients: [MODEL_PROXY_COMPONENT],
      },
      { parent: this },
    );
    const { host, port } = postgres.endpoint;
    const connection = { host, port, database: DATABASE_NAME, user: DATABASE_NAME, tls: false };
    return { password: postgres.password, endpoint: postgres.endpoint, connection };
  }

  private cache(name: string, args: ModelProxyArgs, instance: string, plan: ModelProxyPlan, provide: Provide) {
    const { external, own } = args.cache ?? {};
    if (plan.cache === ModelCache.None) return undefined;
    if (plan.cache === ModelCache.External && external !== undefined) {
      const password = provide("cache-password", external.password, VALKEY_PASSWORD_ENV);
      return { password, endpoint: undefined, host: external.host };
    }
    const valkey = new Valkey(
      `${name}-cache`,
      { ...own, ...partOf(args, instance), component: MODEL_CACHE_COMPONENT, clients: [MODEL_PROXY_COMPONENT] },
      { parent: this },
    );
    return { password: valkey.password, endpoint: valkey.endpoint, host: valkey.endpoint.host };
  }
}

type Provide = (suffix: string, options: SecretOptions, env: string, generatedPrefix?: string) => SecretReference;

/** What a part of this part is given of the cell. */
function partOf(args: SeededPartArgs, instance: string): SeededPartArgs {
  const { namespace, labels, dns, externalSecrets, secretSeed, scheduling, retain } = args;
  return { namespace, instance, labels, dns, externalSecrets, secretSeed, scheduling, retain };
}

function mapValues<T, R>(record: Record<string, T>, map: (key: string, value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(key, value)]));
}

/** The same options with the value of every secret marked as one. */
export function sealedModelProxy<T extends ModelProxyOptions>(options: T): T {
  const { providerKeys, masterKey, agents, database, cache } = options;
  const password = <P extends { password?: SecretOptions }>(part: P): P =>
    part.password === undefined ? part : { ...part, password: sealed(part.password) };
  return {
    ...options,
    ...(providerKeys && { providerKeys: mapValues(providerKeys, (_, key) => sealed(key)) }),
    ...(masterKey && { masterKey: sealed(masterKey) }),
    ...(agents && {
      agents: mapValues(agents, (_, agent) => (agent.key === undefined ? agent : { ...agent, key: sealed(agent.key) })),
    }),
    ...(database && {
      database: {
        ...database,
        ...(database.own && { own: password(database.own) }),
        ...(database.external && { external: password(database.external) }),
      },
    }),
    ...(cache && {
      cache: {
        ...cache,
        ...(cache.own && { own: password(cache.own) }),
        ...(cache.external && { external: password(cache.external) }),
      },
    }),
  };
}
