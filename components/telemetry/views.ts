import { DATABASE, firstOf, type StartupStatement } from "./sql";

/**
 * What explains an agent's behaviour, and which attributes of a span tell it: the names that OpenClaw's exporter and
 * LiteLLM's use (docs.openclaw.ai, gateway/opentelemetry; OpenTelemetry's conventions for generative AI), and
 * `clawfleet.*` for what neither has. The first that is set counts.
 */
export const EXPLANATION: Record<string, string[]> = {
  Agent: ["openclaw.agent", "gen_ai.agent.name", "metadata.user_api_key_alias", "clawfleet.agent"],
  ContractVersion: ["clawfleet.contract.version"],
  Intent: ["clawfleet.intent"],
  Channel: ["openclaw.channel"],
  Model: ["gen_ai.request.model", "openclaw.model"],
  Tool: ["gen_ai.tool.name", "openclaw.toolName"],
  ToolParameters: ["clawfleet.tool.parameters", "openclaw.tool.params.kind"],
  Validation: ["clawfleet.validation"],
  Retries: ["clawfleet.retries", "openclaw.attempt"],
  Handoff: ["clawfleet.handoff", "openclaw.failover.to_model"],
  Approval: ["clawfleet.approval", "openclaw.deniedReason"],
  SideEffect: ["clawfleet.side_effect"],
  Outcome: ["openclaw.outcome", "openclaw.harness.result_classification"],
  Error: ["openclaw.errorCategory", "error.type"],
  ResultScore: ["clawfleet.result.score"],
};

/** What the collector says about every signal of the cell, so that no sender can pass for another. */
export const CELL_ATTRIBUTES = {
  Tenant: "clawfleet.tenant",
  Environment: "deployment.environment.name",
  Cell: "clawfleet.cell",
  Region: "clawfleet.region",
} as const;

function attribute(keys: string[]): string {
  return firstOf(keys.flatMap((key) => [`SpanAttributes['${key}']`, `ResourceAttributes['${key}']`]));
}

function number(keys: string[]): string {
  return `toFloat64OrZero(${attribute(keys)})`;
}

const columns = [
  "Timestamp",
  "TraceId",
  "SpanId",
  "ParentSpanId",
  "ServiceName",
  "SpanName",
  "Duration / 1e6 AS Milliseconds",
  "StatusCode = 'Error' AS Failed",
  "StatusMessage",
  ...Object.entries(CELL_ATTRIBUTES).map(([column, key]) => `ResourceAttributes['${key}'] AS ${column}`),
  ...Object.entries(EXPLANATION).map(([column, keys]) => `${attribute(keys)} AS ${column}`),
  `${number(["gen_ai.usage.input_tokens", "openclaw.tokens.input"])} AS InputTokens`,
  `${number(["gen_ai.usage.output_tokens", "openclaw.tokens.output"])} AS OutputTokens`,
  // The model proxy's alone: it knows the price, and the gateway's estimate of the same call would count twice.
  `${number(["gen_ai.cost.total_cost"])} AS Cost`,
];

const WHO = "Tenant, Agent, ContractVersion";

const VIEWS: Record<string, string> = {
  /** A span with what explains it as columns. */
  steps: `SELECT ${columns.join(",\n  ")}\nFROM ${DATABASE}.otel_traces`,
  /** A task from end to end: what was meant, what was done, what came of it. */
  tasks:
    `SELECT TraceId, min(Timestamp) AS Start, max(toUnixTimestamp64Milli(Timestamp) + Milliseconds) - toUnixTimestamp64Milli(Start) AS TotalMilliseconds, ` +
    `anyIf(Tenant, Tenant != '') AS Tenant, anyIf(Agent, Agent != '') AS Agent, ` +
    `anyIf(ContractVersion, ContractVersion != '') AS ContractVersion, anyIf(Intent, Intent != '') AS Intent, ` +
    `anyIf(Channel, Channel != '') AS Channel, count() AS Steps, ` +
    `arrayMap(step -> step.2, arraySort(groupArrayIf((Timestamp, Tool), Tool != ''))) AS Tools, ` +
    ["Handoff", "Approval", "SideEffect", "Validation", "Error"]
      .map((column) => `groupUniqArrayIf(${column}, ${column} != '') AS ${column}s`)
      .join(", ") +
    `, max(toUInt32OrZero(Retries)) AS Retries, sum(Failed) AS FailedSteps, sum(InputTokens) AS InputTokens, ` +
    `sum(OutputTokens) AS OutputTokens, sum(Cost) AS Cost, argMaxIf(Outcome, Timestamp, Outcome != '') AS Outcome, ` +
    `argMaxIf(ResultScore, Timestamp, ResultScore != '') AS ResultScore ` +
    `FROM ${DATABASE}.steps WHERE TraceId != '' GROUP BY TraceId`,
  latency:
    `SELECT toStartOfHour(Timestamp) AS Hour, ${WHO}, ServiceName, SpanName, count() AS Calls, sum(Failed) AS Errors, ` +
    `quantile(0.5)(Milliseconds) AS P50, quantile(0.95)(Milliseconds) AS P95, quantile(0.99)(Milliseconds) AS P99 ` +
    `FROM ${DATABASE}.steps GROUP BY Hour, ${WHO}, ServiceName, SpanName`,
  tool_calls:
    `SELECT toStartOfHour(Timestamp) AS Hour, ${WHO}, Tool, count() AS Calls, sum(Failed OR Error != '') AS Errors, ` +
    `countIf(Approval != '') AS Asked, quantile(0.95)(Milliseconds) AS P95 ` +
    `FROM ${DATABASE}.steps WHERE Tool != '' GROUP BY Hour, ${WHO}, Tool`,
  spend:
    `SELECT toDate(Timestamp) AS Day, ${WHO}, Model, count() AS Calls, sum(step.InputTokens) AS InputTokens, ` +
    `sum(step.OutputTokens) AS OutputTokens, sum(step.Cost) AS Cost ` +
    `FROM ${DATABASE}.steps AS step WHERE step.Cost > 0 GROUP BY Day, ${WHO}, Model`,
  errors:
    `SELECT Timestamp, TraceId, ${WHO}, ServiceName, SpanName, Tool, Error, StatusMessage, Retries ` +
    `FROM ${DATABASE}.steps WHERE Failed OR Error != ''`,
};

/** The views' names: what a dashboard is made of. */
export const viewNames = Object.keys(VIEWS);

/** Views that explain what the agents did, by agent, tenant and contract version. Made anew at every start. */
export function viewStatements(): StartupStatement[] {
  return Object.entries(VIEWS).map(([name, select]) => ({
    query: `CREATE OR REPLACE VIEW ${DATABASE}.${name} AS ${select}`,
  }));
}
