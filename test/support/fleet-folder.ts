import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";

/** Writes the files of a fleet into a folder of their own; a value that is no text is written as YAML. */
export function writeFleet(files: Record<string, unknown>): { folder: string; dispose: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-fleet-"));
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "string" ? content : stringify(content));
  }
  return {
    folder,
    dispose: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
