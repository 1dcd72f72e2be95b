import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopClusters } from "../../engine/clusters";
import { descendantsOf } from "./processes";

/** A folder for whatever tests write, so that nothing of them is left when the run ends, however that is. */
export class TestRun {
  private readonly folder = mkdtempSync(join(tmpdir(), "clawfleet-tests-"));
  interrupted = false;

  /** The folder becomes the one for temporary files, here and in whatever is started from here. */
  constructor() {
    chmodSync(this.folder, 0o711); // some programs run as nobody, in folders of their own
    process.env.TMPDIR = this.folder;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (this.interrupted) return;
        this.interrupted = true;
        process.stderr.write("interrupted: ending what the tests started\n");
        // With SIGKILL, parents first, so that nobody starts anything more.
        for (const pid of descendantsOf(process.pid)) {
          try {
            process.kill(pid, "SIGKILL");
          } catch {
            // it has ended
          }
        }
        void this.dispose().finally(() => process.exit(130));
      });
    }
  }

  /** Stops the clusters that a test left, as one does that is interrupted, and removes the folder. */
  async dispose(): Promise<void> {
    for (const name of readdirSync(this.folder)) {
      const folder = join(this.folder, name);
      if (existsSync(join(folder, "clusters"))) await stopClusters(folder);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
