import type * as z from "zod";
import { ValidationFailed } from "../components/errors";
import { nearest } from "../components/openclaw/nearest";
import { stackSchema, type CellConfig, type ClusterConfig, type StackConfig } from "./schema";

/**
 * Checks a stack's config.
 * @param values what stands below `clawfleet:` in the stack's file, by key.
 * @throws ValidationFailed that lists every problem with its path, and the nearest known name for an unknown one.
 */
export function parseStackConfig(values: Record<string, unknown>, file: string): StackConfig {
  const result = stackSchema.safeParse(values);
  if (!result.success) {
    throw new ValidationFailed({
      what: result.error.issues.flatMap(describeIssue).join("\n  "),
      where: file,
      fix: "correct the keys that are named above",
    });
  }
  const seen = new Set<string>();
  for (const { id } of result.data.clusters) {
    if (seen.has(id)) {
      throw new ValidationFailed({
        what: `the cluster ${id} is listed twice`,
        where: `${file}: clawfleet:clusters`,
        fix: "give each cluster an id of its own",
      });
    }
    seen.add(id);
  }
  return result.data;
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = formatPath(issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => {
      const suggestion = nearest(key, known);
      const hint = suggestion === undefined ? `known keys: ${known.join(", ")}` : `did you mean ${suggestion}?`;
      return `${formatPath([...issue.path, key])}: unknown key; ${hint}`;
    });
  }
  return [`${path}: ${issue.message}`];
}

function formatPath(path: PropertyKey[]): string {
  const text = path.reduce<string>(
    (before, part) =>
      typeof part === "number" ? `${before}[${String(part)}]` : `${before}${before === "" ? "" : "."}${String(part)}`,
    "",
  );
  return `clawfleet:${text}`;
}

/** The keys that the schema knows at a path; none where it takes any. */
function knownKeys(path: PropertyKey[]): string[] {
  let schema: unknown = stackSchema;
  for (const part of path) {
    schema = childSchema(unwrap(schema), part);
  }
  const shape = unwrap(schema)?.shape;
  return Object.keys(shape ?? {});
}

interface SchemaParts {
  shape?: Record<string, unknown>;
  element?: unknown;
  valueType?: unknown;
  unwrap?: () => unknown;
}

function childSchema(schema: SchemaParts | undefined, part: PropertyKey): unknown {
  return schema?.shape?.[String(part)] ?? schema?.element ?? schema?.valueType;
}

function unwrap(schema: unknown): SchemaParts | undefined {
  let parts = schema as SchemaParts | undefined;
  // An array has `element` and `unwrap` both; only wrappers such as optional are to be taken off.
  while (parts?.unwrap !== undefined && parts.element === undefined) parts = parts.unwrap() as SchemaParts | undefined;
  return parts;
}

/** A cell of the stack: its id, its cluster and its settings. */
export interface Cell {
  id: string;
  cluster: ClusterConfig;
  config: CellConfig;
}

/** The cells of a stack: one per cluster, named after it. What a cluster says wins over what the stack says. */
export function cellsOf(config: StackConfig): Cell[] {
  return config.clusters.map((cluster) => ({
    id: cluster.id,
    cluster,
    config: merge(config.cell ?? {}, cluster.cell ?? {}) as CellConfig,
  }));
}

/** Maps merge, everything else is replaced. */
function merge(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = key in base ? merge(base[key], value) : value;
  }
  return merged;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
