import { createHash } from "node:crypto";
import type { RolloutEvent } from "../events";
import { outcomesOf, cellsOf, recordOf, type CellRecord, type RolloutRecord, type WaveRecord } from "./record";

type Attributes = Record<string, string | number | boolean>;

/** Something that happened at a moment of a span. */
interface SpanEvent {
  name: string;
  /** Milliseconds since 1970. */
  at: number;
  attributes: Attributes;
}

/** A span of a rollout's trace. */
export interface Span {
  name: string;
  /** 32 and 16 hexadecimal digits. */
  traceId: string;
  spanId: string;
  /** Undefined for the rollout itself. */
  parentId?: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  endedAt: number;
  attributes: Attributes;
  events: SpanEvent[];
  /** What went wrong; undefined when nothing did. */
  error?: string;
}

/** Whether the environment names somebody who wants traces, with OpenTelemetry's own variables. */
export function wantsTraces(env: NodeJS.ProcessEnv = process.env): boolean {
  const set = (name: string) => (env[name] ?? "") !== "";
  return set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
}

/**
 * A rollout as a trace: the rollout, in it its plan and its waves, in a wave its cells, in a cell its phases. The ids are
 * made of the run's id, so that a run that was resumed and is exported again is the same trace.
 */
export function traceOf(events: readonly RolloutEvent[]): Span[] {
  const record = recordOf(events);
  const { started } = record;
  if (started === undefined) return [];
  const end = record.endedAt ?? record.lastAt;
  const root = span(record, ["rollout"], undefined, { startedAt: record.startedAt, endedAt: end });
  return [
    {
      ...root,
      attributes: {
        "clawfleet.by": started.by,
        "clawfleet.outcome": record.status,
        ...(started.type === "runStarted"
          ? started.intent !== undefined && { "clawfleet.intent": started.intent }
          : { "clawfleet.undoes": started.of }),
        ...prefixed("clawfleet.cells", outcomesOf(cellsOf(record))),
      },
      events: runEvents(events),
      ...(record.status !== "done" && { error: record.finished?.message ?? `the rollout is ${record.status}` }),
    },
    planSpan(record, started, root),
    ...record.waves.flatMap((wave) => waveSpans(record, wave, root, end)),
  ];
}

function span(
  { run }: RolloutRecord,
  path: string[],
  parent: Span | undefined,
  time: { startedAt: number; endedAt: number },
): Span {
  return {
    name: path.join(" "),
    traceId: digest(run, 32),
    spanId: digest([run, parent?.spanId ?? "", ...path].join("\n"), 16),
    ...(parent && { parentId: parent.spanId }),
    ...time,
    attributes: {},
    events: [],
  };
}

function digest(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}

function prefixed(prefix: string, values: Record<string, string | number>): Attributes {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, value]));
}

/** The plan was made before the run; its span is the moment at which it was taken over. */
function planSpan(record: RolloutRecord, { plan }: NonNullable<RolloutRecord["started"]>, root: Span): Span {
  const time = { startedAt: record.startedAt, endedAt: record.startedAt };
  const attributes = {
    "clawfleet.plan.waves": plan.waves.length,
    "clawfleet.plan.cells": cellsOf(record).length,
    ...prefixed("clawfleet.frozen", plan.frozen),
    ...prefixed("clawfleet.budget", plan.budgets),
  };
  return { ...span(record, ["plan"], root, time), attributes };
}

/** What concerns the whole run: pauses, interruptions, the end of it. */
function runEvents(events: readonly RolloutEvent[]): SpanEvent[] {
  return events.flatMap((event): SpanEvent[] => {
    const ofRun = "by" in event && !("wave" in event) && !("plan" in event);
    return ofRun ? [{ name: event.type, at: Date.parse(event.at), attributes: { "clawfleet.by": event.by } }] : [];
  });
}

function waveSpans(record: RolloutRecord, wave: WaveRecord, root: Span, end: number): Span[] {
  if (wave.startedAt === undefined && wave.approvals.length === 0) return [];
  const approvals = wave.approvals.map(({ at, when, by }): SpanEvent => ({
    name: "approved",
    at: Date.parse(at),
    attributes: { "clawfleet.by": by, "clawfleet.approval": when },
  }));
  const startedAt = wave.startedAt ?? approvals[0]?.at ?? end;
  const own = span(record, ["wave", wave.name], root, { startedAt, endedAt: wave.endedAt ?? end });
  return [
    {
      ...own,
      attributes: {
        "clawfleet.wave": wave.name,
        "clawfleet.outcome": wave.status,
        "clawfleet.max_concurrency": wave.maxConcurrency,
        ...prefixed("clawfleet.cells", outcomesOf(wave.cells)),
      },
      events: approvals,
      ...(wave.status !== "done" && { error: `the wave is ${wave.status}` }),
    },
    ...wave.cells.flatMap((cell) => cellSpans(record, cell, own, end)),
  ];
}

function cellSpans(record: RolloutRecord, cell: CellRecord, wave: Span, end: number): Span[] {
  if (cell.startedAt === undefined) return [];
  const { finished, changes, findings, planned } = cell;
  const own = span(record, ["cell", cell.id], wave, { startedAt: cell.startedAt, endedAt: cell.endedAt ?? end });
  const error = finished === undefined ? "not finished" : finished.outcome === "failed" ? finished.message : undefined;
  const attributes: Attributes = {
    "clawfleet.cell": cell.id,
    "clawfleet.outcome": finished?.outcome ?? "not finished",
    "clawfleet.attempts": cell.attempt,
    "clawfleet.retries": cell.retries.length,
    "clawfleet.policy_findings": findings.length,
    "clawfleet.stack": planned.stack,
    "clawfleet.config_hash": planned.configHash,
    "deployment.environment.name": planned.environment,
    ...(changes && {
      "clawfleet.side_effects.added": changes.adds,
      "clawfleet.side_effects.updated": changes.updates,
      "clawfleet.side_effects.replaced": changes.replaces,
      "clawfleet.side_effects.deleted": changes.deletes,
    }),
    ...(finished?.class !== undefined && { "error.type": finished.class }),
  };
  return [
    { ...own, attributes, events: cellEvents(cell), ...(error !== undefined && { error }) },
    ...cell.phases.map((phase, index) => phaseSpan(record, cell, own, index, phase.endedAt ?? end)),
  ];
}

function cellEvents({ findings, retries, notices }: CellRecord): SpanEvent[] {
  return [
    ...findings.map(({ at, policy, level, urn, message }) => ({
      name: "policy finding",
      at: Date.parse(at),
      attributes: { "clawfleet.policy": policy, "clawfleet.level": level, "pulumi.urn": urn, message },
    })),
    ...retries.map(({ at, class: name, message, afterSeconds }) => ({
      name: "retried",
      at: Date.parse(at),
      attributes: { "error.type": name, message, "clawfleet.after_seconds": afterSeconds },
    })),
    ...notices.map(({ at, message }) => ({ name: "notice", at: Date.parse(at), attributes: { message } })),
  ].sort((a, b) => a.at - b.at);
}

/** A phase; the last one of a cell that failed is the one that it failed in. */
function phaseSpan(record: RolloutRecord, cell: CellRecord, own: Span, index: number, end: number): Span {
  const phase = cell.phases[index];
  if (phase === undefined) return own;
  const { phase: name, attempt, startedAt } = phase;
  const failed = cell.finished?.outcome === "failed" && index === cell.phases.length - 1;
  return {
    ...span(record, ["phase", name, String(index)], own, { startedAt, endedAt: end }),
    name: `phase ${name}`,
    attributes: { "clawfleet.cell": cell.id, "clawfleet.phase": name, "clawfleet.attempt": attempt },
    ...(failed && { error: cell.finished?.message ?? "failed" }),
  };
}
