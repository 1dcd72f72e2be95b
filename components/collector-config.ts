import { stringify } from "./yaml";
import { CLICKHOUSE_PORT, COLLECTOR_USER } from "./clickhouse-config";
import { DATABASE } from "./telemetry/sql";

/** OTLP over HTTP. */
export const COLLECTOR_PORT = 4318;
/** What the probes ask. */
export const COLLECTOR_HEALTH_PORT = 13133;
/** Where prometheus-nats-exporter, beside the collector, turns the broker's numbers into metrics. */
export const BROKER_EXPORTER_PORT = 7777;
/** Where the queue is, on a volume. */
export const QUEUE_DIR = "/var/lib/otelcol";
/** Where certificates are mounted whose expiry is watched, one folder for each. */
export const CERTIFICATES_DIR = "/etc/certificates";

/** The environment variables that the config refers to: addresses, which may not be known yet, and secrets. */
export const COLLECTOR_ENVS = {
  clickhouseHost: "CLICKHOUSE_HOST",
  clickhousePassword: "CLICKHOUSE_COLLECTOR_PASSWORD",
  headerValue: "OTLP_HEADER_VALUE",
  gatewayHost: "GATEWAY_HOST",
} as const;

/** A part whose metrics are fetched, in Prometheus's text format. */
export interface ScrapeSettings {
  /** What its metrics' `service.name` is. */
  job: string;
  port: number;
  path: string;
}

/** The environment variable that names a scraped part's host. */
export function scrapeHostEnv(job: string): string {
  return `SCRAPE_${job.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_HOST`;
}

/** What a collector's config depends on. */
export interface CollectorSettings {
  /** Attributes of every signal, which replace what its sender says: who the cell is. */
  identity: Record<string, string>;
  /** Attributes of the signals whose senders do not say: the agent, and its contract's version. */
  defaults: Record<string, string>;
  /** An OTLP endpoint outside of the cell, instead of the cell's ClickHouse. */
  external: { endpoint: string; header?: string | undefined } | undefined;
  /** The size of each signal's queue. */
  queueBytes: number;
  /** The port of the gateway's health check; undefined for none. */
  gatewayPort: number | undefined;
  /** The names of the mounted certificates' folders. */
  certificates: string[];
  /** Whether the broker's exporter runs beside the collector. */
  broker: boolean;
  scrapes: ScrapeSettings[];
}

/** Attributes that are named like a credential. Counts of tokens are none: `openclaw.tokens.total` stays. */
const SECRET_KEYS = [
  "(?i)authorization$",
  "(?i)cookie",
  "(?i)passw(or)?d",
  "(?i)secret",
  "(?i)credential",
  "(?i)(api|private|access)[._-]?key",
  "(?i)(^|[._-]|auth|access|refresh|bot|session|bearer)token$",
];
/** Named alike, and none: the kind of a token count, and LiteLLM's name and hash of a key. */
const HARMLESS_KEYS = ["openclaw.token", "gen_ai.token.type", "hashed_api_key", "api_key_alias"];
/** Credentials by their form, wherever they are. */
const SECRET_VALUES = [
  "\\bsk-[A-Za-z0-9_-]{16,}",
  "(?i)\\b(bearer|basic)\\s+[A-Za-z0-9._~+/=-]{8,}",
  "\\beyJ[A-Za-z0-9_-]{8,}\\.eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]+",
  "\\b(gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}",
  "\\bxox[abeprs]-[A-Za-z0-9-]{10,}",
  "\\bA(KI|SI)A[0-9A-Z]{16}\\b",
  "\\btskey-[A-Za-z0-9-]{8,}",
  "\\b\\d{8,10}:[A-Za-z0-9_-]{35}\\b",
  "://[^/@:\\s]+:[^/@\\s]+@",
  "-----BEGIN [A-Z ]*PRIVATE KEY-----",
];

const HALF_A_MINUTE = "30s";

/** The text of the collector's config. It holds no secret and no address: those come from the environment. */
export function collectorConfig(settings: CollectorSettings): string {
  const exporter = settings.external === undefined ? "clickhouse" : "otlp_http";
  const scraped = ["prometheus", ...checks(settings)];
  // Refusing comes first, while there is memory to refuse with; a secret is gone before anything is written to disk.
  const named = [...attributes(settings.identity, "upsert"), ...attributes(settings.defaults, "insert")];
  const processors = ["memory_limiter", ...(named.length === 0 ? [] : ["resource"]), "redaction"];
  const pipeline = (receivers: string[]) => ({ receivers, processors, exporters: [exporter] });
  const config = {
    extensions: {
      health_check: { endpoint: `0.0.0.0:${String(COLLECTOR_HEALTH_PORT)}` },
      file_storage: {
        directory: QUEUE_DIR,
        create_directory: true,
        // Its file does not shrink by itself when the queue has been worked off.
        compaction: {
          directory: QUEUE_DIR,
          on_start: true,
          on_rebound: true,
          rebound_needed_threshold_mib: 64,
          rebound_trigger_threshold_mib: 16,
        },
      },
    },
    receivers: {
      otlp: { protocols: { http: { endpoint: `0.0.0.0:${String(COLLECTOR_PORT)}` } } },
      prometheus: { config: { scrape_configs: scrapeConfigs(settings) } },
      ...checkReceivers(settings),
    },
    processors: {
      memory_limiter: { check_interval: "1s", limit_percentage: 75, spike_limit_percentage: 20 },
      // The agent and its contract's version only where the sender does not know better.
      ...(named.length > 0 && { resource: { attributes: named } }),
      redaction: {
        allow_all_keys: true,
        blocked_key_patterns: SECRET_KEYS,
        ignored_keys: HARMLESS_KEYS,
        blocked_values: SECRET_VALUES,
        redact_all_types: true,
        summary: "silent",
      },
    },
    exporters: { [exporter]: { ...destination(settings), ...delivery(settings.queueBytes) } },
    service: {
      extensions: ["health_check", "file_storage"],
      telemetry: {
        logs: { level: "info", encoding: "json" },
        metrics: {
          level: "normal",
          readers: [{ pull: { exporter: { prometheus: { host: "127.0.0.1", port: 8888 } } } }],
        },
      },
      pipelines: {
        traces: pipeline(["otlp"]),
        logs: pipeline(["otlp"]),
        metrics: pipeline(["otlp", ...scraped]),
      },
    },
  };
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false });
}

function attributes(values: Record<string, string>, action: string): { key: string; value: string; action: string }[] {
  // A dollar sign would begin a reference to the environment.
  return Object.entries(values).map(([key, value]) => ({ key, value: value.replace(/\$/g, "$$$$"), action }));
}

function destination({ external }: CollectorSettings): Record<string, unknown> {
  if (external === undefined) {
    return {
      endpoint: `http://${reference(COLLECTOR_ENVS.clickhouseHost)}:${String(CLICKHOUSE_PORT)}`,
      username: COLLECTOR_USER,
      password: reference(COLLECTOR_ENVS.clickhousePassword),
      database: DATABASE,
      // Its user may not, and ours have retention.
      create_schema: false,
      async_insert: true,
      compress: "gzip",
      timeout: "30s",
    };
  }
  const { endpoint, header } = external;
  return {
    endpoint,
    compression: "gzip",
    timeout: "30s",
    ...(header !== undefined && { headers: { [header]: reference(COLLECTOR_ENVS.headerValue) } }),
  };
}

/**
 * What was accepted is on disk before the sender is told so, and stays there until the other side has it, however long
 * that takes: when the queue is full, senders are refused and keep it themselves. Batches are made from the queue, so
 * that none is lost in memory, which a batch processor before it would.
 */
function delivery(queueBytes: number): Record<string, unknown> {
  return {
    retry_on_failure: { enabled: true, initial_interval: "1s", max_interval: "30s", max_elapsed_time: "0s" },
    sending_queue: {
      enabled: true,
      storage: "file_storage",
      sizer: "bytes",
      queue_size: queueBytes,
      num_consumers: 4,
      batch: { sizer: "items", flush_timeout: "5s", min_size: 5000, max_size: 10_000 },
    },
  };
}

function scrapeConfigs({ broker, scrapes }: CollectorSettings): unknown[] {
  const local = (job: string, port: number) => ({
    job_name: job,
    scrape_interval: HALF_A_MINUTE,
    static_configs: [{ targets: [`127.0.0.1:${String(port)}`] }],
  });
  return [
    local("otel-collector", 8888),
    ...(broker ? [local("message-broker", BROKER_EXPORTER_PORT)] : []),
    ...scrapes.map(({ job, port, path }) => ({
      job_name: job,
      scrape_interval: HALF_A_MINUTE,
      metrics_path: path,
      static_configs: [{ targets: [`${reference(scrapeHostEnv(job))}:${String(port)}`] }],
    })),
  ];
}

function checks({ gatewayPort, certificates }: CollectorSettings): string[] {
  return [...(gatewayPort === undefined ? [] : ["http_check"]), ...(certificates.length === 0 ? [] : ["tlscheck"])];
}

function checkReceivers({ gatewayPort, certificates }: CollectorSettings): Record<string, unknown> {
  return {
    ...(gatewayPort !== undefined && {
      http_check: {
        collection_interval: HALF_A_MINUTE,
        metrics: { "httpcheck.validation.failed": { enabled: true } },
        targets: [
          {
            endpoint: `http://${reference(COLLECTOR_ENVS.gatewayHost)}:${String(gatewayPort)}/startupz`,
            method: "GET",
            timeout: "5s",
            // An unknown path answers 200 as well, with the web interface.
            validations: [{ json_path: "status", equals: "started" }],
          },
        ],
      },
    }),
    ...(certificates.length > 0 && {
      tlscheck: {
        collection_interval: "1h",
        initial_delay: "5s",
        targets: certificates.map((name) => ({ file_path: `${CERTIFICATES_DIR}/${name}/tls.crt` })),
      },
    }),
  };
}

function reference(env: string): string {
  return `\${env:${env}}`;
}
