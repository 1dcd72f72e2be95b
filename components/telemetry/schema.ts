import { DATABASE, type StartupStatement } from "./sql";

/** Days that each kind of signal is kept. */
export interface RetentionDays {
  traces: number;
  logs: number;
  metrics: number;
}

/** A column: its name, and its type with its codec. */
type Column = [name: string, type: string];

const ZSTD = "CODEC(ZSTD(1))";
const TEXT = `String ${ZSTD}`;
const FEW = `LowCardinality(String) ${ZSTD}`;
const ATTRIBUTES = `Map(LowCardinality(String), String) ${ZSTD}`;
const SECONDS = "DateTime CODEC(Delta, ZSTD(1))";
const NUMBER = `Float64 ${ZSTD}`;

interface Table {
  name: string;
  /** The column that partitions and retention go by. */
  time: string;
  columns: Column[];
  indexes: string[];
  orderBy: string;
  keep: keyof RetentionDays;
}

/** Looks an attribute up by its key or its value without reading every row. */
const attributeIndexes = (columns: string[]) =>
  columns.flatMap((column) => [
    `INDEX idx_${column}_keys mapKeys(${column}) TYPE bloom_filter(0.01) GRANULARITY 1`,
    `INDEX idx_${column}_values mapValues(${column}) TYPE bloom_filter(0.01) GRANULARITY 1`,
  ]);

const TRACES: Table = {
  name: "otel_traces",
  time: "Timestamp",
  keep: "traces",
  columns: [
    ["Timestamp", "DateTime64(9) CODEC(Delta, ZSTD(1))"],
    ["TraceId", TEXT],
    ["SpanId", TEXT],
    ["ParentSpanId", TEXT],
    ["TraceState", TEXT],
    ["SpanName", FEW],
    ["SpanKind", FEW],
    ["ServiceName", FEW],
    ["ResourceAttributes", ATTRIBUTES],
    ["ScopeName", TEXT],
    ["ScopeVersion", TEXT],
    ["SpanAttributes", ATTRIBUTES],
    ["Duration", `UInt64 ${ZSTD}`],
    ["StatusCode", FEW],
    ["StatusMessage", TEXT],
    [
      "Events",
      `Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) ${ZSTD}`,
    ],
    [
      "Links",
      `Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) ${ZSTD}`,
    ],
  ],
  indexes: [
    "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
    ...attributeIndexes(["ResourceAttributes", "SpanAttributes"]),
    "INDEX idx_duration Duration TYPE minmax GRANULARITY 1",
  ],
  orderBy: "(ServiceName, SpanName, toDateTime(Timestamp))",
};

/** When a trace began and ended, so that one is found by its id without reading every day. */
const TRACE_TIMES: Table = {
  name: "otel_traces_trace_id_ts",
  time: "Start",
  keep: "traces",
  columns: [
    ["TraceId", TEXT],
    ["Start", SECONDS],
    ["End", SECONDS],
  ],
  indexes: ["INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1"],
  orderBy: "(TraceId, Start)",
};

const LOGS: Table = {
  name: "otel_logs",
  time: "Timestamp",
  keep: "logs",
  columns: [
    ["Timestamp", "DateTime64(9) CODEC(Delta, ZSTD(1))"],
    ["TraceId", TEXT],
    ["SpanId", TEXT],
    ["TraceFlags", "UInt8"],
    ["SeverityText", FEW],
    ["SeverityNumber", "UInt8"],
    ["ServiceName", FEW],
    ["Body", TEXT],
    ["ResourceSchemaUrl", FEW],
    ["ResourceAttributes", ATTRIBUTES],
    ["ScopeSchemaUrl", FEW],
    ["ScopeName", TEXT],
    ["ScopeVersion", FEW],
    ["ScopeAttributes", ATTRIBUTES],
    ["LogAttributes", ATTRIBUTES],
    ["EventName", TEXT],
  ],
  indexes: [
    "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
    ...attributeIndexes(["ResourceAttributes", "LogAttributes"]),
    "INDEX idx_body lower(Body) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
  ],
  orderBy: "(toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)",
};

const EXEMPLARS: Column = [
  "Exemplars",
  `Nested (FilteredAttributes Map(LowCardinality(String), String), TimeUnix DateTime, Value Float64, SpanId String, TraceId String) ${ZSTD}`,
];
const TEMPORALITY: Column = ["AggregationTemporality", `Int32 ${ZSTD}`];
const COUNT: Column[] = [
  ["Count", "UInt64 CODEC(Delta, ZSTD(1))"],
  ["Sum", NUMBER],
];
const EXTREMES: Column[] = [
  ["Min", NUMBER],
  ["Max", NUMBER],
];

function metrics(kind: string, columns: Column[]): Table {
  return {
    name: `otel_metrics_${kind}`,
    time: "TimeUnix",
    keep: "metrics",
    columns: [
      ["ResourceAttributes", ATTRIBUTES],
      ["ResourceSchemaUrl", TEXT],
      ["ScopeName", TEXT],
      ["ScopeVersion", TEXT],
      ["ScopeAttributes", ATTRIBUTES],
      ["ScopeDroppedAttrCount", `UInt32 ${ZSTD}`],
      ["ScopeSchemaUrl", TEXT],
      ["ServiceName", FEW],
      ["MetricName", FEW],
      ["MetricDescription", TEXT],
      ["MetricUnit", TEXT],
      ["Attributes", ATTRIBUTES],
      ["StartTimeUnix", SECONDS],
      ["TimeUnix", SECONDS],
      ...columns,
      ["Flags", `UInt32 ${ZSTD}`],
    ],
    indexes: [
      ...attributeIndexes(["ResourceAttributes", "Attributes"]),
      "INDEX idx_time TimeUnix TYPE minmax GRANULARITY 1",
    ],
    orderBy: "(ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)",
  };
}

const METRICS: Table[] = [
  metrics("gauge", [["Value", NUMBER], EXEMPLARS]),
  metrics("sum", [["Value", NUMBER], EXEMPLARS, TEMPORALITY, ["IsMonotonic", `Boolean CODEC(Delta, ZSTD(1))`]]),
  metrics("histogram", [
    ...COUNT,
    ["BucketCounts", `Array(UInt64) ${ZSTD}`],
    ["ExplicitBounds", `Array(Float64) ${ZSTD}`],
    EXEMPLARS,
    ...EXTREMES,
    TEMPORALITY,
  ]),
  metrics("exponential_histogram", [
    ...COUNT,
    ["Scale", `Int32 ${ZSTD}`],
    ["ZeroCount", `UInt64 ${ZSTD}`],
    ["PositiveOffset", `Int32 ${ZSTD}`],
    ["PositiveBucketCounts", `Array(UInt64) ${ZSTD}`],
    ["NegativeOffset", `Int32 ${ZSTD}`],
    ["NegativeBucketCounts", `Array(UInt64) ${ZSTD}`],
    EXEMPLARS,
    ...EXTREMES,
    TEMPORALITY,
  ]),
  metrics("summary", [...COUNT, ["ValueAtQuantiles", `Nested (Quantile Float64, Value Float64) ${ZSTD}`]]),
];

/** What an alert said and when, and what it says now. */
const ALERTS: Table = {
  name: "alerts",
  time: "Time",
  keep: "metrics",
  columns: [
    ["Time", "DateTime"],
    ["Alert", "LowCardinality(String)"],
    ["Severity", "LowCardinality(String)"],
    ["Subject", "String"],
    ["Firing", "UInt8"],
    ["Value", "Float64"],
    ["Threshold", "Float64"],
    ["Summary", "String"],
  ],
  indexes: [],
  orderBy: "(Alert, Subject, Time)",
};

const TABLES: Table[] = [TRACES, TRACE_TIMES, LOGS, ...METRICS, ALERTS];

/**
 * The tables, as the collector's ClickHouse exporter 0.160 writes them when it does not create them itself
 * (`create_schema: false`; columns: its internal/sqltemplates, of which its INSERTs name every one), and their retention.
 * A table that exists gets the retention that is asked for now.
 */
export function tableStatements(retention: RetentionDays, definer: string): StartupStatement[] {
  return [
    { query: `CREATE DATABASE IF NOT EXISTS ${DATABASE}` },
    ...TABLES.map((table) => ({ query: createTable(table, retention) })),
    ...TABLES.map((table) => keepFor(table, retention[table.keep])),
    {
      query:
        `CREATE MATERIALIZED VIEW IF NOT EXISTS ${DATABASE}.otel_traces_trace_id_ts_mv TO ${DATABASE}.${TRACE_TIMES.name} ` +
        `DEFINER = ${definer} SQL SECURITY DEFINER AS SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End ` +
        `FROM ${DATABASE}.${TRACES.name} WHERE TraceId != '' GROUP BY TraceId`,
    },
  ];
}

function createTable({ name, time, columns, indexes, orderBy, keep }: Table, retention: RetentionDays): string {
  const body = [...columns.map(([column, type]) => `\`${column}\` ${type}`), ...indexes].join(",\n  ");
  return (
    `CREATE TABLE IF NOT EXISTS ${DATABASE}.${name} (\n  ${body}\n) ENGINE = MergeTree PARTITION BY toDate(${time}) ` +
    `ORDER BY ${orderBy} TTL ${expiry(time, retention[keep])} ` +
    // A partition is a day: what has expired is dropped as a whole, which costs nothing, instead of rewritten.
    `SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1`
  );
}

/** In the form that ClickHouse keeps, so that it can be compared. */
function expiry(time: string, days: number): string {
  return `toDateTime(${time}) + toIntervalDay(${String(days)})`;
}

function keepFor({ name, time }: Table, days: number): StartupStatement {
  return {
    query: `ALTER TABLE ${DATABASE}.${name} MODIFY TTL ${expiry(time, days)}`,
    // Changing it, even to the same, has every part looked at again.
    condition:
      `SELECT position(engine_full, 'toIntervalDay(${String(days)})') = 0 FROM system.tables ` +
      `WHERE database = '${DATABASE}' AND name = '${name}'`,
  };
}

/** The tables that the collector writes into. */
export const signalTables = [TRACES, LOGS, ...METRICS].map(({ name }) => name);
