import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A property as Pulumi's schema has it. */
export interface PropertySpec {
  type?: "string" | "number" | "boolean" | "array" | "object";
  /** `#/types/clawfleet:index:NAME`. */
  $ref?: string;
  items?: PropertySpec;
  additionalProperties?: PropertySpec;
  optional?: boolean;
  /** The docstring, which says unit and default. */
  description?: string;
}

/** An enumeration or an object type. */
export interface TypeSpec {
  type: string;
  enum?: { value: string }[];
  properties?: Record<string, PropertySpec>;
}

interface ComponentSchema {
  resources: Record<string, { inputProperties?: Record<string, PropertySpec> }>;
  types: Record<string, TypeSpec>;
}

/**
 * The schema of our components, extracted from their TypeScript (`npm run schema`). A stack's config is checked against
 * it, so an option is declared and described in one place: the component's args.
 */
const schema = JSON.parse(readFileSync(join(__dirname, "../../schema.json"), "utf8")) as ComponentSchema;

/** The args of a component, by name. */
export function componentArgs(component: string): Record<string, PropertySpec> {
  return schema.resources[`clawfleet:index:${component}`]?.inputProperties ?? {};
}

/** The name and the spec of the type that a property refers to; undefined for a plain one. */
export function referredType({ $ref }: PropertySpec): { name: string; spec: TypeSpec } | undefined {
  const token = $ref?.slice("#/types/".length);
  const spec = token === undefined ? undefined : schema.types[token];
  return token === undefined || spec === undefined ? undefined : { name: token.split(":")[2] ?? "", spec };
}
