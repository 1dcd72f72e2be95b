import { ValidationFailed } from "../errors";
import { DATABASE, literal, type StartupStatement } from "./sql";

/** When an alert fires. */
export interface AlertOptions {
  /** Minutes without a good answer of the gateway's health check. Default: 5, the longest that its start may take. */
  gatewayDownMinutes?: number;
  /** Minutes in which the gateway sent no telemetry at all though it is up. Default: 30. */
  gatewaySilentMinutes?: number;
  /** Messages that wait in a queue, and more than a quarter of an hour ago. Default: 100. */
  queuedMessages?: number;
  /** Per cent of a key's budget that are spent. Default: 80. */
  budgetPercent?: number;
  /** Days until a certificate expires. Default: 21: cert-manager renews 30 days ahead of a 90 days' certificate. */
  certificateDays?: number;
  /** Hours since the last verified backup. Only set it where backups are made. Default: none, and no such alert. */
  backupHours?: number;
}

/** An alert: a SELECT of `Subject`, `Measured` and `Firing`. */
export interface AlertRule {
  name: string;
  severity: "critical" | "warning";
  summary: string;
  threshold: number;
  select: string;
}

/** A backup reports itself with this gauge: the Unix time at which it was verified. */
export const BACKUP_METRIC = "clawfleet.backup.completed";

const DEFAULTS = {
  gatewayDownMinutes: 5,
  gatewaySilentMinutes: 30,
  queuedMessages: 100,
  budgetPercent: 80,
  certificateDays: 21,
};

const gauge = `${DATABASE}.otel_metrics_gauge`;
const sum = `${DATABASE}.otel_metrics_sum`;
const within = (minutes: number) => `TimeUnix > now() - INTERVAL ${String(minutes)} MINUTE`;
/** A number as of now is one of the last minutes: the collector looks every half minute. */
const LATEST = within(10);
/** Good answers of the gateway: an unknown path answers 200 as well, with the web interface. */
const gatewayAnswered = (minutes: number) =>
  `(SELECT count() FROM ${sum} WHERE MetricName = 'httpcheck.status' AND Attributes['http.status_class'] = '2xx' ` +
  `AND Value > 0 AND ${within(minutes)} AND endsWith(Attributes['http.url'], '/startupz') AND TimeUnix NOT IN ` +
  `(SELECT TimeUnix FROM ${sum} WHERE MetricName = 'httpcheck.validation.failed' AND Value > 0 AND ${within(minutes)}))`;

/**
 * The alerts and what they go by: metrics that the collector gets by itself (health check, certificates, the broker's
 * and the model proxy's numbers), and one that a backup sends.
 * @throws ValidationFailed for a limit that is no number above 0.
 */
export function alertRules(options: AlertOptions): AlertRule[] {
  const limits = { ...DEFAULTS, ...options };
  for (const [name, value] of Object.entries(limits)) assertLimit(name, value);
  const { gatewayDownMinutes, gatewaySilentMinutes, queuedMessages, budgetPercent, certificateDays } = limits;
  return [
    {
      name: "gateway-down",
      severity: "critical",
      summary: "The gateway's health check had no good answer",
      threshold: gatewayDownMinutes,
      select: `SELECT 'gateway' AS Subject, toFloat64(${gatewayAnswered(gatewayDownMinutes)}) AS Measured, Measured = 0 AS Firing`,
    },
    {
      name: "gateway-silent",
      severity: "warning",
      summary: "The gateway is up and sends no telemetry: its diagnostics or their plugin are off",
      threshold: gatewaySilentMinutes,
      select:
        `SELECT 'gateway' AS Subject, toFloat64(` +
        ["otel_traces:Timestamp", "otel_logs:Timestamp", "otel_metrics_sum:TimeUnix", "otel_metrics_histogram:TimeUnix"]
          .map((source) => {
            const [table = "", time = ""] = source.split(":");
            return `(SELECT count() FROM ${DATABASE}.${table} WHERE ServiceName = 'openclaw-gateway' AND ${time} > now() - INTERVAL ${String(gatewaySilentMinutes)} MINUTE)`;
          })
          .join(" + ") +
        `) AS Measured, Measured = 0 AND ${gatewayAnswered(gatewaySilentMinutes)} > 0 AND ${gatewayAnswered(2 * gatewaySilentMinutes)} > ${gatewayAnswered(gatewaySilentMinutes)} AS Firing`,
    },
    {
      name: "queue-growing",
      severity: "warning",
      summary: "More messages wait than a quarter of an hour ago",
      threshold: queuedMessages,
      select:
        `SELECT concat(Attributes['stream_name'], '/', Attributes['consumer_name']) AS Subject, argMax(Value, TimeUnix) AS Measured, ` +
        `Measured >= ${String(queuedMessages)} AND Measured > argMin(Value, TimeUnix) AS Firing ` +
        `FROM ${gauge} WHERE MetricName = 'jetstream_consumer_num_pending' AND ${within(15)} ` +
        `AND positionCaseInsensitive(Attributes['stream_name'], 'dead') = 0 GROUP BY Subject`,
    },
    {
      name: "dead-letters",
      severity: "critical",
      summary: "Messages could not be delivered and wait for a person",
      threshold: 1,
      select:
        `SELECT Attributes['stream_name'] AS Subject, argMax(Value, TimeUnix) AS Measured, Measured >= 1 AS Firing ` +
        `FROM ${gauge} WHERE MetricName = 'jetstream_stream_total_messages' AND ${LATEST} ` +
        `AND positionCaseInsensitive(Attributes['stream_name'], 'dead') > 0 GROUP BY Subject`,
    },
    {
      name: "budget-near-limit",
      severity: "warning",
      summary: "A virtual key's budget is nearly spent",
      threshold: budgetPercent,
      select:
        `SELECT if(Attributes['api_key_alias'] IN ('', 'None'), Attributes['hashed_api_key'], Attributes['api_key_alias']) AS Subject, ` +
        `100 * (1 - argMaxIf(Value, TimeUnix, MetricName = 'litellm_remaining_api_key_budget_metric') / ` +
        `argMaxIf(Value, TimeUnix, MetricName = 'litellm_api_key_max_budget_metric')) AS Measured, ` +
        `Measured >= ${String(budgetPercent)} AS Firing ` +
        `FROM ${gauge} WHERE MetricName IN ('litellm_remaining_api_key_budget_metric', 'litellm_api_key_max_budget_metric') ` +
        // Without a budget, LiteLLM says that infinitely much remains.
        `AND ${LATEST} AND isFinite(Value) GROUP BY Subject HAVING uniqExact(MetricName) = 2 ` +
        `AND argMaxIf(Value, TimeUnix, MetricName = 'litellm_api_key_max_budget_metric') > 0`,
    },
    {
      name: "certificate-near-expiry",
      severity: "warning",
      summary: "A certificate expires soon and was not renewed",
      threshold: certificateDays,
      select:
        `SELECT if(Attributes['tlscheck.x509.cn'] = '', ResourceAttributes['tlscheck.target'], Attributes['tlscheck.x509.cn']) AS Subject, ` +
        `argMax(Value, TimeUnix) / 86400 AS Measured, Measured < ${String(certificateDays)} AS Firing ` +
        `FROM ${gauge} WHERE MetricName = 'tlscheck.time_left' AND TimeUnix > now() - INTERVAL 3 HOUR GROUP BY Subject`,
    },
    ...(limits.backupHours === undefined ? [] : [backupRule(limits.backupHours)]),
  ];
}

function backupRule(hours: number): AlertRule {
  return {
    name: "backup-too-old",
    severity: "critical",
    summary: "The last verified backup is too old, or there never was one",
    threshold: hours,
    select:
      `SELECT 'backup' AS Subject, (toUnixTimestamp(now()) - max(Value)) / 3600 AS Measured, Measured > ${String(hours)} AS Firing ` +
      `FROM ${gauge} WHERE MetricName = '${BACKUP_METRIC}'`,
  };
}

function assertLimit(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new ValidationFailed({
    what: `${String(value)} is no limit`,
    where: `telemetry.alerts.${name}`,
    fix: "use a number above 0",
  });
}

/**
 * The alerts as views, and their evaluation: ClickHouse itself looks every minute and writes into `alerts` what began to
 * fire or ceased to. There is no other program that could be down, or that would need the password.
 */
export function alertStatements(rules: AlertRule[], definer: string): StartupStatement[] {
  const states = rules.map(
    ({ name, severity, summary, threshold, select }) =>
      `SELECT ${literal(name)} AS Alert, ${literal(severity)} AS Severity, toString(Subject) AS Subject, ` +
      `toUInt8(Firing) AS Firing, toFloat64(Measured) AS Value, toFloat64(${String(threshold)}) AS Threshold, ` +
      `${literal(summary)} AS Summary FROM (${select})`,
  );
  return [
    { query: `CREATE OR REPLACE VIEW ${DATABASE}.alerts_now AS ${states.join("\nUNION ALL ")}` },
    {
      query:
        `CREATE OR REPLACE VIEW ${DATABASE}.alerts_latest AS SELECT Alert, Subject, max(Time) AS Since, ` +
        `argMax(Firing, Time) AS Firing, argMax(Severity, Time) AS Severity, argMax(Value, Time) AS Value, ` +
        `argMax(Threshold, Time) AS Threshold, argMax(Summary, Time) AS Summary ` +
        `FROM ${DATABASE}.alerts GROUP BY Alert, Subject`,
    },
    {
      query: `CREATE OR REPLACE VIEW ${DATABASE}.alerts_firing AS SELECT * FROM ${DATABASE}.alerts_latest WHERE Firing = 1`,
    },
    // Made anew, so that it is always the one of this version.
    { query: `DROP VIEW IF EXISTS ${DATABASE}.alerts_evaluation` },
    {
      query:
        `CREATE MATERIALIZED VIEW ${DATABASE}.alerts_evaluation REFRESH EVERY 1 MINUTE APPEND TO ${DATABASE}.alerts ` +
        `DEFINER = ${definer} SQL SECURITY DEFINER AS ${changes}`,
    },
  ];
}

/** What fires and did not, or did and does not any more, also because nobody reports it any more. */
const changes =
  `SELECT now() AS Time, state.Alert AS Alert, state.Severity AS Severity, state.Subject AS Subject, state.Firing AS Firing, ` +
  `state.Value AS Value, state.Threshold AS Threshold, state.Summary AS Summary ` +
  `FROM (SELECT Alert, Severity, Subject, Firing, Value, Threshold, Summary FROM ${DATABASE}.alerts_now ` +
  `UNION ALL SELECT Alert, Severity, Subject, toUInt8(0), toFloat64(0), Threshold, Summary FROM ${DATABASE}.alerts_firing ` +
  `WHERE (Alert, Subject) NOT IN (SELECT Alert, Subject FROM ${DATABASE}.alerts_now)) AS state ` +
  `LEFT JOIN ${DATABASE}.alerts_latest AS known ON known.Alert = state.Alert AND known.Subject = state.Subject ` +
  `WHERE state.Firing != known.Firing`;
