/** A statement that ClickHouse runs at every start. */
export interface StartupStatement {
  /** One statement; running it again changes nothing. */
  query: string;
  /** A SELECT that answers 0 or 1: the statement runs only at 1. */
  condition?: string;
}

/** Where telemetry is kept. */
export const DATABASE = "otel";

/** A string literal. */
export function literal(text: string): string {
  return `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
}

/** The first of some attributes that is set, from a map column, as text. */
export function firstOf(expressions: string[]): string {
  const [only] = expressions;
  if (expressions.length === 1 && only !== undefined) return only;
  return `coalesce(${expressions.map((expression) => `nullIf(${expression}, '')`).join(", ")}, '')`;
}
