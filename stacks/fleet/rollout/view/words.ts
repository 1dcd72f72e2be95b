import { stripVTControlCharacters } from "node:util";
import type { CellRecord } from "./record";

/** A duration for people: `850 ms` is `1s`, then `59s`, `4m 05s`, `2h 05m`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${String(seconds)}s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)}m ${two(seconds % 60)}s`;
  return `${String(Math.floor(minutes / 60))}h ${two(minutes % 60)}m`;
}

/** A number of things: `1 cell`, `2 cells`. */
export function counted(number: number, what: string): string {
  return `${String(number)} ${what}${number === 1 ? "" : "s"}`;
}

/** What a rollout changes in a cell: `3 added, 1 updated`; `nothing` when it is none of these. */
export function changesInWords(changes: NonNullable<CellRecord["changes"]>): string {
  const parts: [number, string][] = [
    [changes.adds, "added"],
    [changes.updates, "updated"],
    [changes.replaces, "replaced"],
    [changes.deletes, "deleted"],
  ];
  return (
    parts
      .filter(([number]) => number > 0)
      .map(([number, word]) => `${String(number)} ${word}`)
      .join(", ") || "nothing"
  );
}

/** Why a cell failed, in one line: the error's class and message. */
export function reasonOf({ finished }: CellRecord): string {
  const { class: name, message } = finished ?? {};
  return [name, message].filter((part) => part !== undefined).join(": ");
}

/** Text as one line without control characters: what a terminal or a log could take for more than text. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
}
