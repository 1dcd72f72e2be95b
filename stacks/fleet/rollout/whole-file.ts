import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { Unwritable } from "./unwritable";

/**
 * Writes a file in one step and onto the disk, for this user alone.
 * @throws Unwritable
 */
export function writeWhole(file: string, content: string): void {
  const draft = `${file}.${String(process.pid)}`;
  try {
    const descriptor = openSync(draft, "w", 0o600);
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, file);
  } catch (error) {
    throw new Unwritable(file, (error as NodeJS.ErrnoException).code ?? "");
  }
}
