/** Where a cell's telemetry goes. */
export enum TelemetryMode {
  /** Into the cell's own ClickHouse, with a console on top. */
  Own = "own",
  /** To an OTLP endpoint outside of the cell. */
  External = "external",
  /** Nowhere: nothing is measured, and no alert ever fires. */
  Off = "off",
}

/** The mode that holds. */
export function telemetryMode({ mode = TelemetryMode.Own }: { mode?: TelemetryMode }): TelemetryMode {
  return mode;
}

/** Whether there is a console, which only telemetry of one's own has something to show on. */
export function hasConsole(options: { mode?: TelemetryMode; consoleEnabled?: boolean }): boolean {
  return telemetryMode(options) === TelemetryMode.Own && (options.consoleEnabled ?? true);
}
