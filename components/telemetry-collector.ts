import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { COLLECTOR_ENVS, COLLECTOR_PORT, collectorConfig } from "./collector-config";
import { brokerExporter, collectorContainer, reachedBy } from "./collector-pod";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { egressTo, egressToPart, type EgressRule } from "./network";
import { configHash } from "./config-hash";
import type { Endpoint, PartArgs } from "./part";
import { registeredArgs } from "./registered-args";
import { bytesOf, completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import {
  assertSecret,
  provideSecret,
  sealed,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretKey,
  type SecretOptions,
} from "./secrets";
import { CELL_ATTRIBUTES } from "./telemetry/views";
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** An OpenTelemetry endpoint outside of the cell that gets all signals. */
export interface ExternalOtlpOptions {
  /** Its address without `/v1/...`, for example `https://otlp.example.com`. */
  endpoint: string;
  /** The name of the header that authenticates, for example `Authorization`. Default: none. */
  header?: string;
  /** The header's value, for example `Bearer ...`. Goes with `header`. */
  headerValue?: SecretOptions;
  /** How it is reached where there is no forward proxy: names are no use to a NetworkPolicy. */
  egress?: EgressRule[];
}

/** What a team may tune of the telemetry collector. */
export interface TelemetryCollectorOptions {
  /** Image to run, with tag and digest. Default: `otel-collector` of components/images.json. */
  image?: string;
  /** Image that turns the message broker's numbers into metrics. Default: `nats-exporter` of components/images.json. */
  brokerExporterImage?: string;
  /** The volume of what could not be delivered yet. Default: 2Gi of the default StorageClass, of which each of traces, logs and metrics may take a fifth. */
  queue?: ClaimOptions;
  /** Default: 100m and 256Mi, limits of 1 CPU, 512Mi and 256Mi of ephemeral storage. It refuses signals from three quarters of the limit on. */
  resources?: ResourceOptions;
}

/** The cell's ClickHouse, as the collector writes into it. */
export interface ClickHouseConnection {
  /** Where it listens. */
  endpoint: Endpoint;
  /** The password of its user `collector`. */
  password: SecretKey;
}

/** A part whose metrics the collector fetches. */
export interface ScrapeTarget {
  /** Its name in the metrics' `service.name`: lower case letters, digits and hyphens. */
  job: string;
  /** Where it listens. */
  endpoint: Endpoint;
  /** Default: `/metrics`. */
  path?: string;
}

/** What the collector watches by itself, and what it says of the cell. */
export interface TelemetrySurroundings {
  /** The gateway, whose health check it watches. Default: it does not. */
  gateway?: Endpoint;
  /** The message broker's monitoring port (8222). Default: its queues are not watched. */
  broker?: Endpoint;
  /** Other parts whose metrics it fetches. Default: none. */
  scrape?: ScrapeTarget[];
  /** TLS Secrets whose certificates it watches; it gets to see the certificate alone, not the key. Default: none. */
  certificates?: string[];
  /** The cell's forward proxy, through which an external endpoint is reached. Default: directly. */
  forwardProxy?: Endpoint;
  /** Attribute `deployment.environment.name` of every signal. Default: none. */
  environment?: string;
  /** Attribute `clawfleet.tenant` of every signal. Default: none. */
  tenant?: string;
  /** Attribute `clawfleet.region` of every signal. Default: none. */
  region?: string;
  /** Attribute `clawfleet.agent` of the signals that do not name their agent. Default: none. */
  agent?: string;
  /** Attribute `clawfleet.contract.version` of the signals that do not name it. Default: none. */
  contractVersion?: string;
}

export interface TelemetryCollectorArgs extends TelemetryCollectorOptions, TelemetrySurroundings, PartArgs {
  /** The cell's ClickHouse, where the signals go. Default: none, and then `external` is needed. */
  clickhouse?: ClickHouseConnection;
  /** An endpoint outside of the cell, where the signals go instead. Default: none. */
  external?: ExternalOtlpOptions;
}

/** A collector's options, checked and complete. */
export interface TelemetryCollectorPlan {
  image: string;
  brokerExporterImage: string;
  resources: CompleteResources;
  queueClaim: types.input.core.v1.PersistentVolumeClaimSpec;
  config: string;
  configHash: string;
  /** Destinations outside of the cell. */
  egress: types.input.networking.v1.NetworkPolicyEgressRule[];
  /** Go's own memory limit: it collects garbage more eagerly before the kernel would kill it. */
  goMemoryLimit: string;
}

/** What a collector's config takes from its surroundings instead of from options. */
export type CollectorSurroundings = Omit<TelemetryCollectorArgs, keyof TelemetryCollectorOptions | "namespace">;

/** The user of the collector's image (open-telemetry/opentelemetry-collector-releases, its Dockerfile). */
const COLLECTOR_UID = 10001;
const COMPONENT = "telemetry-collector";

/**
 * Checks a collector's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planTelemetryCollector(
  options: TelemetryCollectorOptions,
  surroundings: CollectorSurroundings = {},
): TelemetryCollectorPlan {
  const {
    external,
    clickhouse,
    gateway,
    broker,
    scrape = [],
    certificates = [],
    forwardProxy,
    externalSecrets,
  } = surroundings;
  if (external === undefined && clickhouse === undefined) {
    throw new ValidationFailed({
      what: "the signals have nowhere to go",
      where: "telemetry",
      fix: "give telemetry.external.endpoint, or leave the cell's own ClickHouse on",
    });
  }
  if (external !== undefined) assertExternal(external, forwardProxy !== undefined, externalSecrets);
  for (const { job } of scrape) {
    if (/^[a-z][a-z0-9-]*$/.test(job) && scrape.filter((other) => other.job === job).length === 1) continue;
    throw new ValidationFailed({
      what: `${JSON.stringify(job)} is no name for a job, or taken`,
      where: "scrape",
      fix: "use lower case letters, digits and hyphens, each name once",
    });
  }
  const resources = completeResources(
    options.resources ?? {},
    {
      requestsCpu: "100m",
      requestsMemory: "256Mi",
      limitsCpu: "1",
      limitsMemory: "512Mi",
      limitsEphemeralStorage: "256Mi",
    },
    "telemetry.collector.resources",
  );
  const queueClaim = blockClaim(options.queue ?? {}, "2Gi", "telemetry.collector.queue");
  const config = collectorConfig({
    identity: present({
      [CELL_ATTRIBUTES.Tenant]: surroundings.tenant,
      [CELL_ATTRIBUTES.Environment]: surroundings.environment,
      [CELL_ATTRIBUTES.Cell]: surroundings.instance,
      [CELL_ATTRIBUTES.Region]: surroundings.region,
    }),
    defaults: present({
      "clawfleet.agent": surroundings.agent,
      "clawfleet.contract.version": surroundings.contractVersion,
    }),
    external: external && { endpoint: external.endpoint, header: external.header },
    queueBytes: Math.floor(bytesOf(options.queue?.size ?? "2Gi", "telemetry.collector.queue.size") / 5),
    gatewayPort: gateway?.port,
    certificates,
    broker: broker !== undefined,
    scrapes: scrape.map(({ job, endpoint, path }) => ({ job, port: endpoint.port, path: path ?? "/metrics" })),
  });
  const memory = bytesOf(resources.limits.memory, "telemetry.collector.resources.limitsMemory");
  return {
    image: resolveImage("otel-collector", options.image, "telemetry.collector.image"),
    brokerExporterImage: resolveImage(
      "nats-exporter",
      options.brokerExporterImage,
      "telemetry.collector.brokerExporterImage",
    ),
    resources,
    queueClaim,
    config,
    configHash: configHash(config),
    egress: egressTo(external?.egress ?? [], "telemetry.external.egress"),
    goMemoryLimit: `${String(Math.floor((memory * 0.8) / 2 ** 20))}MiB`,
  };
}

function assertExternal(
  { endpoint, header, headerValue, egress = [] }: ExternalOtlpOptions,
  proxied: boolean,
  externalSecrets: ExternalSecretsOptions | undefined,
): void {
  const fail = (what: string, where: string, fix: string): never => {
    throw new ValidationFailed({ what, where: `telemetry.external.${where}`, fix });
  };
  if (!/^https?:\/\/[^/@\s]+$/.test(endpoint)) {
    fail(
      `${JSON.stringify(endpoint)} is no address of an OTLP endpoint`,
      "endpoint",
      "write it like https://otlp.example.com, without a path and without credentials",
    );
  }
  if ((header === undefined) !== (headerValue === undefined)) {
    fail(
      `header is ${header ?? "missing"}, and headerValue is ${headerValue ? "given" : "missing"}`,
      "header",
      "give both or none",
    );
  }
  if (header !== undefined && !/^[A-Za-z][A-Za-z0-9-]*$/.test(header)) {
    fail(`${JSON.stringify(header)} is no header's name`, "header", "write it like Authorization");
  }
  if (headerValue !== undefined) {
    assertSecret(headerValue, SecretFrom.Value, "telemetry.external.headerValue", externalSecrets);
  }
  if (!proxied && egress.length === 0) {
    fail(
      "no rule lets the collector out of the cell",
      "egress",
      "switch the forward proxy on, or give the endpoint's address range",
    );
  }
}

function present(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/**
 * Takes the cell's traces, logs and metrics over OTLP/HTTP, marks them with who the cell is, removes credentials and
 * writes them into ClickHouse or sends them on, through a queue on disk. It also watches the gateway's health check,
 * certificates, and what other parts measure of themselves. The logs of Pods are not collected: that takes root and the
 * node's file system, which `restricted` forbids.
 */
export class TelemetryCollector extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:TelemetryCollector";

  /** Where it listens. */
  readonly endpoint: Endpoint;
  /** The Service's name. */
  readonly service: pulumi.Output<string>;

  constructor(name: string, args: TelemetryCollectorArgs, opts?: pulumi.ComponentResourceOptions) {
    const { external } = args;
    super(
      TelemetryCollector.__pulumiType,
      name,
      registeredArgs({
        ...args,
        ...(external?.headerValue && { external: { ...external, headerValue: sealed(external.headerValue) } }),
      }),
      opts,
    );
    const instance = args.instance ?? name;
    const plan = planTelemetryCollector(args, { ...args, instance });
    const labels = objectLabels({ instance, component: COMPONENT, owner: Owner.Platform, extra: args.labels });

    const secrets: Record<string, SecretKey> =
      external === undefined
        ? args.clickhouse === undefined
          ? {}
          : { [COLLECTOR_ENVS.clickhousePassword]: args.clickhouse.password }
        : external.headerValue === undefined
          ? {}
          : {
              [COLLECTOR_ENVS.headerValue]: provideSecret(
                `${name}-header`,
                external.headerValue,
                {
                  env: COLLECTOR_ENVS.headerValue,
                  namespace: args.namespace,
                  labels,
                  defaultFrom: SecretFrom.Value,
                  externalSecrets: args.externalSecrets,
                },
                this,
              ),
            };
    const config = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: plan.configHash, data: { "config.yaml": plan.config } },
      this,
    );
    const queue = volumeClaim(
      `${name}-queue`,
      { namespace: args.namespace, labels, spec: plan.queueClaim, retain: args.retain },
      this,
    );
    const { service } = workload(
      name,
      {
        part: { ...args, instance },
        component: COMPONENT,
        // The single writer of its queue.
        kind: "StatefulSet",
        uid: COLLECTOR_UID,
        ports: [{ name: "otlp-http", port: COLLECTOR_PORT }],
        podAnnotations: secretVersionsAnnotation(secrets),
        egress: [...reachedBy(args).map((endpoint) => egressToPart(instance, endpoint)), ...plan.egress],
        containers: [
          collectorContainer(plan, args, secrets),
          ...(args.broker ? [brokerExporter(plan, args.broker)] : []),
        ],
        volumes: [
          { name: "config", configMap: { name: config.metadata.name, defaultMode: 0o444 } },
          { name: "queue", persistentVolumeClaim: { claimName: queue.metadata.name } },
          ...(args.certificates ?? []).map((secretName, index) => ({
            name: `certificate-${String(index)}`,
            // Not its key; and a certificate that is not there yet does not keep the collector from starting.
            secret: { secretName, optional: true, defaultMode: 0o444, items: [{ key: "tls.crt", path: "tls.crt" }] },
          })),
        ],
      },
      this,
    );
    this.endpoint = { component: COMPONENT, host: name, port: COLLECTOR_PORT };
    this.service = service?.metadata.name ?? pulumi.output(name);
    this.registerOutputs({ service: this.service });
  }
}
