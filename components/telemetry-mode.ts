/** Where a cell's telemetry goes. */
export enum TelemetryMode {
  /** Into the cell's own ClickHouse, with a console on top. */
  Own = "own",
  /** To an OTLP endpoint outside of the cell. */
  External = "external",
  /** Nowhere: nothing is measured, and no alert ever fires. */
  Off = "off",
}
