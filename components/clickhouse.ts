import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import {
  ADMIN_USER,
  CLICKHOUSE_PASSWORD_ENVS,
  CLICKHOUSE_PORT,
  COLLECTOR_USER,
  CONSOLE_USER,
  serverFiles,
  usersFiles,
} from "./clickhouse-config";
import { immutableConfigMap } from "./config-map";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { configHash } from "./config-hash";
import type { Endpoint, SeededPartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { bytesOf, completeResources, type CompleteResources, type ResourceOptions } from "./resources";
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
import type { AlertOptions } from "./telemetry/alerts";
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** How long telemetry is kept, in days. A changed number takes effect at ClickHouse's next start, which it causes. */
export interface RetentionOptions {
  /** Spans. Default: 30. */
  tracesDays?: number;
  /** Log records. Default: 14. */
  logsDays?: number;
  /** Metrics, and what the alerts said. Default: 90. */
  metricsDays?: number;
}

/** What a team may tune of the telemetry's database. */
export interface ClickHouseOptions {
  /** Image to run, with tag and digest. Default: `clickhouse` of components/images.json. */
  image?: string;
  /** The volume of the data: RWO block storage only. Default: 20Gi of the default StorageClass. */
  volume?: ClaimOptions;
  /** How long each signal is kept. */
  retention?: RetentionOptions;
  /** When the alerts fire; ClickHouse evaluates them itself every minute, into its table `alerts`. */
  alerts?: AlertOptions;
  /** The password that the collector inserts with. Default: generated. */
  collectorPassword?: SecretOptions;
  /** The password that the console reads with. Default: generated. */
  consolePassword?: SecretOptions;
  /** The password of the user that may do everything, from the Pod itself alone. Default: generated. */
  adminPassword?: SecretOptions;
  /** Default: 250m and 1Gi, limits of 2 CPU, 2Gi and 2Gi of ephemeral storage. Its own limits follow from the memory limit: 80 % in all, 40 % for one query, a tenth for its mark cache. */
  resources?: ResourceOptions;
}

export interface ClickHouseArgs extends ClickHouseOptions, SeededPartArgs {}

/** A ClickHouse's options, checked and complete. */
export interface ClickHousePlan {
  image: string;
  resources: CompleteResources;
  volumeClaim: types.input.core.v1.PersistentVolumeClaimSpec;
  serverFiles: Record<string, string>;
  usersFiles: Record<string, string>;
  configHash: string;
}

/** User `clickhouse` of the image (ClickHouse/ClickHouse, docker/server/Dockerfile.ubuntu). */
const CLICKHOUSE_UID = 101;
const CONFIG_DIR = "/etc/clickhouse-server";
const COMPONENT = "telemetry-database";

/**
 * Checks a ClickHouse's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planClickHouse(options: ClickHouseOptions, externalSecrets?: ExternalSecretsOptions): ClickHousePlan {
  for (const [name, secret] of Object.entries(secretsOf(options))) {
    assertSecret(secret, SecretFrom.Generated, `telemetry.clickhouse.${name}Password`, externalSecrets);
  }
  const { tracesDays = 30, logsDays = 14, metricsDays = 90 } = options.retention ?? {};
  for (const [name, days] of Object.entries({ tracesDays, logsDays, metricsDays })) {
    if (Number.isInteger(days) && days >= 1) continue;
    throw new ValidationFailed({
      what: `${String(days)} is no number of days`,
      where: `telemetry.clickhouse.retention.${name}`,
      fix: "use a whole number from 1 up",
    });
  }
  const resources = completeResources(
    options.resources ?? {},
    {
      requestsCpu: "250m",
      requestsMemory: "1Gi",
      limitsCpu: "2",
      limitsMemory: "2Gi",
      limitsEphemeralStorage: "2Gi",
    },
    "telemetry.clickhouse.resources",
  );
  const memoryBytes = bytesOf(resources.limits.memory, "telemetry.clickhouse.resources.limitsMemory");
  if (memoryBytes < 2 ** 30) {
    throw new ValidationFailed({
      what: `${resources.limits.memory} is too little for ClickHouse to merge its parts`,
      where: "telemetry.clickhouse.resources.limitsMemory",
      fix: "give it 1Gi or more",
    });
  }
  const settings = {
    memoryBytes,
    retention: { traces: tracesDays, logs: logsDays, metrics: metricsDays },
    alerts: options.alerts ?? {},
  };
  const [server, users] = [serverFiles(settings), usersFiles(settings)];
  return {
    image: resolveImage("clickhouse", options.image, "telemetry.clickhouse.image"),
    resources,
    volumeClaim: blockClaim(options.volume ?? {}, "20Gi", "telemetry.clickhouse.volume"),
    serverFiles: server,
    usersFiles: users,
    configHash: configHash(JSON.stringify([server, users])),
  };
}

function secretsOf(options: ClickHouseOptions): Record<keyof typeof CLICKHOUSE_PASSWORD_ENVS, SecretOptions> {
  return {
    [COLLECTOR_USER]: options.collectorPassword ?? {},
    [CONSOLE_USER]: options.consolePassword ?? {},
    [ADMIN_USER]: options.adminPassword ?? {},
  };
}

/**
 * The telemetry's database: tables, retention, views and alerts come from its config and are made at each start. There is
 * no user without a password, and none that may both write and read from outside.
 */
export class ClickHouse extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:ClickHouse";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The Service's name. */
  readonly service: pulumi.Output<string>;
  /** What the collector inserts with, as user `collector`. */
  readonly collectorPassword: SecretReference;
  /** What the console reads with, as user `console`. */
  readonly consolePassword: SecretReference;

  constructor(name: string, args: ClickHouseArgs, opts?: pulumi.ComponentResourceOptions) {
    const secrets = secretsOf(args);
    const registered = registeredArgs({
      ...args,
      ...Object.fromEntries(Object.entries(secrets).map(([user, secret]) => [`${user}Password`, sealed(secret)])),
    });
    super(ClickHouse.__pulumiType, name, registered, opts);
    const plan = planClickHouse(args, args.externalSecrets);
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component: COMPONENT, owner: Owner.Platform, extra: args.labels });

    const password = (user: keyof typeof CLICKHOUSE_PASSWORD_ENVS) =>
      provideSecret(
        `${name}-${user}-password`,
        secrets[user],
        {
          env: CLICKHOUSE_PASSWORD_ENVS[user],
          namespace: args.namespace,
          labels,
          defaultFrom: SecretFrom.Generated,
          externalSecrets: args.externalSecrets,
          // HyperDX takes it into its own database at its very first start, so nothing but a rotation may change it.
          secretSeed: user === CONSOLE_USER ? undefined : args.secretSeed,
        },
        this,
      );
    const passwords = {
      [COLLECTOR_USER]: password(COLLECTOR_USER),
      [CONSOLE_USER]: password(CONSOLE_USER),
      [ADMIN_USER]: password(ADMIN_USER),
    };
    this.collectorPassword = passwords[COLLECTOR_USER];
    this.consolePassword = passwords[CONSOLE_USER];

    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: plan.configHash, data: { ...plan.serverFiles, ...plan.usersFiles } },
      this,
    );
    const claim = volumeClaim(
      `${name}-data`,
      { namespace: args.namespace, labels, spec: plan.volumeClaim, retain: args.retain },
      this,
    );
    const files = (volume: string, contents: Record<string, string>) => ({
      name: volume,
      configMap: {
        name: config.metadata.name,
        defaultMode: 0o444,
        items: Object.keys(contents).map((key) => ({ key, path: key })),
      },
    });
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component: COMPONENT,
        kind: "StatefulSet",
        uid: CLICKHOUSE_UID,
        ports: [{ name: "http", port: CLICKHOUSE_PORT }],
        podAnnotations: secretVersionsAnnotation(passwords),
        // It ends running queries and writes what is still in memory.
        terminationGracePeriodSeconds: 90,
        containers: [container(plan, passwords)],
        volumes: [
          files("server-config", plan.serverFiles),
          files("users-config", plan.usersFiles),
          { name: "data", persistentVolumeClaim: { claimName: claim.metadata.name } },
          { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
        ],
      },
      this,
    );
    this.endpoint = { component: COMPONENT, host: name, port: CLICKHOUSE_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}

function container(
  { image, resources }: ClickHousePlan,
  passwords: Record<keyof typeof CLICKHOUSE_PASSWORD_ENVS, SecretReference>,
): types.input.core.v1.Container {
  const ping = { httpGet: { path: "/ping", port: CLICKHOUSE_PORT }, timeoutSeconds: 5 };
  return {
    name: "clickhouse",
    image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    // Not the image's entry point, which writes a user into /etc and takes a first start's scripts for all.
    command: ["clickhouse-server", `--config-file=${CONFIG_DIR}/config.xml`],
    env: Object.entries(passwords).map(([user, reference]) =>
      secretEnv(CLICKHOUSE_PASSWORD_ENVS[user as keyof typeof CLICKHOUSE_PASSWORD_ENVS], reference),
    ),
    ports: [{ name: "http", containerPort: CLICKHOUSE_PORT, protocol: "TCP" }],
    resources,
    securityContext: restrictedContainer(),
    // After a crash it loads its parts before it listens: ten minutes are enough for the default volume.
    startupProbe: { ...ping, periodSeconds: 5, failureThreshold: 120 },
    readinessProbe: { ...ping, periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...ping, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "server-config", mountPath: `${CONFIG_DIR}/config.d`, readOnly: true },
      { name: "users-config", mountPath: `${CONFIG_DIR}/users.d`, readOnly: true },
      { name: "data", mountPath: "/var/lib/clickhouse" },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}
