/** Attributes in OTLP's JSON form. */
function keyValues(attributes: Record<string, string>): { key: string; value: { stringValue: string } }[] {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}

/** A trace export with spans that are named by their number from `first` on. */
export function spans(
  count: number,
  options: { first?: number; resource?: Record<string, string>; attributes?: Record<string, string> } = {},
): object {
  const { first = 0, resource = {}, attributes = {} } = options;
  const now = BigInt(Date.now()) * 1_000_000n;
  return {
    resourceSpans: [
      {
        resource: { attributes: keyValues({ "service.name": "openclaw-gateway", ...resource }) },
        scopeSpans: [
          {
            scope: { name: "test" },
            spans: Array.from({ length: count }, (_, index) => ({
              traceId: String(first + index).padStart(32, "0"),
              spanId: String(first + index + 1).padStart(16, "0"),
              name: `span-${String(first + index)}`,
              kind: 1,
              startTimeUnixNano: String(now),
              endTimeUnixNano: String(now + 5_000_000n),
              attributes: keyValues(attributes),
            })),
          },
        ],
      },
    ],
  };
}

/** A log export of one record. */
export function log(body: string, attributes: Record<string, string> = {}): object {
  const record = { body: { stringValue: body }, attributes: keyValues(attributes), severityText: "INFO" };
  return {
    resourceLogs: [
      {
        resource: { attributes: keyValues({ "service.name": "openclaw-gateway" }) },
        scopeLogs: [{ logRecords: [{ ...record, timeUnixNano: String(BigInt(Date.now()) * 1_000_000n) }] }],
      },
    ],
  };
}

/** A metric export of one gauge. */
export function gauge(name: string, value: number): object {
  const point = { asDouble: value, timeUnixNano: String(BigInt(Date.now()) * 1_000_000n) };
  return {
    resourceMetrics: [
      {
        resource: { attributes: keyValues({ "service.name": "backup" }) },
        scopeMetrics: [{ metrics: [{ name, gauge: { dataPoints: [point] } }] }],
      },
    ],
  };
}
