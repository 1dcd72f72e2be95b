import { alertRules, alertStatements, type AlertOptions } from "./telemetry/alerts";
import { signalTables, tableStatements, type RetentionDays } from "./telemetry/schema";
import { DATABASE, type StartupStatement } from "./telemetry/sql";
import { viewStatements } from "./telemetry/views";

/** The port of ClickHouse's HTTP interface, which everyone here speaks. */
export const CLICKHOUSE_PORT = 8123;
/** Writes signals, and can read nothing of what it wrote. */
export const COLLECTOR_USER = "collector";
/** Reads, and can change nothing. */
export const CONSOLE_USER = "console";
/** May do everything, and connects from the Pod itself alone: `kubectl exec`. */
export const ADMIN_USER = "admin";
/** The environment variables that the users' passwords come from. */
export const CLICKHOUSE_PASSWORD_ENVS = {
  [COLLECTOR_USER]: "CLICKHOUSE_COLLECTOR_PASSWORD",
  [CONSOLE_USER]: "CLICKHOUSE_CONSOLE_PASSWORD",
  [ADMIN_USER]: "CLICKHOUSE_ADMIN_PASSWORD",
} as const;

/** What a ClickHouse's config depends on. */
export interface ClickHouseSettings {
  /** The container's memory limit. */
  memoryBytes: number;
  retention: RetentionDays;
  alerts: AlertOptions;
}

/** ClickHouse's own tables about itself, which grow for ever and which nothing here reads. */
const REMOVED_LOGS = [
  "query_thread_log",
  "query_views_log",
  "part_log",
  "trace_log",
  "text_log",
  "metric_log",
  "latency_log",
  "error_log",
  "asynchronous_metric_log",
  "asynchronous_insert_log",
  "opentelemetry_span_log",
  "processors_profile_log",
  "backup_log",
  "blob_storage_log",
  "session_log",
  "query_metric_log",
  "crash_log",
];

/** All that ClickHouse runs at its start: schema, retention, views, alerts. */
export function startupStatements({ retention, alerts }: ClickHouseSettings, definer = ADMIN_USER): StartupStatement[] {
  return [...tableStatements(retention, definer), ...viewStatements(), ...alertStatements(alertRules(alerts), definer)];
}

/** The files of `config.d`: they add to, and take from, the config that the image brings. */
export function serverFiles(settings: ClickHouseSettings): Record<string, string> {
  return { "server.xml": serverXml(settings), "startup.xml": startupXml(startupStatements(settings)) };
}

function serverXml({ memoryBytes }: ClickHouseSettings): string {
  const bytes = (share: number) => String(Math.floor(memoryBytes * share));
  return xml(`
  <listen_host>::</listen_host>
  <listen_host>0.0.0.0</listen_host>
  <listen_try>1</listen_try>
  <http_port>${String(CLICKHOUSE_PORT)}</http_port>
  <mysql_port remove="remove"/>
  <postgresql_port remove="remove"/>
  <interserver_http_port remove="remove"/>
  <logger>
    <level>information</level>
    <console>1</console>
    <log remove="remove"/>
    <errorlog remove="remove"/>
  </logger>
  <send_crash_reports><enabled>false</enabled></send_crash_reports>
  <max_server_memory_usage>${bytes(0.8)}</max_server_memory_usage>
  <mark_cache_size>${bytes(0.1)}</mark_cache_size>
  <index_mark_cache_size>${bytes(0.02)}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>50</max_concurrent_queries>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <partition_by>toYYYYMMDD(event_date)</partition_by>
    <ttl>event_date + INTERVAL 3 DAY DELETE</ttl>
    <flush_interval_milliseconds>7500</flush_interval_milliseconds>
  </query_log>
${REMOVED_LOGS.map((name) => `  <${name} remove="remove"/>`).join("\n")}`);
}

/** The server does not start when one of these fails, so what is ready has its tables. */
function startupXml(statements: StartupStatement[]): string {
  const scripts = statements.map(({ query, condition }) => {
    const only = condition === undefined ? "" : `\n      <condition>${escaped(condition)}</condition>`;
    return `    <scripts>\n      <query>${escaped(query)}</query>${only}\n    </scripts>`;
  });
  return xml(`
  <startup_scripts>
    <throw_on_error>true</throw_on_error>
${scripts.join("\n")}
  </startup_scripts>`);
}

/** The file of `users.d`: three users, and not the one without a password that the image brings. */
export function usersFiles({ memoryBytes }: ClickHouseSettings): Record<string, string> {
  const queryBytes = String(Math.floor(memoryBytes * 0.4));
  const insert = signalTables.flatMap((table) => [
    `GRANT INSERT ON ${DATABASE}.${table}`,
    // To see which columns a table has, which the exporter asks at its start.
    `GRANT SHOW COLUMNS ON ${DATABASE}.${table}`,
  ]);
  const read = [`GRANT SELECT ON ${DATABASE}.*`, "GRANT SELECT ON system.*", "GRANT SHOW ON *.*"];
  return {
    "users.xml": xml(`
  <profiles>
    <default>
      <max_memory_usage>${queryBytes}</max_memory_usage>
    </default>
    <collector>
      <async_insert>1</async_insert>
      <!-- An answer before the data is on disk would lose it with the Pod. -->
      <wait_for_async_insert>1</wait_for_async_insert>
      <constraints><wait_for_async_insert><const/></wait_for_async_insert></constraints>
    </collector>
    <console>
      <!-- Reads alone; 2 leaves it the settings that HyperDX sends with its queries. -->
      <readonly>2</readonly>
      <max_memory_usage>${queryBytes}</max_memory_usage>
      <max_execution_time>60</max_execution_time>
    </console>
  </profiles>
  <users>
    <default remove="remove"/>
${user(COLLECTOR_USER, ["::/0"], "collector", insert)}
${user(CONSOLE_USER, ["::/0"], "console", read)}
${user(ADMIN_USER, ["::1", "127.0.0.1"], "default", [])}
  </users>`),
  };
}

/** Without grants of its own, a user may do everything. */
function user(name: keyof typeof CLICKHOUSE_PASSWORD_ENVS, from: string[], profile: string, grants: string[]): string {
  const queries = grants.map((grant) => `<query>${grant}</query>`).join("");
  return `    <${name}>
      <password from_env="${CLICKHOUSE_PASSWORD_ENVS[name]}"/>
      <networks>${from.map((ip) => `<ip>${ip}</ip>`).join("")}</networks>
      <profile>${profile}</profile>
      <quota>default</quota>${queries === "" ? "" : `\n      <grants>${queries}</grants>`}
    </${name}>`;
}

function xml(body: string): string {
  return `<clickhouse>${body}\n</clickhouse>\n`;
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
