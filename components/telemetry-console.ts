import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { CLICKHOUSE_PASSWORD_ENVS, CONSOLE_USER } from "./clickhouse-config";
import {
  CONSOLE_API_PORT,
  CONSOLE_PORT,
  consoleConnections,
  consoleDashboards,
  consoleSources,
  REGISTER_SCRIPT,
} from "./console-config";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { MONGO_PASSWORD_ENV, MONGO_USER } from "./mongo";
import { egressToPart } from "./network";
import { configHash } from "./config-hash";
import type { Endpoint, SeededPartArgs } from "./part";
import { NODE_UID, restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import {
  assertSecret,
  provideSecret,
  sealed,
  secretEnv,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretKey,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import type { ClickHouseConnection } from "./telemetry-collector";
import { workload } from "./workload";

/** What a team may tune of the telemetry console. */
export interface TelemetryConsoleOptions {
  /** Image to run, with tag and digest. Default: `hyperdx` of components/images.json. */
  image?: string;
  /** The address that operators sign in with; nothing is sent there. Default: `operator@clawfleet.internal`. */
  email?: string;
  /** The password that operators sign in with: 12 characters or more, of them a capital, a digit and a special one. Default: generated. It counts when the account is made; later it is changed in the console. */
  password?: SecretOptions;
  /** What sessions are signed with. Default: generated. */
  sessionSecret?: SecretOptions;
  /** Default: 100m and 512Mi, limits of 1 CPU, 1536Mi and 512Mi of ephemeral storage. Not measured: no registry here has the image. */
  resources?: ResourceOptions;
}

/** The console's MongoDB. */
export interface MongoConnection {
  /** Where it listens. */
  endpoint: Endpoint;
  /** The password of its user `console`. */
  password: SecretKey;
}

export interface TelemetryConsoleArgs extends TelemetryConsoleOptions, SeededPartArgs {
  /** Where the telemetry is; the password is that of user `console`. */
  clickhouse: ClickHouseConnection;
  /** Where accounts, searches and dashboards are kept. */
  mongo: MongoConnection;
}

/** A console's options, checked and complete. */
export interface TelemetryConsolePlan {
  image: string;
  email: string;
  resources: CompleteResources;
  files: Record<string, string>;
  configHash: string;
}

const COMPONENT = "telemetry-console";
const CONFIG_DIR = "/etc/hyperdx";
const DASHBOARDS_DIR = "/etc/hyperdx-dashboards";
const PASSWORD_ENV = "CONSOLE_PASSWORD";
const SESSION_SECRET_ENV = "EXPRESS_SESSION_SECRET";
const CLICKHOUSE_HOST_ENV = "CLICKHOUSE_HOST";

/**
 * Checks a console's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planTelemetryConsole(
  options: TelemetryConsoleOptions,
  externalSecrets?: ExternalSecretsOptions,
): TelemetryConsolePlan {
  assertSecret(options.password ?? {}, SecretFrom.Generated, "telemetry.console.password", externalSecrets);
  assertSecret(options.sessionSecret ?? {}, SecretFrom.Generated, "telemetry.console.sessionSecret", externalSecrets);
  const email = options.email ?? "operator@clawfleet.internal";
  if (!/^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(email)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(email)} is no address`,
      where: "telemetry.console.email",
      fix: "write it like operator@example.com",
    });
  }
  const files = {
    "register.js": REGISTER_SCRIPT,
    "sources.json": JSON.stringify(consoleSources()),
    ...consoleDashboards(),
  };
  return {
    image: resolveImage("hyperdx", options.image, "telemetry.console.image"),
    email,
    resources: completeResources(
      options.resources ?? {},
      {
        requestsCpu: "100m",
        requestsMemory: "512Mi",
        limitsCpu: "1",
        limitsMemory: "1536Mi",
        limitsEphemeralStorage: "512Mi",
      },
      "telemetry.console.resources",
    ),
    files,
    configHash: configHash(JSON.stringify(files)),
  };
}

/**
 * HyperDX on top of the telemetry, for operators alone: nothing in the cell connects to it, no entry leads to it, and it
 * is reached with `kubectl port-forward`. It may only read. It reports nothing home.
 */
export class TelemetryConsole extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:TelemetryConsole";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The Service's name, for a port-forward to port 8080. */
  readonly service: pulumi.Output<string>;
  /** Where the operators' password is. */
  readonly password: SecretReference;

  constructor(name: string, args: TelemetryConsoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      TelemetryConsole.__pulumiType,
      name,
      registeredArgs({
        ...args,
        ...(args.password && { password: sealed(args.password) }),
        ...(args.sessionSecret && { sessionSecret: sealed(args.sessionSecret) }),
      }),
      opts,
    );
    const plan = planTelemetryConsole(args, args.externalSecrets);
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component: COMPONENT, owner: Owner.Platform, extra: args.labels });
    const given = {
      namespace: args.namespace,
      labels,
      defaultFrom: SecretFrom.Generated,
      externalSecrets: args.externalSecrets,
    };
    // The kinds of characters that HyperDX wants in a password. Not from the seed: see ClickHouse's password of the console.
    const password = { ...given, env: PASSWORD_ENV, generatedPrefix: "Hx1-" };
    this.password = provideSecret(`${name}-password`, args.password ?? {}, password, this);
    const secrets: Record<string, SecretKey> = {
      [CLICKHOUSE_PASSWORD_ENVS[CONSOLE_USER]]: args.clickhouse.password,
      [MONGO_PASSWORD_ENV]: args.mongo.password,
      [PASSWORD_ENV]: this.password,
      [SESSION_SECRET_ENV]: provideSecret(
        `${name}-session-secret`,
        args.sessionSecret ?? {},
        { ...given, env: SESSION_SECRET_ENV, secretSeed: args.secretSeed },
        this,
      ),
    };
    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: plan.configHash, data: plan.files },
      this,
    );
    const files = (volume: string, keys: string[]) => ({
      name: volume,
      configMap: {
        name: config.metadata.name,
        defaultMode: 0o444,
        items: keys.map((key) => ({ key, path: key })),
      },
    });
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component: COMPONENT,
        kind: "Deployment",
        uid: NODE_UID,
        ports: [{ name: "http", port: CONSOLE_PORT }],
        podAnnotations: secretVersionsAnnotation(secrets),
        egress: [egressToPart(instance, args.clickhouse.endpoint), egressToPart(instance, args.mongo.endpoint)],
        containers: [container(plan, args, secrets)],
        volumes: [
          files("config", ["register.js"]),
          files("dashboards", Object.keys(consoleDashboards())),
          { name: "tmp", emptyDir: { sizeLimit: "128Mi" } },
          { name: "cache", emptyDir: { sizeLimit: "256Mi" } },
        ],
      },
      this,
    );
    this.endpoint = { component: COMPONENT, host: name, port: CONSOLE_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}

function container(
  { image, resources, email, files }: TelemetryConsolePlan,
  { clickhouse, mongo }: TelemetryConsoleArgs,
  secrets: Record<string, SecretKey>,
): types.input.core.v1.Container {
  const api = { httpGet: { path: "/health", port: CONSOLE_API_PORT }, timeoutSeconds: 5 };
  return {
    name: "hyperdx",
    image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    env: [
      // First, since those below refer to them.
      ...Object.entries(secrets).map(([env, secret]) => secretEnv(env, secret)),
      { name: CLICKHOUSE_HOST_ENV, value: clickhouse.endpoint.host },
      {
        name: "MONGO_URI",
        value: pulumi.interpolate`mongodb://${MONGO_USER}:$(${MONGO_PASSWORD_ENV})@${mongo.endpoint.host}:${mongo.endpoint.port}/hyperdx?authSource=admin`,
      },
      {
        name: "DEFAULT_CONNECTIONS",
        value: consoleConnections(CLICKHOUSE_HOST_ENV, CLICKHOUSE_PASSWORD_ENVS[CONSOLE_USER]),
      },
      { name: "DEFAULT_SOURCES", value: files["sources.json"] ?? "" },
      { name: "DASHBOARD_PROVISIONER_DIR", value: DASHBOARDS_DIR },
      { name: "DASHBOARD_PROVISIONER_ALL_TEAMS", value: "true" },
      { name: "HYPERDX_APP_PORT", value: String(CONSOLE_PORT) },
      { name: "HYPERDX_API_PORT", value: String(CONSOLE_API_PORT) },
      // Where a port-forward arrives.
      { name: "FRONTEND_URL", value: `http://localhost:${String(CONSOLE_PORT)}` },
      { name: "USAGE_STATS_ENABLED", value: "false" },
      { name: "NEXT_TELEMETRY_DISABLED", value: "1" },
      { name: "CONSOLE_EMAIL", value: email },
    ],
    ports: [
      { name: "http", containerPort: CONSOLE_PORT, protocol: "TCP" },
      { name: "api", containerPort: CONSOLE_API_PORT, protocol: "TCP" },
    ],
    resources,
    securityContext: restrictedContainer(),
    lifecycle: { postStart: { exec: { command: ["node", `${CONFIG_DIR}/register.js`] } } },
    startupProbe: { ...api, periodSeconds: 5, failureThreshold: 60 },
    // Through the web interface to the API behind it.
    readinessProbe: { httpGet: { path: "/api/health", port: CONSOLE_PORT }, periodSeconds: 10, timeoutSeconds: 5 },
    livenessProbe: { ...api, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "dashboards", mountPath: DASHBOARDS_DIR, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      { name: "cache", mountPath: "/app/packages/app/packages/app/.next/cache" },
    ],
  };
}
