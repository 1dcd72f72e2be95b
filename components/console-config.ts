import { CLICKHOUSE_PORT, CONSOLE_USER } from "./clickhouse-config";
import { DATABASE } from "./telemetry/sql";

/** The web interface. */
export const CONSOLE_PORT = 8080;
/** What the web interface talks to, and the probes ask. */
export const CONSOLE_API_PORT = 8000;

const CONNECTION = "Telemetry";

const LOGS = "Logs";
const TRACES = "Traces";
const METRICS = "Metrics";

/** A table that the console shows, in the words of HyperDX's `DEFAULT_SOURCES` (packages/api/docs/auto_provision). */
export interface ConsoleSource {
  name: string;
  kind: "log" | "trace" | "metric";
  connection: string;
  from: { databaseName: string; tableName: string };
  timestampValueExpression: string;
  [expression: string]: string | Record<string, string>;
}

const shared = {
  connection: CONNECTION,
  serviceNameExpression: "ServiceName",
  resourceAttributesExpression: "ResourceAttributes",
  traceIdExpression: "TraceId",
  spanIdExpression: "SpanId",
};

/** Everything that the cell's ClickHouse has to show: signals, what explains them, and alerts. */
export function consoleSources(): ConsoleSource[] {
  const table = (tableName: string) => ({ databaseName: DATABASE, tableName });
  return [
    {
      ...shared,
      name: LOGS,
      kind: "log",
      from: table("otel_logs"),
      timestampValueExpression: "Timestamp",
      displayedTimestampValueExpression: "Timestamp",
      implicitColumnExpression: "Body",
      bodyExpression: "Body",
      eventAttributesExpression: "LogAttributes",
      severityTextExpression: "SeverityText",
      defaultTableSelectExpression: "Timestamp,ServiceName,SeverityText,Body",
      traceSourceId: TRACES,
      metricSourceId: METRICS,
    },
    {
      ...shared,
      name: TRACES,
      kind: "trace",
      from: table("otel_traces"),
      timestampValueExpression: "Timestamp",
      displayedTimestampValueExpression: "Timestamp",
      implicitColumnExpression: "SpanName",
      bodyExpression: "SpanName",
      eventAttributesExpression: "SpanAttributes",
      durationExpression: "Duration",
      durationPrecision: "9",
      parentSpanIdExpression: "ParentSpanId",
      spanNameExpression: "SpanName",
      spanKindExpression: "SpanKind",
      statusCodeExpression: "StatusCode",
      statusMessageExpression: "StatusMessage",
      defaultTableSelectExpression: "Timestamp,ServiceName,StatusCode,round(Duration/1e6),SpanName",
      logSourceId: LOGS,
      metricSourceId: METRICS,
    },
    {
      name: METRICS,
      kind: "metric",
      connection: CONNECTION,
      from: table(""),
      timestampValueExpression: "TimeUnix",
      resourceAttributesExpression: "ResourceAttributes",
      metricTables: {
        gauge: "otel_metrics_gauge",
        histogram: "otel_metrics_histogram",
        sum: "otel_metrics_sum",
        summary: "otel_metrics_summary",
        "exponential histogram": "otel_metrics_exponential_histogram",
      },
      logSourceId: LOGS,
      traceSourceId: TRACES,
    },
    view("Steps", "steps", "Timestamp", "SpanName", "Timestamp,Agent,Tool,SpanName,Milliseconds,Failed"),
    view("Tasks", "tasks", "Start", "Intent", "Start,Agent,Intent,Tools,Outcome,Cost"),
    view("Alerts", "alerts", "Time", "Summary", "Time,Alert,Subject,Firing,Value,Threshold"),
  ];
}

/** A view is shown as rows are. */
function view(name: string, tableName: string, time: string, body: string, columns: string): ConsoleSource {
  return {
    name,
    kind: "log",
    connection: CONNECTION,
    from: { databaseName: DATABASE, tableName },
    timestampValueExpression: time,
    displayedTimestampValueExpression: time,
    implicitColumnExpression: body,
    bodyExpression: body,
    defaultTableSelectExpression: columns,
  };
}

/**
 * HyperDX's `DEFAULT_CONNECTIONS`. It refers to variables of the container's, which Kubernetes puts in: the password is
 * in no ConfigMap and in no object's spec.
 */
export function consoleConnections(hostEnv: string, passwordEnv: string): string {
  return JSON.stringify([
    {
      name: CONNECTION,
      host: `http://$(${hostEnv}):${String(CLICKHOUSE_PORT)}`,
      username: CONSOLE_USER,
      password: `$(${passwordEnv})`,
    },
  ]);
}

/** HyperDX's dashboards, as files that its provisioner reads. */
export function consoleDashboards(): Record<string, string> {
  const tile = (
    index: number,
    name: string,
    source: string,
    displayType: string,
    select: unknown,
    groupBy?: string,
  ) => ({
    id: name.toLowerCase().replace(/[^a-z]+/g, "-"),
    x: (index % 2) * 12,
    y: Math.floor(index / 2) * 6,
    w: 12,
    h: 6,
    config: { name, source, displayType, select, where: "", ...(groupBy !== undefined && { groupBy }) },
  });
  const aggregate = (aggFn: string, valueExpression: string, more: Record<string, unknown> = {}) => [
    { aggFn, valueExpression, aggCondition: "", aggConditionLanguage: "sql", ...more },
  ];
  const dashboard = {
    name: "Agents",
    tags: ["clawfleet"],
    tiles: [
      tile(0, "Latency (95 %)", "Steps", "line", aggregate("quantile", "Milliseconds", { level: 0.95 }), "Agent"),
      tile(1, "Failed steps", "Steps", "line", aggregate("sum", "Failed"), "Agent"),
      tile(2, "Tool calls", "Steps", "line", aggregate("count", "", { aggCondition: "Tool != ''" }), "Tool"),
      tile(3, "Spend", "Steps", "line", aggregate("sum", "Cost"), "Agent"),
      tile(4, "Tokens by contract version", "Steps", "line", aggregate("sum", "OutputTokens"), "ContractVersion"),
      tile(5, "Alerts", "Alerts", "search", "Time,Alert,Subject,Firing,Value,Threshold,Summary"),
    ],
  };
  return { "agents.json": `${JSON.stringify(dashboard, undefined, 2)}\n` };
}

/** Makes the account of the operators, unless there is one: whoever came first could otherwise make it theirs. */
export const REGISTER_SCRIPT = `const account = { email: process.env.CONSOLE_EMAIL, password: process.env.CONSOLE_PASSWORD };
const url = "http://127.0.0.1:${String(CONSOLE_API_PORT)}/register/password";
const body = JSON.stringify({ ...account, confirmPassword: account.password });
const attempt = async (left) => {
  try {
    const { status } = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body, redirect: "manual" });
    // 409: there is an account already.
    if (status < 400 || status === 409) return;
    throw new Error("answered " + status);
  } catch (error) {
    if (left === 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    return attempt(left - 1);
  }
};
attempt(60).catch((error) => {
  console.error("the console's account was not made: " + error.message);
  process.exit(1);
});
`;
