import { styleText } from "node:util";
import {
  cellsOf,
  outcomesOf,
  phaseOf,
  remainingMs,
  type CellRecord,
  type RolloutRecord,
  type WaveRecord,
} from "./record";
import { counted, duration, oneLine, reasonOf } from "./words";

/** How a table is to be drawn. */
export interface TableOptions {
  /** The terminal's width and height, in characters. */
  columns: number;
  rows: number;
  colour: boolean;
}

type Colour = "red" | "green" | "yellow" | "cyan" | "dim";
type Paint = (colour: Colour | undefined, text: string) => string;

const COLOURS: Record<string, Colour> = {
  failed: "red",
  aborted: "red",
  interrupted: "yellow",
  cancelled: "yellow",
  paused: "yellow",
  done: "green",
  unchanged: "green",
  skipped: "dim",
  waiting: "dim",
  running: "cyan",
};

/**
 * A rollout as lines for a terminal: a line for the whole, one for each wave, one for each cell that is under way or
 * failed. There are never more lines than the terminal has, nor wider ones.
 * @param now milliseconds since 1970.
 */
export function tableLines(record: RolloutRecord, now: number, { columns, rows, colour }: TableOptions): string[] {
  const paint: Paint = (name, text) =>
    colour && name !== undefined ? styleText(name, text, { validateStream: false }) : text;
  const cells = cellsOf(record);
  const width = Math.max(8, ...cells.map(({ id }) => id.length), ...record.waves.map(({ name }) => name.length + 5));
  const head = clipped(summary(record, cells, now), columns);
  const blocks = record.waves.map((wave) => ({
    title: waveLine(wave, width, columns, now, paint),
    cells: wave.cells.filter(isOfInterest).map((cell) => cellLine(cell, width, columns, now, paint)),
  }));
  // One line stays free for the cursor.
  return [head, ...fitted(blocks, rows - 2, columns)];
}

/** The waves with as many of their cells as there is room for, and a line that says how much was left out. */
function fitted(blocks: { title: string; cells: string[] }[], room: number, columns: number): string[] {
  const andMore = (number: number, what: string) => clipped(`… and ${counted(number, what)}`, columns);
  if (blocks.length > room) {
    const shown = blocks.slice(0, Math.max(0, room - 1)).map(({ title }) => title);
    return room < 1 ? [] : [...shown, andMore(blocks.length - shown.length, "wave")];
  }
  const all = blocks.reduce((sum, { cells }) => sum + cells.length, 0);
  const fits = room - blocks.length;
  let left = all <= fits ? all : Math.max(0, fits - 1);
  const hidden = all - left;
  const lines = blocks.flatMap(({ title, cells }) => {
    const shown = cells.slice(0, left);
    left -= shown.length;
    return [title, ...shown];
  });
  return hidden > 0 && fits > 0 ? [...lines, andMore(hidden, "cell")] : lines;
}

function summary(record: RolloutRecord, cells: CellRecord[], now: number): string {
  const ended = cells.filter(({ finished }) => finished !== undefined).length;
  const rest = record.finished === undefined ? remainingMs(record, now) : undefined;
  return [
    `rollout ${record.run} ${record.status}`,
    `${String(ended)}/${counted(cells.length, "cell")}`,
    duration((record.endedAt ?? now) - record.startedAt),
    ...(rest === undefined ? [] : [`about ${duration(rest)} left`]),
  ].join(" · ");
}

function waveLine(wave: WaveRecord, width: number, columns: number, now: number, paint: Paint): string {
  const ended = wave.cells.filter(({ finished }) => finished !== undefined).length;
  const { failed = 0 } = outcomesOf(wave.cells);
  const took = wave.startedAt === undefined ? "" : duration((wave.endedAt ?? now) - wave.startedAt);
  const rest = [
    `${String(ended)}/${String(wave.cells.length)}`.padEnd(9),
    took.padStart(8),
    ...(failed > 0 ? [`  ${String(failed)} failed`] : []),
    ...(wave.awaits === undefined ? [] : ["  waits for an approval"]),
  ].join(" ");
  return row([`wave ${wave.name}`.padEnd(width + 2), wave.status, rest], columns, paint);
}

/** Those that are under way, and those that failed; of the others, the wave's line has the numbers. */
function isOfInterest({ startedAt, finished }: CellRecord): boolean {
  return finished === undefined ? startedAt !== undefined : finished.outcome === "failed";
}

function cellLine(cell: CellRecord, width: number, columns: number, now: number, paint: Paint): string {
  const phase = phaseOf(cell);
  const retry = cell.retries.at(-1);
  const { done, total } = cell.progress ?? { done: 0, total: 0 };
  const status = cell.finished?.outcome ?? phase?.phase ?? (retry === undefined ? "started" : "retry");
  const took = cell.startedAt === undefined ? "" : duration((cell.endedAt ?? now) - cell.startedAt);
  const note = cell.finished !== undefined ? reasonOf(cell) : retry && `${retry.class}: ${retry.message}`;
  const attempt = cell.attempt > 1 ? `attempt ${String(cell.attempt)} ` : "";
  const rest = [
    (total > 0 ? `${String(done)}/${String(total)}` : "").padEnd(9),
    took.padStart(8),
    ...(attempt === "" && note === undefined ? [] : [` ${attempt}${note ?? ""}`]),
  ].join(" ");
  return row([`  ${cell.id}`.padEnd(width + 2), status, rest], columns, paint);
}

/** Name, status in its colour, and the rest, cut to the width: the colour is put in after the cutting. */
function row([name, status, rest]: [string, string, string], columns: number, paint: Paint): string {
  const line = oneLineKeepingIndent(`${name} ${status.padEnd(9)} ${rest}`).trimEnd();
  const cut = clipped(line, columns);
  const from = name.length + 1;
  const word = cut.slice(from, from + status.length);
  return `${cut.slice(0, from)}${paint(COLOURS[status], word)}${cut.slice(from + status.length)}`;
}

function oneLineKeepingIndent(line: string): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  return `${indent}${oneLine(line)}`;
}

function clipped(line: string, columns: number): string {
  return line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line;
}
