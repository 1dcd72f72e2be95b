import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { MODEL_PROXY_PORT } from "./model-proxy-config";
import type { ModelProxyPlan } from "./model-proxy-plan";
import type { Endpoint } from "./part";
import { restrictedContainer } from "./pod-security";
import { POSTGRES_PORT } from "./postgres-config";
import { secretEnv, type SecretReference } from "./secrets";
import type { WorkloadArgs } from "./workload";

/**
 * The image runs as root and names no other user; what it brings is readable by all, and its database tools are baked
 * at a path that any uid can use without network (BerriAI/litellm pull request 33853). So any uid will do.
 */
export const LITELLM_UID = 65532;

const CONFIG_DIR = "/etc/litellm";
const KEYS_DIR = "/run/agent-keys";
const SYNC_SECONDS = 300;

/** How to reach the database. */
export interface DatabaseConnection {
  host: pulumi.Input<string>;
  port: number;
  database: string;
  user: string;
  tls: boolean;
}

interface ModelProxyPodArgs {
  plan: ModelProxyPlan;
  configMap: pulumi.Input<string>;
  /** LiteLLM's secrets, by environment variable. */
  proxySecrets: Record<string, SecretReference>;
  /** The secrets of what keeps the virtual keys in step, by environment variable. Undefined without a database. */
  keySecrets: Record<string, SecretReference> | undefined;
  database: DatabaseConnection | undefined;
  forwardProxy: Endpoint | undefined;
  telemetry: Endpoint | undefined;
  /** Hosts that are never reached through the forward proxy. */
  directHosts: pulumi.Input<string>[];
  timeoutSeconds: number | undefined;
}

/** What a model proxy's workload consists of. */
export function modelProxyPod(
  args: ModelProxyPodArgs,
): Pick<WorkloadArgs, "containers" | "initContainers" | "volumes" | "terminationGracePeriodSeconds"> {
  const { plan, database, keySecrets } = args;
  return {
    // Requests in flight are answered before it ends.
    terminationGracePeriodSeconds: (args.timeoutSeconds ?? 600) + 30,
    ...(database && { initContainers: [waitForDatabase(plan, database)] }),
    containers: [proxyContainer(args), ...(keySecrets === undefined ? [] : [keysContainer(plan, keySecrets)])],
    volumes: [
      { name: "config", configMap: { name: args.configMap, defaultMode: 0o444 } },
      { name: "tmp", emptyDir: { sizeLimit: "512Mi" } },
      ...(keySecrets === undefined ? [] : [{ name: "agent-keys", emptyDir: { sizeLimit: "1Mi" } }]),
    ],
  };
}

function proxyContainer(args: ModelProxyPodArgs): types.input.core.v1.Container {
  const get = (path: string) => ({ httpGet: { path, port: "http" }, timeoutSeconds: 10 });
  return {
    name: "litellm",
    image: args.plan.image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    // Not `command`: the image's entrypoint is a script that becomes LiteLLM.
    args: [
      ...["--config", `${CONFIG_DIR}/config.yaml`],
      ...["--port", String(MODEL_PROXY_PORT)],
      ...["--telemetry", "False"],
    ],
    env: [
      ...Object.entries(proxyEnv(args)).map(([name, value]) => ({ name, value })),
      ...Object.entries(args.proxySecrets).map(([name, reference]) => secretEnv(name, reference)),
    ],
    ports: [{ name: "http", containerPort: MODEL_PROXY_PORT, protocol: "TCP" }],
    resources: args.plan.resources,
    securityContext: restrictedContainer(),
    // Ready is 503 while the database cannot be reached, and while it shuts down; unknown paths are 404. A first start
    // creates LiteLLM's tables, 185 migrations of them.
    startupProbe: { ...get("/health/readiness"), periodSeconds: 5, failureThreshold: 120 },
    readinessProbe: { ...get("/health/readiness"), periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...get("/health/liveliness"), periodSeconds: 30, failureThreshold: 4 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}

/** LiteLLM's environment but for its secrets. */
export function proxyEnv(
  args: Pick<ModelProxyPodArgs, "plan" | "database" | "forwardProxy" | "telemetry" | "directHosts">,
): Record<string, pulumi.Input<string>> {
  const { database, forwardProxy, telemetry } = args;
  return {
    ...BASE_ENV,
    ...(database && {
      // LiteLLM makes the URL of these, and escapes the password.
      DATABASE_HOST:
        database.port === POSTGRES_PORT ? database.host : pulumi.interpolate`${database.host}:${String(database.port)}`,
      DATABASE_NAME: database.database,
      DATABASE_USERNAME: database.user,
      ...(database.tls && { DATABASE_SSLMODE: "require" }),
      // Rather than go on with half a schema.
      ENFORCE_PRISMA_MIGRATION_CHECK: "True",
      // The default one puts the database's URL, password and all, on a command line.
      USE_V2_MIGRATION_RESOLVER: "True",
      LITELLM_MIGRATION_DIR: "/tmp/migrations",
    }),
    ...(telemetry && {
      OTEL_EXPORTER: "otlp_http",
      OTEL_ENDPOINT: pulumi.interpolate`http://${telemetry.host}:${String(telemetry.port)}/v1/traces`,
      OTEL_SERVICE_NAME: "model-proxy",
    }),
    ...(forwardProxy && proxyVariables(forwardProxy, [...args.plan.directHosts, ...args.directHosts])),
  };
}

function proxyVariables(proxy: Endpoint, direct: pulumi.Input<string>[]): Record<string, pulumi.Input<string>> {
  const url = pulumi.interpolate`http://${proxy.host}:${String(proxy.port)}`;
  const noProxy = pulumi.all(["localhost", "127.0.0.1", ...direct]).apply((hosts) => [...new Set(hosts)].join(","));
  // Some of LiteLLM's clients read the one spelling, some the other.
  return { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: noProxy, http_proxy: url, https_proxy: url, no_proxy: noProxy };
}

/** Nothing is downloaded, nothing is reported home, nothing but the API is served, and only /tmp is written to. */
const BASE_ENV = {
  HOME: "/tmp",
  PYTHONDONTWRITEBYTECODE: "1",
  LITELLM_MODE: "PRODUCTION",
  LITELLM_LOCAL_MODEL_COST_MAP: "True",
  LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS: "True",
  LITELLM_LOCAL_AUTOROUTER_PRESETS: "True",
  LITELLM_LOCAL_BLOG_POSTS: "True",
  LITELLM_LOCAL_POLICY_TEMPLATES: "True",
  DISABLE_ADMIN_UI: "True",
  NO_DOCS: "True",
  NO_REDOC: "True",
  NO_OPENAPI: "True",
};

/** LiteLLM gives up on a database that is not there yet, and a restarted container waits longer every time. */
function waitForDatabase({ image }: ModelProxyPlan, database: DatabaseConnection): types.input.core.v1.Container {
  return {
    name: "wait-for-database",
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["python", "-c", WAIT_SCRIPT],
    env: [
      { name: "DATABASE_HOST", value: database.host },
      { name: "DATABASE_PORT", value: String(database.port) },
    ],
    resources: SMALL,
    securityContext: restrictedContainer(),
  };
}

export const WAIT_SCRIPT = `import os, socket, time
while True:
    try:
        socket.create_connection((os.environ["DATABASE_HOST"], int(os.environ["DATABASE_PORT"])), 3).close()
        break
    except OSError as error:
        print("waiting for the database:", error, flush=True)
        time.sleep(1)
`;

/** Beside LiteLLM, so that the administrator's key never leaves the Pod, which is ready once its agents' keys are. */
function keysContainer(
  { image }: ModelProxyPlan,
  secrets: Record<string, SecretReference>,
): types.input.core.v1.Container {
  const synced = `${KEYS_DIR}/synced`;
  const exec = (script: string) => ({ exec: { command: ["sh", "-c", script] }, timeoutSeconds: 5 });
  return {
    name: "agent-keys",
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["python", `${CONFIG_DIR}/sync_keys.py`],
    env: [
      { name: "LITELLM_URL", value: `http://127.0.0.1:${String(MODEL_PROXY_PORT)}` },
      { name: "SYNCED_FILE", value: synced },
      { name: "SYNC_INTERVAL", value: String(SYNC_SECONDS) },
      { name: "PYTHONDONTWRITEBYTECODE", value: "1" },
      ...Object.entries(secrets).map(([name, reference]) => secretEnv(name, reference)),
    ],
    resources: SMALL,
    securityContext: restrictedContainer(),
    readinessProbe: { ...exec(`test -e ${synced}`), periodSeconds: 5, failureThreshold: 3 },
    // It goes on trying for as long as LiteLLM does not answer: only rounds that succeed touch the file.
    livenessProbe: {
      ...exec(`test -n "$(find ${synced} -mmin -60)"`),
      initialDelaySeconds: 900,
      periodSeconds: 60,
      failureThreshold: 3,
    },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "agent-keys", mountPath: KEYS_DIR },
    ],
  };
}

/** Python alone was measured at 20 MiB. */
const SMALL = {
  requests: { cpu: "10m", memory: "32Mi", "ephemeral-storage": "16Mi" },
  limits: { cpu: "250m", memory: "128Mi", "ephemeral-storage": "64Mi" },
};
