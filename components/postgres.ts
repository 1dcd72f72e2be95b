import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { configHash } from "./config-hash";
import type { Endpoint, SeededPartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { assertDatabaseName, POSTGRES_PASSWORD_ENV, POSTGRES_PORT, postgresFiles } from "./postgres-config";
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
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** What a team may tune of a PostgreSQL database. */
export interface PostgresOptions {
  /** Image to run, with tag and digest. Default: `postgres` of components/images.json. */
  image?: string;
  /** The volume of the data: RWO block storage only. Default: 5Gi of the default StorageClass. */
  volume?: ClaimOptions;
  /** The password of its user. Default: generated. A raised version sets it anew at the next start. */
  password?: SecretOptions;
  /** How many connections it takes at a time. Default: 50. */
  maxConnections?: number;
  /** Default: 100m and 128Mi, limits of 1 CPU, 512Mi and 256Mi of ephemeral storage; measured at 36 MiB (shared pages counted once) with LiteLLM's tables and 10 connections. */
  resources?: ResourceOptions;
}

export interface PostgresArgs extends PostgresOptions, SeededPartArgs {
  /** `app.kubernetes.io/component` of its Pod. Default: `database`. */
  component?: string;
  /** The database, and the user that owns it and may connect. Default: `app`. */
  database?: string;
}

/** A database's options, checked and complete. */
export interface PostgresPlan {
  image: string;
  resources: CompleteResources;
  volumeClaim: types.input.core.v1.PersistentVolumeClaimSpec;
  files: Record<string, string>;
  configHash: string;
}

const CONFIG_DIR = "/etc/postgresql";
const VOLUME_DIR = "/var/lib/postgresql/data";
/** Not the volume's own folder: a file system may have a `lost+found` there, and initdb wants it empty. */
const DATA_DIR = `${VOLUME_DIR}/cluster`;
const SOCKET_DIR = "/var/run/postgresql";
/** User `postgres` of the image's Alpine variants (docker-library/postgres, Dockerfile-alpine.template). */
const POSTGRES_UID = 70;

/**
 * Checks a database's options and completes them.
 * @param where the option that they come from, for messages.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planPostgres(
  options: PostgresOptions,
  name: string,
  where = "postgres",
  externalSecrets?: ExternalSecretsOptions,
): PostgresPlan {
  assertDatabaseName(name, `${where}.database`);
  assertSecret(options.password ?? {}, SecretFrom.Generated, `${where}.password`, externalSecrets);
  const maxConnections = options.maxConnections ?? 50;
  if (!Number.isInteger(maxConnections) || maxConnections < 10) {
    throw new ValidationFailed({
      what: `maxConnections is ${String(maxConnections)}`,
      where: `${where}.maxConnections`,
      fix: "use a whole number from 10 up",
    });
  }
  const resources = completeResources(
    options.resources ?? {},
    {
      requestsCpu: "100m",
      requestsMemory: "128Mi",
      limitsCpu: "1",
      limitsMemory: "512Mi",
      limitsEphemeralStorage: "256Mi",
    },
    `${where}.resources`,
  );
  const files = postgresFiles({
    name,
    maxConnections,
    memoryLimit: resources.limits.memory,
    configDir: CONFIG_DIR,
    dataDir: DATA_DIR,
    socketDir: SOCKET_DIR,
  });
  return {
    image: resolveImage("postgres", options.image, `${where}.image`),
    resources,
    volumeClaim: blockClaim(options.volume ?? {}, "5Gi", `${where}.volume`),
    files,
    configHash: configHash(JSON.stringify(files)),
  };
}

/**
 * One PostgreSQL server on block storage, with one database and one user, for a part of the cell. The connection is
 * not encrypted: it stays within the namespace, and the NetworkPolicy lets nobody else in.
 */
export class Postgres extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Postgres";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** Its user's password. */
  readonly password: SecretReference;
  /** The Service's name. */
  readonly service: pulumi.Output<string>;

  constructor(name: string, args: PostgresArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      Postgres.__pulumiType,
      name,
      registeredArgs({ ...args, ...(args.password && { password: sealed(args.password) }) }),
      opts,
    );
    const { component = "database", database = "app" } = args;
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: args.labels });
    const plan = planPostgres(args, database, undefined, args.externalSecrets);

    this.password = provideSecret(
      `${name}-password`,
      args.password ?? {},
      {
        env: POSTGRES_PASSWORD_ENV,
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
    const claim = volumeClaim(
      `${name}-data`,
      { namespace: args.namespace, labels, spec: plan.volumeClaim, retain: args.retain },
      this,
    );
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component,
        kind: "StatefulSet",
        uid: POSTGRES_UID,
        ports: [{ name: "postgresql", port: POSTGRES_PORT }],
        podAnnotations: secretVersionsAnnotation({ [POSTGRES_PASSWORD_ENV]: this.password }),
        // The fast shutdown writes a checkpoint, which takes as long as the disk does.
        terminationGracePeriodSeconds: 120,
        containers: [container(plan, database, this.password)],
        volumes: [
          { name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } },
          { name: "data", persistentVolumeClaim: { claimName: claim.metadata.name } },
          { name: "socket", emptyDir: { sizeLimit: "1Mi" } },
        ],
      },
      this,
    );
    this.endpoint = { component, host: name, port: POSTGRES_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}

function container(
  { image, resources }: PostgresPlan,
  database: string,
  password: SecretReference,
): types.input.core.v1.Container {
  const ready = {
    exec: { command: ["pg_isready", "-q", "-h", "127.0.0.1", "-p", String(POSTGRES_PORT), "-U", database] },
    timeoutSeconds: 5,
  };
  return {
    name: "postgres",
    image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    command: ["sh", `${CONFIG_DIR}/start.sh`],
    env: [
      { name: "PGDATA", value: DATA_DIR },
      { name: "CONFIG_DIR", value: CONFIG_DIR },
      { name: "DATABASE_NAME", value: database },
      secretEnv(POSTGRES_PASSWORD_ENV, password),
    ],
    ports: [{ name: "postgresql", containerPort: POSTGRES_PORT, protocol: "TCP" }],
    resources,
    securityContext: restrictedContainer(),
    // It refuses connections while it recovers from a crash, which restarting would only begin anew: liveness asks no
    // more than the port, and the start may take ten minutes.
    startupProbe: { ...ready, periodSeconds: 5, failureThreshold: 120 },
    readinessProbe: { ...ready, periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { tcpSocket: { port: POSTGRES_PORT }, periodSeconds: 30, timeoutSeconds: 5, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "data", mountPath: VOLUME_DIR },
      { name: "socket", mountPath: SOCKET_DIR },
    ],
  };
}
