import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import {
  BROKER_EXPORTER_PORT,
  CERTIFICATES_DIR,
  COLLECTOR_ENVS,
  COLLECTOR_HEALTH_PORT,
  COLLECTOR_PORT,
  QUEUE_DIR,
  scrapeHostEnv,
} from "./collector-config";
import type { Endpoint } from "./part";
import { restrictedContainer } from "./pod-security";
import { secretEnv, type SecretKey } from "./secrets";
import type { TelemetryCollectorArgs, TelemetryCollectorPlan } from "./telemetry-collector";

const CONFIG_DIR = "/etc/otelcol-contrib";

/** The parts of the cell that it connects to. */
export function reachedBy({
  external,
  clickhouse,
  gateway,
  broker,
  scrape = [],
  forwardProxy,
}: TelemetryCollectorArgs): Endpoint[] {
  const destination = external === undefined ? clickhouse?.endpoint : forwardProxy;
  return [destination, gateway, broker, ...scrape.map(({ endpoint }) => endpoint)].filter(
    (endpoint) => endpoint !== undefined,
  );
}

/** The collector itself. */
export function collectorContainer(
  plan: TelemetryCollectorPlan,
  args: TelemetryCollectorArgs,
  secrets: Record<string, SecretKey>,
): types.input.core.v1.Container {
  const { external, clickhouse, gateway, scrape = [], forwardProxy } = args;
  const proxy = external !== undefined && forwardProxy !== undefined ? forwardProxy : undefined;
  const healthy = { httpGet: { path: "/", port: COLLECTOR_HEALTH_PORT }, timeoutSeconds: 5 };
  return {
    name: "collector",
    image: plan.image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    args: [`--config=${CONFIG_DIR}/config.yaml`],
    env: [
      { name: "GOMEMLIMIT", value: plan.goMemoryLimit },
      ...(external === undefined && clickhouse
        ? [{ name: COLLECTOR_ENVS.clickhouseHost, value: clickhouse.endpoint.host }]
        : []),
      ...(gateway ? [{ name: COLLECTOR_ENVS.gatewayHost, value: gateway.host }] : []),
      ...scrape.map(({ job, endpoint }) => ({ name: scrapeHostEnv(job), value: endpoint.host })),
      ...(proxy ? [{ name: "HTTPS_PROXY", value: pulumi.interpolate`http://${proxy.host}:${proxy.port}` }] : []),
      ...(proxy ? [{ name: "HTTP_PROXY", value: pulumi.interpolate`http://${proxy.host}:${proxy.port}` }] : []),
      // Of the parts of the cell, none is reached through the proxy.
      ...(proxy ? [{ name: "NO_PROXY", value: noProxy(args) }] : []),
      ...Object.entries(secrets).map(([env, secret]) => secretEnv(env, secret)),
    ],
    ports: [
      { name: "otlp-http", containerPort: COLLECTOR_PORT, protocol: "TCP" },
      { name: "health", containerPort: COLLECTOR_HEALTH_PORT, protocol: "TCP" },
    ],
    resources: plan.resources,
    securityContext: restrictedContainer(),
    startupProbe: { ...healthy, periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: { ...healthy, periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...healthy, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "queue", mountPath: QUEUE_DIR },
      ...(args.certificates ?? []).map((secretName, index) => ({
        name: `certificate-${String(index)}`,
        mountPath: `${CERTIFICATES_DIR}/${secretName}`,
        readOnly: true,
      })),
    ],
  };
}

function noProxy({ gateway, scrape = [] }: TelemetryCollectorArgs): pulumi.Output<string> {
  const hosts = [gateway, ...scrape.map(({ endpoint }) => endpoint)].flatMap((endpoint) => endpoint?.host ?? []);
  return pulumi.all(["127.0.0.1", ...hosts]).apply((names) => names.join(","));
}

/** Shows the broker's streams and consumers to the collector beside it, and to nobody else. */
export function brokerExporter(plan: TelemetryCollectorPlan, broker: Endpoint): types.input.core.v1.Container {
  // No more than its port: whether the broker answers is what it measures, and no reason to refuse telemetry.
  const listens = { tcpSocket: { port: BROKER_EXPORTER_PORT }, timeoutSeconds: 5 };
  return {
    name: "broker-exporter",
    image: plan.brokerExporterImage,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    args: ["-port", String(BROKER_EXPORTER_PORT), "-jsz=all", pulumi.interpolate`http://${broker.host}:${broker.port}`],
    resources: {
      requests: { cpu: "10m", memory: "32Mi", "ephemeral-storage": "16Mi" },
      limits: { cpu: "200m", memory: "64Mi", "ephemeral-storage": "32Mi" },
    },
    securityContext: restrictedContainer(),
    startupProbe: { ...listens, periodSeconds: 2, failureThreshold: 30 },
    readinessProbe: { ...listens, periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...listens, periodSeconds: 30, failureThreshold: 3 },
  };
}
