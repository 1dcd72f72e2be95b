import type * as z from "../zod";
import { ValidationFailed } from "../../components/errors";
import { nearest } from "../../components/openclaw/nearest";
import { formatPath } from "./merge";

/** Where a value stands: `file:line`, or what else says where to look. */
export type Locate = (path: readonly PropertyKey[]) => string;

/**
 * Checks a value against a schema.
 * @param locate says where a path stands.
 * @throws ValidationFailed that lists every problem with its place, its path, and for an unknown key the nearest one.
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, locate: Locate): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ValidationFailed({
    what: result.error.issues.flatMap((issue) => describe(issue, schema, locate)).join("\n  "),
    fix: "correct what is named above",
  });
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType, locate: Locate): string[] {
  const line = (path: readonly PropertyKey[], what: string) =>
    [locate(path), ...(path.length === 0 ? [] : [formatPath(path)]), what].join(": ");
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined"))
    return [line(issue.path, `is missing: expected ${issue.expected}`)];
  if (issue.code !== "unrecognized_keys") return [line(issue.path, issue.message)];
  const known = knownKeys(schema, issue.path);
  return issue.keys.map((key) => {
    const suggestion = nearest(key, known);
    const hint = suggestion === undefined ? `known keys: ${known.join(", ")}` : `did you mean ${suggestion}?`;
    return line([...issue.path, key], `unknown key; ${hint}`);
  });
}

/** The keys that a schema knows at a path; none where it takes any. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    const parts = unwrapped(at);
    at = parts?.shape?.[String(part)] ?? parts?.element ?? parts?.valueType;
  }
  return Object.keys(unwrapped(at)?.shape ?? {});
}

interface SchemaParts {
  shape?: Record<string, unknown>;
  element?: unknown;
  valueType?: unknown;
  unwrap?: () => unknown;
}

/** Without the wrappers such as optional; an array has `element` and `unwrap` both, and is none. */
function unwrapped(schema: unknown): SchemaParts | undefined {
  let parts = schema as SchemaParts | undefined;
  while (parts?.unwrap !== undefined && parts.element === undefined) parts = parts.unwrap() as SchemaParts | undefined;
  return parts;
}
