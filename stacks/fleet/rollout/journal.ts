import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { NotFound, ValidationFailed } from "../../../components/errors";
import { eventSchema, type RolloutEvent } from "./events";
import { Unwritable } from "./unwritable";

/** What stands in a journal. */
export interface JournalContent {
  events: RolloutEvent[];
  /** Bytes up to the end of the last whole line; what is behind them was being written when the process died. */
  validBytes: number;
}

/**
 * Reads a journal. A last line without its end is what a killed process leaves, and is left out.
 * @throws NotFound without the file; ValidationFailed with the line that cannot be read: one in the middle was damaged
 * by something else, and what it said is not known.
 */
export function readJournal(file: string): JournalContent {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new NotFound({ what: `the journal cannot be read (${code})`, where: file, fix: "name an existing run" });
  }
  const validBytes = content.lastIndexOf("\n") + 1;
  const lines = content.subarray(0, validBytes).toString("utf8").split("\n").slice(0, -1);
  return { events: lines.map((line, index) => parseLine(line, `${file}:${String(index + 1)}`)), validBytes };
}

function parseLine(line: string, where: string): RolloutEvent {
  const damaged = (detail: string) =>
    new ValidationFailed({
      what: `the journal is damaged: ${detail}`,
      where,
      fix: "restore the file from a backup, or move the run's folder away and start a new run: cells that are up to date are found unchanged",
    });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw damaged("the line is no JSON");
  }
  const result = eventSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw damaged(`the line is no event of this version (${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""})`);
}

/** What nothing follows from: a resume finds it again by itself, so it need not wait for the disk. */
function canBeLost(event: RolloutEvent): boolean {
  return event.type === "cellProgress" || (event.type === "cellFinished" && event.outcome === "skipped");
}

/** An append-only file of events. What `append` returned from is on the disk, but for what can be lost. */
export class Journal {
  private constructor(
    private readonly file: string,
    private readonly descriptor: number,
    private length: number,
  ) {}

  /**
   * Opens a journal for writing; a last line that was cut off is removed.
   * @throws as `readJournal` does.
   */
  static open(file: string): { journal: Journal; events: RolloutEvent[] } {
    const { events, validBytes } = existsSync(file) ? readJournal(file) : { events: [], validBytes: 0 };
    const descriptor = openSync(file, existsSync(file) ? "r+" : "wx+", 0o600);
    ftruncateSync(descriptor, validBytes);
    fsyncSync(descriptor);
    syncFolder(dirname(file));
    return { journal: new Journal(file, descriptor, validBytes), events };
  }

  /**
   * Writes an event to the disk.
   * @throws Unwritable when the disk does not take it. The journal then ends before the event, and can be gone on with.
   */
  append(event: RolloutEvent): void {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    try {
      for (let written = 0; written < line.length;)
        written += writeSync(this.descriptor, line, written, line.length - written, this.length + written);
      if (!canBeLost(event)) fsyncSync(this.descriptor);
      this.length += line.length;
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      try {
        ftruncateSync(this.descriptor, this.length);
      } catch {
        // a torn last line is left out when it is read
      }
      throw new Unwritable(this.file, code);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** So that the file's name is on the disk as well. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
