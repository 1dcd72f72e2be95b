import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { startupStatements } from "../../components/clickhouse-config";
import {
  planTelemetryCollector,
  type CollectorSurroundings,
  type ExternalOtlpOptions,
} from "../../components/telemetry-collector";
import { BACKUP_METRIC } from "../../components/telemetry/alerts";
import { ensureTools } from "../../engine/toolchain/index";
import { ENGINE_PASSWORD, ENGINE_USER, ClickHouseEngine } from "../support/clickhouse-engine";
import { Collector, collectorEnv, until } from "../support/collector";
import { gauge, log, spans } from "../support/otlp";

const endpoint = (component: string, port: number) => ({ component, host: component, port });
const clickhouse = {
  endpoint: endpoint("telemetry-database", 8123),
  password: { secretName: "password", key: "password", version: 1 },
};
const cell = { instance: "prod-eu-acme", tenant: "acme", environment: "prod", region: "eu", contractVersion: "3" };
const external: ExternalOtlpOptions = {
  endpoint: "https://otlp.example.com",
  header: "Authorization",
  headerValue: { value: "not used here" },
  egress: [{ cidr: "203.0.113.0/24" }],
};
const configOf = (surroundings: CollectorSurroundings) => planTelemetryCollector({}, surroundings).config;

describe("contract of the telemetry collector with the real one", function () {
  this.timeout(600_000);
  let program = "";
  let collector: Collector;

  before(async () => {
    program = (await ensureTools(["otelcol-cell"]))["otelcol-cell"].path;
  });
  beforeEach(() => {
    collector = new Collector(program, { ...collectorEnv(ENGINE_PASSWORD), SCRAPE_LITELLM_HOST: "127.0.0.1" });
  });
  afterEach(() => collector.dispose());

  describe("the config", () => {
    const configs: Record<string, CollectorSurroundings> = {
      "of a collector alone": { clickhouse },
      "of a cell with everything": {
        ...cell,
        clickhouse,
        agent: "main",
        gateway: endpoint("gateway", 18789),
        broker: endpoint("message-broker", 8222),
        scrape: [{ job: "litellm", endpoint: endpoint("model-proxy", 4000), path: "/metrics/" }],
        certificates: ["entry-tls"],
      },
      "for an endpoint outside of the cell": { ...cell, external },
    };
    for (const [what, surroundings] of Object.entries(configs)) {
      it(`${what} is valid`, () => collector.validate(configOf(surroundings)));
    }

    it("is refused when a setting is wrong, so that the check is one", async () => {
      const config = configOf({ clickhouse });
      await assert.rejects(collector.validate(config.replace("create_schema", "create_scheme")), /create_scheme/);
      await assert.rejects(
        collector.validate(config.replace("limit_percentage: 75", "limit_percentage: 175")),
        /percentage/,
      );
    });
  });

  describe("with ClickHouse", () => {
    let engine: ClickHouseEngine;
    // Only the address is this machine's.
    const start = (surroundings: CollectorSurroundings = {}, replace: Record<string, string> = {}) =>
      collector.start(configOf({ ...cell, clickhouse, ...surroundings }), {
        ":8123": `:${String(engine.port)}`,
        "collection_interval: 1h": "collection_interval: 1s",
        "_interval: 30s": "_interval: 1s",
        ...replace,
      });
    const stored = async (name = "%") => {
      const [row] = await engine.rows<{ rows: number; distinct: number }>(
        `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(SpanId)) AS distinct FROM otel.otel_traces WHERE SpanName LIKE '${name}'`,
      );
      return row ?? { rows: 0, distinct: 0 };
    };

    before(async () => {
      engine = new ClickHouseEngine();
      await engine.start();
      const settings = { memoryBytes: 2 ** 31, retention: { traces: 30, logs: 14, metrics: 90 }, alerts: {} };
      for (const { query } of startupStatements(settings, "default")) {
        if (!query.startsWith("ALTER") && !query.includes("alerts_evaluation")) await engine.run(query);
      }
    });
    beforeEach(async () => {
      for (const table of ["otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum"]) {
        await engine.run(`TRUNCATE TABLE otel.${table}`);
      }
    });
    after(() => engine.dispose());

    it("pain 10: spans, logs and metrics arrive in our own tables, with who the cell is", async () => {
      await start();
      assert.equal(await collector.send("traces", spans(3, { resource: { "clawfleet.tenant": "another" } })), 200);
      assert.equal(await collector.send("logs", log("hello")), 200);
      assert.equal(await collector.send("metrics", gauge(BACKUP_METRIC, 1_700_000_000)), 200);
      await until("the spans are there", async () => (await stored()).distinct === 3);
      assert.deepEqual(
        await engine.rows("SELECT DISTINCT Tenant, Environment, Cell, Region, ContractVersion FROM otel.steps"),
        [{ Tenant: "acme", Environment: "prod", Cell: "prod-eu-acme", Region: "eu", ContractVersion: "3" }],
      );
      const there = async (sql: string) => (await engine.rows(sql)).length > 0;
      await until("the log", () => there("SELECT 1 FROM otel.otel_logs WHERE Body = 'hello'"));
      await until("the metric", () =>
        there(`SELECT 1 FROM otel.otel_metrics_gauge WHERE MetricName = '${BACKUP_METRIC}' AND Value = 1.7e9`),
      );
      await until("its own metrics", () =>
        there("SELECT 1 FROM otel.otel_metrics_gauge WHERE MetricName = 'otelcol_exporter_queue_capacity'"),
      );
    });

    it("stores no credential, by its name or by its form, and keeps what only looks like one", async () => {
      await start();
      const canaries = {
        "http.request.header.authorization": "canary-plain",
        "db.password": "canary-plain",
        "telegram.bot_token": "canary-plain",
        note: "calls with sk-canary0123456789abcdef in it",
        url: "https://user:canary-plain@example.com/",
      };
      const harmless = { "openclaw.tokens.total": "150", "openclaw.token": "input", task: "task-0123456789abcdefgh" };
      await collector.send("traces", spans(1, { attributes: { ...canaries, ...harmless } }));
      await collector.send("logs", log("Authorization: Bearer canary-plain-0123", { api_key: "canary-plain" }));
      await until("the span", async () => (await stored()).rows === 1);
      await until("the log", async () => (await engine.rows("SELECT 1 FROM otel.otel_logs")).length === 1);
      const all =
        (await engine.run("SELECT * FROM otel.otel_traces")) + (await engine.run("SELECT * FROM otel.otel_logs"));
      assert.doesNotMatch(all, /canary/);
      const [row] = await engine.rows<{ SpanAttributes: Record<string, string> }>(
        "SELECT SpanAttributes FROM otel.otel_traces",
      );
      for (const [key, value] of Object.entries(harmless)) assert.equal(row?.SpanAttributes[key], value);
      assert.doesNotMatch(collector.output, new RegExp(`canary|${ENGINE_PASSWORD}`));
    });

    it("loses nothing while ClickHouse is away, also when it is killed itself meanwhile", async () => {
      await start();
      await collector.send("traces", spans(10));
      await until("the first spans", async () => (await stored()).distinct === 10);
      await engine.stop();
      for (let sent = 10; sent < 1010; sent += 100) {
        assert.equal(await collector.send("traces", spans(100, { first: sent })), 200);
      }
      await collector.stop("SIGKILL");
      await start();
      assert.equal(await collector.send("traces", spans(100, { first: 1010 })), 200);
      await engine.start();
      await until("all spans are there", async () => (await stored()).distinct === 1110, 120);
    });

    it("writes in batches of thousands under load", async () => {
      await start();
      await engine.inserts("otel_traces");
      for (let sent = 0; sent < 30_000; sent += 500) {
        assert.equal(await collector.send("traces", spans(500, { first: sent })), 200);
      }
      await until("all spans are there", async () => (await stored()).distinct === 30_000, 120);
      const { rows } = await stored();
      assert.equal(rows, 30_000);
      const batches = await engine.inserts("otel_traces");
      assert.ok(batches <= 12, `${String(batches)} batches of ${String(30_000 / 500)} requests`);
    });

    it("watches the gateway and certificates", async () => {
      const folder = collector.file("certificates/entry-tls");
      mkdirSync(folder, { recursive: true });
      execFileSync(
        "openssl",
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", "/CN=claw.example.com"].concat([
          "-keyout",
          `${folder}/tls.key`,
          "-out",
          `${folder}/tls.crt`,
        ]),
        { stdio: "ignore" },
      );
      // Its answer's body is looked at too, which only the image's own version of that receiver does: the one that is
      // published for the collector's core of that version is older, and reads no more than the address.
      let status = 503;
      const gateway: Server = createServer((_, response) => response.writeHead(status).end('{"status":"started"}'));
      await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
      const { port } = gateway.address() as { port: number };
      try {
        await start({ gateway: endpoint("gateway", port), certificates: ["entry-tls"] });
        const firing = async (alert: string) =>
          (await engine.rows(`SELECT 1 FROM otel.alerts_now WHERE Alert = '${alert}' AND Firing = 1`)).length > 0;
        await until("the certificate's alert", () => firing("certificate-near-expiry"));
        assert.ok(await firing("gateway-down"), "it is not ready");
        status = 200;
        await until("the gateway is up", async () => !(await firing("gateway-down")));
      } finally {
        gateway.closeAllConnections();
        gateway.close();
      }
    });
  });

  it("refuses what it has no memory for instead of dying", async () => {
    // What the container's limit does in a cell: three quarters of it are the most that it takes.
    const limits = {
      "limit_percentage: 75": "limit_mib: 110",
      "spike_limit_percentage: 20": "spike_limit_mib: 30",
      "check_interval: 1s": "check_interval: 100ms",
    };
    collector = new Collector(program, { ...collectorEnv("unused"), GOMEMLIMIT: "110MiB" });
    await collector.start(configOf({ clickhouse }), { ...limits, ":8123": ":1" });
    const large = spans(4000, { attributes: { text: "x".repeat(2000) } });
    const statuses: number[] = [];
    let peak = 0;
    for (let round = 0; round < 8; round += 1) {
      statuses.push(...(await Promise.all(Array.from({ length: 4 }, () => collector.send("traces", large)))));
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(collector.pid)}/status`, "utf8"))?.[1];
      peak = Math.max(peak, Number(rss) / 1024);
    }
    assert.ok(collector.running, collector.output.slice(-1000));
    assert.ok(statuses.includes(503) || statuses.includes(429), `refused: ${statuses.join(" ")}`);
    assert.ok(
      statuses.every((status) => status !== 0),
      `answered: ${statuses.join(" ")}`,
    );
    await until("it takes signals again", async () => (await collector.send("traces", spans(1))) === 200);
    assert.ok(peak < 512, `${String(Math.round(peak))} MiB at most, of the 512 MiB that the container has`);
  });

  it("sends everything to an endpoint outside of the cell, with its header", async () => {
    const seen: { path: string; authorization: string | undefined }[] = [];
    const receiver = createServer((request, response) => {
      seen.push({ path: request.url ?? "", authorization: request.headers.authorization });
      request.resume();
      request.on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const { port } = receiver.address() as { port: number };
    try {
      await collector.start(configOf({ ...cell, external }), {
        "https://otlp.example.com": `http://127.0.0.1:${String(port)}`,
      });
      assert.equal(await collector.send("traces", spans(1)), 200);
      await until("it arrives", () => Promise.resolve(seen.some(({ path }) => path === "/v1/traces")));
      assert.ok(seen.every(({ authorization }) => authorization === "Bearer canary-otlp-token"));
    } finally {
      receiver.closeAllConnections();
      receiver.close();
    }
  });

  it("authenticates at ClickHouse as the user that may only insert", () => {
    assert.match(configOf({ clickhouse }), new RegExp(`username: ${ENGINE_USER}\n`));
  });
});
