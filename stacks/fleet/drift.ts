import * as z from "../zod";
import { nameOf, typeOf } from "./engine-text";

/** What is read of `pulumi refresh --preview-only --json`. */
const refreshPreview = z.object({
  steps: z
    .array(z.object({ op: z.string(), urn: z.string(), detailedDiff: z.record(z.string(), z.unknown()).nullish() }))
    .nullish(),
});

/** A resource that is not as the stack's state has it. */
export interface DriftedResource {
  urn: string;
  /** For example `kubernetes:apps/v1:StatefulSet`. */
  type: string;
  name: string;
  /** Whether somebody changed it or deleted it. */
  drift: "changed" | "deleted";
  /** The properties that differ; never their values, which can be secrets. */
  paths: string[];
}

/**
 * The resources that drifted: somebody other than Pulumi changed or deleted them. What is merely not rolled out yet is no drift.
 * @param output what `pulumi refresh --preview-only --json` printed.
 * @throws ZodError or SyntaxError for anything else.
 */
export function driftedResources(output: string): DriftedResource[] {
  // The CLI may print a warning of its own before the document.
  const { steps } = refreshPreview.parse(JSON.parse(output.slice(Math.max(0, output.indexOf("{")))));
  return (steps ?? []).flatMap(({ op, urn, detailedDiff }): DriftedResource[] => {
    if (op !== "update" && op !== "delete") return [];
    const paths = op === "delete" ? [] : Object.keys(detailedDiff ?? {}).sort();
    return [{ urn, type: typeOf(urn), name: nameOf(urn), drift: op === "delete" ? "deleted" : "changed", paths }];
  });
}

/** What a check of a stack found. */
export interface StackDrift {
  stack: string;
  /** The ids of its cells. */
  cells: string[];
  /** Undefined when it could not be checked. */
  resources?: DriftedResource[];
  /** Why it could not be. */
  error?: string;
}

/** What checks found, as text: a line for each stack by its cells, and below it one for each resource that drifted. */
export function driftInWords(found: readonly StackDrift[]): string {
  return found
    .flatMap(({ cells, resources = [], error }) => [
      `${cells.join(", ")}: ${error === undefined ? (resources.length === 0 ? "no drift" : `${String(resources.length)} drifted`) : `not checked: ${error}`}`,
      ...resources.map(
        ({ type, name, drift, paths }) =>
          `  ${type} ${name}: ${drift}${paths.length === 0 ? "" : ` (${paths.join(", ")})`}`,
      ),
    ])
    .map((line) => `${line}\n`)
    .join("");
}
