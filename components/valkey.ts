import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { configHash } from "./config-hash";
import type { Endpoint, SeededPartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import {
  assertSecret,
  provideSecret,
  sealed,
  secretEnv,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import { VALKEY_PASSWORD_ENV, VALKEY_PORT, ValkeyEviction, valkeyFiles } from "./valkey-config";
import { workload } from "./workload";

/** What a team may tune of a Valkey cache. */
export interface ValkeyOptions {
  /** Image to run, with tag and digest. Default: `valkey` of components/images.json. */
  image?: string;
  /** The password that clients present. Default: generated. */
  password?: SecretOptions;
  /** What goes when the memory is used up. Default: `allkeys-lru`. */
  eviction?: ValkeyEviction;
  /** Three quarters of the memory limit are for data. Default: 50m and 32Mi, limits of 500m, 128Mi and 64Mi of ephemeral storage; Redis 7.0 was measured at 10 MiB when empty. */
  resources?: ResourceOptions;
}

export interface ValkeyArgs extends ValkeyOptions, SeededPartArgs {
  /** `app.kubernetes.io/component` of its Pod. Default: `cache`. */
  component?: string;
}

/** A cache's options, checked and complete. */
export interface ValkeyPlan {
  image: string;
  resources: CompleteResources;
  files: Record<string, string>;
  configHash: string;
}

const CONFIG_DIR = "/etc/valkey";
/** User `valkey` of the image (valkey-io/valkey-container). */
const VALKEY_UID = 999;

/**
 * Checks a cache's options and completes them.
 * @param where the option that they come from, for messages.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planValkey(
  options: ValkeyOptions,
  where = "valkey",
  externalSecrets?: ExternalSecretsOptions,
): ValkeyPlan {
  assertSecret(options.password ?? {}, SecretFrom.Generated, `${where}.password`, externalSecrets);
  const resources = completeResources(
    options.resources ?? {},
    {
      requestsCpu: "50m",
      requestsMemory: "32Mi",
      limitsCpu: "500m",
      limitsMemory: "128Mi",
      limitsEphemeralStorage: "64Mi",
    },
    `${where}.resources`,
  );
  const files = valkeyFiles({
    memoryLimit: resources.limits.memory,
    eviction: options.eviction ?? ValkeyEviction.AllKeysLru,
  });
  return {
    image: resolveImage("valkey", options.image, `${where}.image`),
    resources,
    files,
    configHash: configHash(JSON.stringify(files)),
  };
}

/** A Valkey cache for a part of the cell. It keeps nothing: what it holds is gone when its Pod is. */
export class Valkey extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Valkey";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The password that clients present. */
  readonly password: SecretReference;
  /** The Service's name. */
  readonly service: pulumi.Output<string>;

  constructor(name: string, args: ValkeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      Valkey.__pulumiType,
      name,
      registeredArgs({ ...args, ...(args.password && { password: sealed(args.password) }) }),
      opts,
    );
    const { component = "cache" } = args;
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: args.labels });
    const plan = planValkey(args, undefined, args.externalSecrets);

    this.password = provideSecret(
      `${name}-password`,
      args.password ?? {},
      {
        env: VALKEY_PASSWORD_ENV,
        namespace: args.namespace,
        labels,
        defaultFrom: SecretFrom.Generated,
        externalSecrets: args.externalSecrets,
        secretSeed: args.secretSeed,
      },
      this,
    );
    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: plan.configHash, data: plan.files },
      this,
    );
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component,
        kind: "Deployment",
        uid: VALKEY_UID,
        ports: [{ name: "valkey", port: VALKEY_PORT }],
        podAnnotations: secretVersionsAnnotation({ [VALKEY_PASSWORD_ENV]: this.password }),
        containers: [container(plan, this.password)],
        volumes: [
          { name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } },
          { name: "tmp", emptyDir: { sizeLimit: "8Mi" } },
        ],
      },
      this,
    );
    this.endpoint = { component, host: name, port: VALKEY_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}

function container({ image, resources }: ValkeyPlan, password: SecretReference): types.input.core.v1.Container {
  // The client takes the password from this variable, so it is on no command line.
  const ping = 'test "$(REDISCLI_AUTH=$REDIS_PASSWORD valkey-cli -h 127.0.0.1 ping)" = PONG';
  const answers = { exec: { command: ["sh", "-c", ping] }, timeoutSeconds: 5 };
  return {
    name: "valkey",
    image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    command: ["sh", `${CONFIG_DIR}/start.sh`],
    env: [{ name: "CONFIG_DIR", value: CONFIG_DIR }, secretEnv(VALKEY_PASSWORD_ENV, password)],
    ports: [{ name: "valkey", containerPort: VALKEY_PORT, protocol: "TCP" }],
    resources,
    securityContext: restrictedContainer(),
    startupProbe: { ...answers, periodSeconds: 2, failureThreshold: 30 },
    readinessProbe: { ...answers, periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...answers, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}
