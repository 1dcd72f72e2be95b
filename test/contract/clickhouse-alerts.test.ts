import assert from "node:assert/strict";
import { startupStatements } from "../../components/clickhouse-config";
import { alertRules, BACKUP_METRIC } from "../../components/telemetry/alerts";
import { ClickHouseEngine } from "../support/clickhouse-engine";

const DAY = 86_400;

describe("contract of the alerts with ClickHouse's real engine", function () {
  this.timeout(180_000);
  const engine = new ClickHouseEngine();
  const alerts = { backupHours: 26 };

  before(async () => {
    await engine.start();
    const retention = { traces: 30, logs: 14, metrics: 90 };
    // The engine's only user; in the cell it is the administrator.
    for (const { query } of startupStatements({ memoryBytes: 2 ** 31, retention, alerts }, "default")) {
      if (!query.startsWith("ALTER")) await engine.run(query);
    }
  });
  beforeEach(async () => {
    for (const table of ["otel_metrics_gauge", "otel_metrics_sum", "otel_traces", "alerts"]) {
      await engine.run(`TRUNCATE TABLE otel.${table}`);
    }
  });
  after(() => engine.dispose());

  async function metric(
    kind: "gauge" | "sum",
    name: string,
    value: number | string,
    minutesAgo: number,
    attributes: Record<string, string> = {},
    service = "",
  ): Promise<void> {
    const map = Object.entries(attributes).flatMap(([key, text]) => [`'${key}'`, `'${text}'`]);
    await engine.run(
      `INSERT INTO otel.otel_metrics_${kind} (MetricName, Value, TimeUnix, Attributes, ServiceName) ` +
        `SELECT '${name}', ${String(value)}, toStartOfMinute(now()) - INTERVAL ${String(minutesAgo)} MINUTE, map(${map.join(", ")}), '${service}'`,
    );
  }
  const url = { "http.url": "http://gateway:18789/startupz" };
  const answered = (minutesAgo: number, status = "2xx") =>
    metric("sum", "httpcheck.status", 1, minutesAgo, { ...url, "http.status_class": status });

  /** The subjects for which an alert fires. */
  async function firing(alert: string): Promise<string[]> {
    const rows = await engine.rows<{ Subject: string; Firing: number }>(
      `SELECT Subject, Firing FROM otel.alerts_now WHERE Alert = '${alert}' ORDER BY Subject`,
    );
    return rows.filter((row) => row.Firing === 1).map(({ Subject }) => Subject);
  }

  it("has a test for every rule", () => {
    const tested = this.tests.map(({ title }) => title.split(":")[0]);
    assert.deepEqual(
      alertRules(alerts)
        .map(({ name }) => name)
        .filter((name) => !tested.includes(name)),
      [],
    );
  });

  it("gateway-down: fires when no check was answered well for 5 minutes", async () => {
    assert.deepEqual(await firing("gateway-down"), ["gateway"]);
    await answered(6);
    await answered(2, "5xx");
    // It answers, but not what a started gateway does.
    await answered(1);
    await metric("sum", "httpcheck.validation.failed", 1, 1, url);
    assert.deepEqual(await firing("gateway-down"), ["gateway"]);
    await answered(4);
    assert.deepEqual(await firing("gateway-down"), []);
  });

  it("gateway-silent: pain 10: a gateway that is up and exports nothing is noticed", async () => {
    await answered(1);
    assert.deepEqual(await firing("gateway-silent"), [], "it has been up for a minute");
    await answered(45);
    assert.deepEqual(await firing("gateway-silent"), ["gateway"]);
    await metric("sum", "openclaw.message.queued", 1, 3, {}, "openclaw-gateway");
    assert.deepEqual(await firing("gateway-silent"), []);
  });

  it("queue-growing: fires for a queue that is long and gets longer", async () => {
    const pending = (value: number, minutesAgo: number, consumer: string, stream = "outbound") =>
      metric("gauge", "jetstream_consumer_num_pending", value, minutesAgo, {
        stream_name: stream,
        consumer_name: consumer,
      });
    await pending(500, 10, "shrinks");
    await pending(200, 1, "shrinks");
    await pending(1, 10, "short");
    await pending(99, 1, "short");
    await pending(900, 20, "long-ago");
    await pending(10, 10, "dead", "outbound-dead");
    await pending(400, 1, "dead", "outbound-dead");
    assert.deepEqual(await firing("queue-growing"), []);
    await pending(90, 10, "grows");
    await pending(100, 1, "grows");
    assert.deepEqual(await firing("queue-growing"), ["outbound/grows"]);
  });

  it("dead-letters: fires for the first message that nobody could deliver", async () => {
    const messages = (value: number, minutesAgo: number, stream: string) =>
      metric("gauge", "jetstream_stream_total_messages", value, minutesAgo, { stream_name: stream });
    await messages(7, 1, "OUTBOUND");
    await messages(1, 5, "OUTBOUND_DEAD");
    assert.deepEqual(await firing("dead-letters"), ["OUTBOUND_DEAD"]);
    await messages(0, 1, "OUTBOUND_DEAD");
    assert.deepEqual(await firing("dead-letters"), []);
  });

  it("budget-near-limit: fires from 80 % on, and never for a key without a budget", async () => {
    const key = async (alias: string, remaining: number | string, most: number | string) => {
      const labels = { api_key_alias: alias, hashed_api_key: `hash-of-${alias}` };
      await metric("gauge", "litellm_remaining_api_key_budget_metric", remaining, 1, labels);
      await metric("gauge", "litellm_api_key_max_budget_metric", most, 1, labels);
    };
    await key("frugal", 2.1, 10);
    await key("unlimited", "inf", 0);
    assert.deepEqual(await firing("budget-near-limit"), []);
    await key("near", 2, 10);
    await key("over", -1, 10);
    await key("None", 0, 10);
    assert.deepEqual(await firing("budget-near-limit"), ["hash-of-None", "near", "over"]);
  });

  it("certificate-near-expiry: fires three weeks before", async () => {
    const left = (cn: string, days: number) =>
      metric("gauge", "tlscheck.time_left", days * DAY, 60, { "tlscheck.x509.cn": cn });
    await left("fresh.example.com", 22);
    assert.deepEqual(await firing("certificate-near-expiry"), []);
    await left("old.example.com", 20);
    await left("expired.example.com", -1);
    assert.deepEqual(await firing("certificate-near-expiry"), ["expired.example.com", "old.example.com"]);
  });

  it("backup-too-old: fires without a backup and after 26 hours", async () => {
    assert.deepEqual(await firing("backup-too-old"), ["backup"]);
    await metric("gauge", BACKUP_METRIC, `toUnixTimestamp(now()) - ${String(27 * 3600)}`, 27 * 60);
    assert.deepEqual(await firing("backup-too-old"), ["backup"]);
    await metric("gauge", BACKUP_METRIC, `toUnixTimestamp(now()) - ${String(25 * 3600)}`, 25 * 60);
    assert.deepEqual(await firing("backup-too-old"), []);
  });

  it("are evaluated by ClickHouse, which writes down each change once", async () => {
    const evaluate = async () => {
      await engine.run("SYSTEM REFRESH VIEW otel.alerts_evaluation");
      await engine.run("SYSTEM WAIT VIEW otel.alerts_evaluation");
      return engine.rows(
        "SELECT Alert, Subject, Firing FROM otel.alerts WHERE Alert IN ('gateway-down', 'dead-letters') ORDER BY Time, Alert, Firing",
      );
    };
    const dead = { Alert: "dead-letters", Subject: "DEAD" };
    const down = { Alert: "gateway-down", Subject: "gateway" };
    await answered(0);
    assert.deepEqual(await evaluate(), []);
    await metric("gauge", "jetstream_stream_total_messages", 3, 0, { stream_name: "DEAD" });
    assert.deepEqual(await evaluate(), [{ ...dead, Firing: 1 }]);
    assert.deepEqual(await evaluate(), [{ ...dead, Firing: 1 }], "nothing changed");
    assert.deepEqual(await engine.rows("SELECT Alert, Subject FROM otel.alerts_firing WHERE Alert = 'dead-letters'"), [
      dead,
    ]);
    // The stream is gone, and so is the gateway. Changes of one second would have no order.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await engine.run("TRUNCATE TABLE otel.otel_metrics_gauge");
    await engine.run("TRUNCATE TABLE otel.otel_metrics_sum");
    assert.deepEqual(await evaluate(), [
      { ...dead, Firing: 1 },
      { ...dead, Firing: 0 },
      { ...down, Firing: 1 },
    ]);
    assert.deepEqual(await engine.rows("SELECT Alert FROM otel.alerts_firing WHERE Alert = 'dead-letters'"), []);
  });
});
