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
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** What a team may tune of the console's database. */
export interface MongoOptions {
  /** Image to run, with tag and digest. Default: `mongo` of components/images.json. */
  image?: string;
  /** The volume of the data: RWO block storage only. Default: 2Gi of the default StorageClass. */
  volume?: ClaimOptions;
  /** The password of its only user. Default: generated. A raised version sets it anew at the next start. */
  password?: SecretOptions;
  /** Default: 100m and 256Mi, limits of 1 CPU, 512Mi and 256Mi of ephemeral storage. Its cache is a quarter of the memory limit, and 256 MB at least. */
  resources?: ResourceOptions;
}

export interface MongoArgs extends MongoOptions, SeededPartArgs {}

/** A MongoDB's options, checked and complete. */
export interface MongoPlan {
  image: string;
  resources: CompleteResources;
  volumeClaim: types.input.core.v1.PersistentVolumeClaimSpec;
  files: Record<string, string>;
  configHash: string;
}

export const MONGO_PORT = 27017;
/** Its only user, who owns everything in it. */
export const MONGO_USER = "console";
/** The environment variable that carries that user's password. */
export const MONGO_PASSWORD_ENV = "MONGO_PASSWORD";
/** User `mongodb` of the image (docker-library/mongo, 8.0/Dockerfile). */
const MONGO_UID = 999;
const COMPONENT = "console-database";
const CONFIG_DIR = "/etc/mongo";
const DATA_DIR = "/data/db";

/**
 * Checks a MongoDB's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planMongo(options: MongoOptions, externalSecrets?: ExternalSecretsOptions): MongoPlan {
  assertSecret(options.password ?? {}, SecretFrom.Generated, "telemetry.consoleDatabase.password", externalSecrets);
  const resources = completeResources(
    options.resources ?? {},
    {
      requestsCpu: "100m",
      requestsMemory: "256Mi",
      limitsCpu: "1",
      limitsMemory: "512Mi",
      limitsEphemeralStorage: "256Mi",
    },
    "telemetry.consoleDatabase.resources",
  );
  const memory = bytesOf(resources.limits.memory, "telemetry.consoleDatabase.resources.limitsMemory");
  const files = { "start.sh": startScript(Math.max(0.25, memory / 4 / 2 ** 30)), "user.js": USER_SCRIPT };
  return {
    image: resolveImage("mongo", options.image, "telemetry.consoleDatabase.image"),
    resources,
    volumeClaim: blockClaim(options.volume ?? {}, "2Gi", "telemetry.consoleDatabase.volume"),
    files,
    configHash: configHash(JSON.stringify(files)),
  };
}

/**
 * The image's own entry point makes users at the very first start alone, so that a rotated password would lock everybody
 * out. This sets the password at every start, while nobody else can connect.
 */
function startScript(cacheGigabytes: number): string {
  return `set -eu
common="--dbpath ${DATA_DIR} --unixSocketPrefix /tmp --wiredTigerCacheSizeGB ${String(cacheGigabytes)}"
mongod $common --bind_ip 127.0.0.1 --port 27018 --fork --logpath /tmp/start.log
mongosh --quiet --norc --port 27018 admin ${CONFIG_DIR}/user.js
mongod $common --shutdown
exec mongod $common --auth --bind_ip_all --port ${String(MONGO_PORT)}
`;
}

const USER_SCRIPT = `const settings = { pwd: process.env.${MONGO_PASSWORD_ENV}, roles: ["root"] };
if (db.getUser("${MONGO_USER}")) db.updateUser("${MONGO_USER}", settings);
else db.createUser({ user: "${MONGO_USER}", ...settings });
`;

/** Where the telemetry console keeps accounts, saved searches and dashboards: MongoDB, which HyperDX is made for. */
export class Mongo extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Mongo";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The Service's name. */
  readonly service: pulumi.Output<string>;
  /** What to connect with, as user `console`. */
  readonly password: SecretReference;

  constructor(name: string, args: MongoArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      Mongo.__pulumiType,
      name,
      registeredArgs({ ...args, ...(args.password && { password: sealed(args.password) }) }),
      opts,
    );
    const plan = planMongo(args, args.externalSecrets);
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component: COMPONENT, owner: Owner.Platform, extra: args.labels });
    this.password = provideSecret(
      `${name}-password`,
      args.password ?? {},
      {
        env: MONGO_PASSWORD_ENV,
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
        component: COMPONENT,
        kind: "StatefulSet",
        uid: MONGO_UID,
        ports: [{ name: "mongodb", port: MONGO_PORT }],
        podAnnotations: secretVersionsAnnotation({ [MONGO_PASSWORD_ENV]: this.password }),
        terminationGracePeriodSeconds: 60,
        containers: [container(plan, this.password)],
        volumes: [
          { name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } },
          { name: "data", persistentVolumeClaim: { claimName: claim.metadata.name } },
          { name: "tmp", emptyDir: { sizeLimit: "128Mi" } },
        ],
      },
      this,
    );
    this.endpoint = { component: COMPONENT, host: name, port: MONGO_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}

function container({ image, resources }: MongoPlan, password: SecretReference): types.input.core.v1.Container {
  // It listens on this port only after the password is set.
  const listens = { tcpSocket: { port: MONGO_PORT }, timeoutSeconds: 5 };
  return {
    name: "mongo",
    image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    command: ["sh", `${CONFIG_DIR}/start.sh`],
    // mongosh writes its settings into its home.
    env: [{ name: "HOME", value: "/tmp" }, secretEnv(MONGO_PASSWORD_ENV, password)],
    ports: [{ name: "mongodb", containerPort: MONGO_PORT, protocol: "TCP" }],
    resources,
    securityContext: restrictedContainer(),
    startupProbe: { ...listens, periodSeconds: 5, failureThreshold: 60 },
    readinessProbe: {
      exec: {
        // Needs no credential, and proves more than an open port.
        command: [
          "mongosh",
          "--quiet",
          "--norc",
          "--port",
          String(MONGO_PORT),
          "--eval",
          "if (!db.runCommand({ ping: 1 }).ok) quit(1)",
        ],
      },
      periodSeconds: 60,
      timeoutSeconds: 20,
      failureThreshold: 3,
    },
    livenessProbe: { ...listens, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "data", mountPath: DATA_DIR },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}
