import { join } from "node:path";

/** The project's name in Pulumi.yaml. */
export const PROJECT = "clawfleet";

/** Where a backend of files keeps a stack's state. */
export function checkpointFile(backend: string, stack: string): string {
  return join(backend, ".pulumi", "stacks", PROJECT, `${stack}.json`);
}

/** Where a backend of files keeps the locks of a stack: a file for each process. */
export function locksFolder(backend: string, stack: string): string {
  return join(backend, ".pulumi", "locks", "organization", PROJECT, stack);
}
