import { existsSync } from "node:fs";
import { join } from "node:path";
import { FleetError, ValidationFailed } from "../../components/errors";
import type { Trace } from "../../stacks/fleet/check/findings";
import { traceIn } from "../../stacks/fleet/check/trace";
import { cellById } from "../../stacks/fleet/inventory";
import { readYaml } from "../../stacks/fleet/yaml-file";
import type { FleetFiles } from "../fleet-files";

/**
 * Checks the settings of stacks, and tells every problem at once, before the first preview.
 * @throws ValidationFailed
 */
export function assertSettings(files: FleetFiles, stacks: Iterable<string>): void {
  const problems = new Set<string>();
  for (const cell of [...stacks].flatMap((stack) => files.stacks.get(stack) ?? [])) {
    try {
      files.merged(cell);
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      problems.add(error.where === undefined ? error.what : `${error.where}: ${error.what}`);
    }
  }
  if (problems.size > 0)
    throw new ValidationFailed({ what: [...problems].join("\n  "), fix: "correct what is named above" });
}

/** Finds the line of the overlay that a property of a resource comes from. */
export function settingTrace(files: FleetFiles, inRepository: (file: string) => string): Trace {
  return traceIn((id) => {
    const cell = cellById(files.fleet, id);
    return { settings: files.merged(cell).settings, layers: files.layers(cell) };
  }, inRepository);
}

/** Secrets of a stack's file whose encrypted values differ between two folders; what they are is nobody's business here. */
export function changedSecrets(stack: string, base: string, head: string): string[] {
  const [before, after] = [configOf(base, stack), configOf(head, stack)];
  const isSecret = (value: unknown) => typeof value === "object" && value !== null && "secure" in value;
  return Object.entries(after)
    .filter(([key, value]) => isSecret(value) && JSON.stringify(value) !== JSON.stringify(before[key]))
    .map(([key]) => `the secret ${key} is ${key in before ? "another one" : "new"}`);
}

function configOf(folder: string, stack: string): Record<string, unknown> {
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const value = existsSync(file) ? (readYaml(file).value as { config?: Record<string, unknown> } | null) : undefined;
  return value?.config ?? {};
}
