import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { privateFolder } from "./run-folder";
import { approvalKey } from "./run-state";
import { writeWhole } from "./whole-file";

/** What other commands ask of the process that executes a run: files, which outlive both. */
export class Control {
  constructor(private readonly folder: string) {}

  /** Asks to start no further cell. */
  pause(by: string): void {
    this.write("pause", by);
  }

  /** Takes a pause back. */
  unpause(): void {
    rmSync(join(this.folder, "pause"), { force: true });
  }

  /** Asks to cancel what runs, and to end the run for good. */
  abort(by: string): void {
    this.write("abort", by);
  }

  /** Approves a wave. */
  approve(wave: string, when: "before" | "after", by: string): void {
    this.write(approvalFile(wave, when), by);
  }

  /** Who asked to pause; undefined when nobody did. */
  paused(): string | undefined {
    return this.read("pause");
  }

  /** Who asked to abort. */
  aborted(): string | undefined {
    return this.read("abort");
  }

  /** Who approved a wave. */
  approved(wave: string, when: "before" | "after"): string | undefined {
    return this.read(approvalFile(wave, when));
  }

  private write(name: string, by: string): void {
    privateFolder(this.folder);
    writeWhole(join(this.folder, name), by);
  }

  private read(name: string): string | undefined {
    const file = join(this.folder, name);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  }
}

function approvalFile(wave: string, when: "before" | "after"): string {
  return `approve ${approvalKey(wave, when)}`.replaceAll(" ", "-");
}
