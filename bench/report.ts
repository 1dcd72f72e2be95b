import type { Summary, Verdict } from "./statistics";

/** A line of the measurements: what ran, and what it cost. */
export interface Row {
  name: string;
  summary: Summary;
}

/** The measurements and the verdicts as text, each a table with aligned columns. */
export function report(rows: readonly Row[], verdicts: readonly Verdict[]): string {
  const measured = rows.map(({ name, summary: { wall, cpu, memory, busy } }) => [
    name,
    `${seconds(wall.median)} (${seconds(wall.min)}-${seconds(wall.max)})`,
    cpu === undefined ? "-" : seconds(cpu),
    memory === undefined ? "-" : `${String(Math.round(memory / 2 ** 20))} MiB`,
    `${String(Math.round(busy * 100))} %`,
  ]);
  const judged = verdicts.map(({ name, ratio, target, ok }) => [
    name,
    ratio.toFixed(2),
    `<= ${String(target)}`,
    ok ? "ok" : "miss",
  ]);
  return [
    ...table(["", "wall, median (min-max)", "CPU", "peak memory", "all cores busy"], measured),
    "",
    ...table(["", "ratio", "target", ""], judged),
    "",
  ].join("\n");
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

/** Lines with every column as wide as its widest cell; the first is left-aligned, numbers are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
