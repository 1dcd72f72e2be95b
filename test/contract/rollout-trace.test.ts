import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { ensureTools } from "../../engine/toolchain";
import { exportTrace } from "../../stacks/fleet/rollout/view/export-trace";
import { traceOf, wantsTraces } from "../../stacks/fleet/rollout/view/trace";
import { Collector, until } from "../support/collector";
import { failedRun, HOSTILE } from "../support/rollout-run";

interface KeyValue {
  key: string;
  value: { stringValue?: string; intValue?: string };
}

/** A span as OTLP's JSON has it. */
interface Received {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: KeyValue[];
  events?: { name: string; attributes?: KeyValue[] }[];
  status: { code?: number; message?: string };
}

interface Export {
  resourceSpans: { resource: { attributes: KeyValue[] }; scopeSpans: { spans: Received[] }[] }[];
}

const VARIABLES = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT"] as const;

describe("a rollout's trace over OTLP", function () {
  this.timeout(120_000);
  const exports: Export[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const sink = createServer((incoming, outgoing) => {
    headers.push(incoming.headers);
    void text(incoming).then((body) => {
      exports.push(JSON.parse(body) as Export);
      outgoing.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  const before_ = VARIABLES.map((name) => [name, process.env[name]] as const);
  let sinkUrl: string;

  before(async () => {
    await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
    sinkUrl = `http://127.0.0.1:${String((sink.address() as AddressInfo).port)}`;
  });
  beforeEach(() => {
    exports.length = 0;
    headers.length = 0;
  });
  after(() => {
    sink.closeAllConnections();
    sink.close();
    for (const [name, value] of before_)
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  });

  it("goes through the real collector, and explains the rollout", async () => {
    const collector = new Collector((await ensureTools(["otelcol-cell"]))["otelcol-cell"].path);
    try {
      await collector.start(
        stringify({
          extensions: { health_check: { endpoint: "0.0.0.0:13133" } },
          receivers: { otlp: { protocols: { http: { endpoint: "0.0.0.0:4318" } } } },
          exporters: { otlphttp: { endpoint: sinkUrl, encoding: "json", compression: "none" } },
          service: {
            extensions: ["health_check"],
            pipelines: { traces: { receivers: ["otlp"], exporters: ["otlphttp"] } },
            telemetry: { metrics: { level: "none" } },
          },
        }),
      );
      process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.endpoint;
      assert.ok(wantsTraces());
      await exportTrace(traceOf(failedRun()), "1.2.3");
      await until("the collector has passed it on", () => Promise.resolve(exports.length > 0));
    } finally {
      await collector.dispose();
    }
    const [{ resource, scopeSpans } = { resource: { attributes: [] }, scopeSpans: [] }] =
      exports[0]?.resourceSpans ?? [];
    assert.deepEqual(values(resource.attributes), { "service.name": "clawfleet", "service.version": "1.2.3" });
    const spans = scopeSpans.flatMap((scope) => scope.spans);
    assert.deepEqual(tree(spans), [
      "rollout",
      "  plan",
      "  wave canary",
      "    cell eu-acme",
      "      phase identity",
      "      phase preview",
      "      phase up",
      "      phase health",
      "  wave rest",
      "    cell eu-globex",
      "      phase identity",
      "      phase policy",
    ]);
    const span = (name: string) => spans.find((candidate) => candidate.name === name);
    assert.deepEqual(values(span("rollout")?.attributes), {
      "clawfleet.by": "ada@desk",
      "clawfleet.intent": "OpenClaw 2026.9.6",
      "clawfleet.outcome": "failed",
      "clawfleet.cells.done": "1",
      "clawfleet.cells.failed": "1",
      "clawfleet.cells.skipped": "1",
    });
    assert.equal(values(span("plan")?.attributes)["clawfleet.frozen.configHash"], "c0");
    assert.deepEqual(
      span("wave canary")?.events?.map(({ name, attributes }) => [name, values(attributes)["clawfleet.by"]]),
      [["approved", "grace@desk"]],
    );
    const acme = values(span("cell eu-acme")?.attributes);
    assert.deepEqual(
      ["side_effects.added", "side_effects.updated", "config_hash", "stack"].map((key) => acme[`clawfleet.${key}`]),
      ["3", "1", "hash-of-eu-acme", "eu-acme"],
    );
    const globex = span("cell eu-globex");
    assert.deepEqual(globex?.status, { code: 2, message: HOSTILE });
    assert.equal(values(globex.attributes)["error.type"], "PolicyViolation");
    assert.deepEqual(
      globex.events?.map(({ name }) => name),
      ["retried", "policy finding"],
    );
    const up = span("phase up");
    assert.equal(Number(up?.endTimeUnixNano) - Number(up?.startTimeUnixNano), 10e9);
  });

  it("is sent with the headers that the environment names, and is the same trace when it is sent again", async () => {
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = sinkUrl;
    process.env.OTEL_EXPORTER_OTLP_HEADERS = "authorization=Bearer%20canary";
    await exportTrace(traceOf(failedRun().slice(0, -1)), "1.2.3");
    await exportTrace(traceOf(failedRun()), "1.2.3");
    assert.deepEqual(
      headers.map(({ authorization }) => authorization),
      ["Bearer canary", "Bearer canary"],
    );
    const ids = exports.map(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap(({ spans }) => spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`)),
      ),
    );
    assert.deepEqual(ids[0], ids[1]);
    assert.equal(new Set(ids[0]).size, 12);
  });

  it("is off without an endpoint, and says so when nobody takes it", async () => {
    assert.ok(!wantsTraces({}));
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:1";
    process.env.OTEL_EXPORTER_OTLP_TIMEOUT = "500";
    await assert.rejects(exportTrace(traceOf(failedRun()), "1.2.3"));
  });
});

function values(attributes: KeyValue[] = []): Record<string, string | undefined> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? (value.intValue && String(value.intValue))]),
  );
}

/** The spans' names, indented below those that they are in. */
function tree(spans: Received[], parent = "", indent = ""): string[] {
  return spans
    .filter(({ parentSpanId = "" }) => parentSpanId === parent)
    .flatMap(({ name, spanId }) => [`${indent}${name}`, ...tree(spans, spanId, `${indent}  `)]);
}
