import assert from "node:assert/strict";
import { startupStatements } from "../../components/clickhouse-config";
import type { AlertOptions } from "../../components/telemetry/alerts";
import type { StartupStatement } from "../../components/telemetry/sql";
import { viewNames } from "../../components/telemetry/views";
import { ClickHouseEngine } from "../support/clickhouse-engine";

/** What ClickHouse's server does with its startup scripts. */
async function runAll(engine: ClickHouseEngine, statements: StartupStatement[]): Promise<string[]> {
  const ran: string[] = [];
  for (const { query, condition } of statements) {
    if (condition !== undefined) {
      const [[value]] = (await engine.rows(condition)).map(Object.values) as [[unknown]];
      assert.ok(value === 0 || value === 1, `${String(value)} is no condition`);
      if (value === 0) continue;
    }
    await engine.run(query);
    ran.push(query);
  }
  return ran;
}

describe("contract of ClickHouse's SQL with its real engine", function () {
  this.timeout(180_000);
  const engine = new ClickHouseEngine();
  const settings = (alerts: AlertOptions = {}, traces = 30) => ({
    memoryBytes: 2 ** 31,
    retention: { traces, logs: 14, metrics: 90 },
    alerts,
  });
  // The engine's only user; in the cell it is the administrator.
  const start = (alerts?: AlertOptions, traces?: number) =>
    runAll(engine, startupStatements(settings(alerts, traces), "default"));

  before(() => engine.start());
  beforeEach(async () => {
    await engine.run("DROP DATABASE IF EXISTS otel SYNC");
  });
  after(() => engine.dispose());

  describe("the schema", () => {
    it("is made, and made again with nothing changed", async () => {
      const before = await start();
      assert.ok(
        before.every((query) => !query.startsWith("ALTER")),
        "a new table has its retention already",
      );
      const tables = () =>
        engine.rows("SELECT name, engine_full FROM system.tables WHERE database = 'otel' ORDER BY name");
      const made = await tables();
      assert.deepEqual(
        made.map(({ name }) => name),
        [
          "alerts",
          "alerts_evaluation",
          "alerts_firing",
          "alerts_latest",
          "alerts_now",
          ...viewNames,
          "otel_logs",
          "otel_metrics_exponential_histogram",
          "otel_metrics_gauge",
          "otel_metrics_histogram",
          "otel_metrics_sum",
          "otel_metrics_summary",
          "otel_traces",
          "otel_traces_trace_id_ts",
          "otel_traces_trace_id_ts_mv",
        ].sort(),
      );
      assert.deepEqual(await start(), before);
      assert.deepEqual(await tables(), made);
    });

    it("takes over a changed retention, of what is there already too", async () => {
      await start();
      await span({ Timestamp: "now64(9) - INTERVAL 20 DAY" });
      await span({ Timestamp: "now64(9)" });
      const altered = (await start({}, 7)).filter((query) => query.startsWith("ALTER"));
      assert.deepEqual(
        altered.map((query) => /otel\.(\w+) MODIFY TTL .*toIntervalDay\((\d+)\)/.exec(query)?.slice(1)),
        [
          ["otel_traces", "7"],
          ["otel_traces_trace_id_ts", "7"],
        ],
      );
      await engine.run("OPTIMIZE TABLE otel.otel_traces FINAL");
      assert.deepEqual(await engine.rows("SELECT count() = 1 AS kept FROM otel.otel_traces"), [{ kept: 1 }]);
      assert.deepEqual(
        (await start({}, 7)).filter((query) => query.startsWith("ALTER")),
        [],
      );
    });
  });

  describe("the views", () => {
    beforeEach(async () => {
      await start();
      const trace = { TraceId: "'t1'" };
      await span({
        ...trace,
        SpanName: "'openclaw.run'",
        "@openclaw.agent": "main",
        "@clawfleet.intent": "book a flight",
      });
      await span({
        ...trace,
        SpanName: "'openclaw.tool.execution'",
        "@gen_ai.tool.name": "browser",
        "@openclaw.agent": "main",
        "@openclaw.tool.params.kind": "object",
        "@clawfleet.approval": "granted",
        "@clawfleet.side_effect": "payment",
        "@clawfleet.validation": "passed",
        "@clawfleet.retries": "2",
      });
      await span({ ...trace, SpanName: "'search'", "@gen_ai.tool.name": "search", StatusCode: "'Error'" });
      await span({
        ...trace,
        ServiceName: "'litellm'",
        SpanName: "'litellm_request'",
        "@metadata.user_api_key_alias": "main",
        "@gen_ai.request.model": "chat",
        "@gen_ai.usage.input_tokens": "120",
        "@gen_ai.usage.output_tokens": "30",
        "@gen_ai.cost.total_cost": "0.25",
        "@clawfleet.handoff": "reviewer",
        "@clawfleet.result.score": "0.9",
      });
    });

    it("explain a task: intent, contract, tools, approval, side effects, retries, handoff, score, cost", async () => {
      const [task = {}] = await engine.rows("SELECT * EXCEPT (Start, TotalMilliseconds) FROM otel.tasks");
      assert.deepEqual(task, {
        TraceId: "t1",
        Tenant: "acme",
        Agent: "main",
        ContractVersion: "3",
        Intent: "book a flight",
        Channel: "",
        Steps: 4,
        Tools: ["browser", "search"],
        Handoffs: ["reviewer"],
        Approvals: ["granted"],
        SideEffects: ["payment"],
        Validations: ["passed"],
        Errors: [],
        Retries: 2,
        FailedSteps: 1,
        InputTokens: 120,
        OutputTokens: 30,
        Cost: 0.25,
        Outcome: "",
        ResultScore: "0.9",
      });
    });

    it("count latency, tool calls, errors and spend by tenant, agent and contract version", async () => {
      const who = { Tenant: "acme", ContractVersion: "3" };
      assert.deepEqual(await engine.rows("SELECT * EXCEPT (Day) FROM otel.spend"), [
        { ...who, Agent: "main", Model: "chat", Calls: 1, InputTokens: 120, OutputTokens: 30, Cost: 0.25 },
      ]);
      assert.deepEqual(await engine.rows("SELECT * EXCEPT (Hour, P95) FROM otel.tool_calls ORDER BY Tool"), [
        { ...who, Agent: "main", Tool: "browser", Calls: 1, Errors: 0, Asked: 1 },
        { ...who, Agent: "", Tool: "search", Calls: 1, Errors: 1, Asked: 0 },
      ]);
      assert.deepEqual(await engine.rows("SELECT SpanName, Tool FROM otel.errors"), [
        { SpanName: "search", Tool: "search" },
      ]);
      assert.deepEqual(
        await engine.rows("SELECT Calls, Errors, P50 FROM otel.latency WHERE SpanName = 'openclaw.run'"),
        [{ Calls: 1, Errors: 0, P50: 2 }],
      );
    });

    it("find a trace's day by its id", async () => {
      assert.deepEqual(await engine.rows("SELECT DISTINCT TraceId FROM otel.otel_traces_trace_id_ts"), [
        { TraceId: "t1" },
      ]);
    });
  });

  /** Inserts a span; what is an attribute begins with `@`. */
  async function span(fields: Record<string, string>): Promise<void> {
    const columns: Record<string, string> = {
      Timestamp: "now64(9)",
      TraceId: "'t0'",
      ServiceName: "'openclaw-gateway'",
      SpanName: "'openclaw.run'",
      Duration: "2000000",
      ResourceAttributes: "map('clawfleet.tenant', 'acme', 'clawfleet.contract.version', '3')",
      SpanAttributes: `map(${Object.entries(fields)
        .filter(([key]) => key.startsWith("@"))
        .flatMap(([key, value]) => [`'${key.slice(1)}'`, `'${value}'`])
        .join(", ")})`,
      ...Object.fromEntries(Object.entries(fields).filter(([key]) => !key.startsWith("@"))),
    };
    await engine.run(
      `INSERT INTO otel.otel_traces (${Object.keys(columns).join(", ")}) SELECT ${Object.values(columns).join(", ")}`,
    );
  }
});
