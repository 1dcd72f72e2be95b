import { FleetError } from "../components/errors";
import type { RolloutEvent } from "../stacks/fleet/rollout/events";
import { readJournal } from "../stacks/fleet/rollout/journal";
import { RunFolder, runIds } from "../stacks/fleet/rollout/run-folder";
import type { StateLayout } from "./workspace";

/** A rollout that left a journal. */
export interface PastRun {
  run: string;
  events: RolloutEvent[];
}

/** All rollouts, from the oldest to the newest. One with a damaged journal is told of on standard error, and left out. */
export function runsOf({ folder }: StateLayout): PastRun[] {
  return runIds(folder).flatMap((run) => {
    try {
      return [{ run, events: readJournal(new RunFolder(folder, run).journal).events }];
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      process.stderr.write(`${error.message}\n`);
      return [];
    }
  });
}
