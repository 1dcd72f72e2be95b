import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { ExportResultCode, hrTimeDuration, type ExportResult } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import type { Span } from "./trace";

/**
 * Sends a trace over OTLP/HTTP; endpoint, headers and time limit are those of OTEL_EXPORTER_OTLP_*.
 * @throws Error when it was not taken, after the retries that the protocol asks for.
 */
export async function exportTrace(spans: readonly Span[], version: string): Promise<void> {
  const resource = new Resource({ "service.name": "clawfleet", "service.version": version });
  const exporter = new OTLPTraceExporter();
  try {
    const result = await new Promise<ExportResult>((fulfil) => {
      exporter.export(
        spans.map((span) => readable(span, resource, version)),
        fulfil,
      );
    });
    if (result.code !== ExportResultCode.SUCCESS) throw result.error ?? new Error("the trace was not taken");
  } finally {
    await exporter.shutdown();
  }
}

function readable(span: Span, resource: Resource, version: string): ReadableSpan {
  const [startTime, endTime] = [hrTime(span.startedAt), hrTime(span.endedAt)];
  return {
    name: span.name,
    kind: SpanKind.INTERNAL,
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: TraceFlags.SAMPLED }),
    ...(span.parentId !== undefined && { parentSpanId: span.parentId }),
    startTime,
    endTime,
    duration: hrTimeDuration(startTime, endTime),
    status:
      span.error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: span.attributes,
    events: span.events.map(({ name, at, attributes }) => ({ name, time: hrTime(at), attributes })),
    links: [],
    ended: true,
    resource,
    instrumentationLibrary: { name: "clawfleet", version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
function hrTime(milliseconds: number): [number, number] {
  return [Math.floor(milliseconds / 1000), Math.round((milliseconds % 1000) * 1e6)];
}
