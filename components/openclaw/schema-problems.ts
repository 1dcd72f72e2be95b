import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonObject, type JsonValue } from "./json";
import { nearest } from "./nearest";

/*
 * Interprets a JSON Schema (draft 7) along the config alone. Measured on OpenClaw's schema (180 kB, 2 cores): ajv
 * compiles it in 1.2 s, @cfworker/json-schema walks all of it first in 57 ms, and both report every failed branch of
 * a choice. This takes about 1 ms, and says which branch was meant.
 */

/** One violation. */
export interface SchemaProblem {
  path: string;
  keyword: string;
  message: string;
  /** The values that would have been allowed, for `enum` and `const`. */
  allowed?: JsonValue[];
  value?: JsonValue;
}

/** The keywords that are understood; the generator refuses a schema with any other, so none is silently not checked. */
export const KEYWORDS = new Set([
  ...["$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "then"],
  ...["properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"],
  ...["items", "additionalItems", "minItems", "maxItems", "uniqueItems"],
  ...["minLength", "maxLength", "pattern", "format", "minimum", "exclusiveMinimum", "maximum"],
]);

/** Every violation of a schema by a value; choices are resolved to the branch that was most likely meant. */
export function schemaProblems(root: JsonObject, value: JsonValue): SchemaProblem[] {
  return new Interpreter(root).check(root, value, "");
}

class Interpreter {
  constructor(private readonly root: JsonObject) {}

  check(schema: JsonValue | undefined, value: JsonValue, path: string): SchemaProblem[] {
    if (schema === undefined || schema === true) return [];
    if (!isObject(schema)) return [{ path, keyword: "false", message: "is not allowed here" }];
    if (typeof schema.$ref === "string") return this.check(this.resolve(schema.$ref), value, path);
    const wrongType = typeProblem(schema.type, value, path);
    if (wrongType !== undefined) return [wrongType];
    return [
      ...constantProblems(schema, value, path),
      ...this.applicators(schema, value, path),
      ...(typeof value === "string" ? stringProblems(schema, value, path) : []),
      ...(typeof value === "number" ? numberProblems(schema, value, path) : []),
      ...(Array.isArray(value) ? this.listProblems(schema, value, path) : []),
      ...(isObject(value) ? this.mapProblems(schema, value, path) : []),
    ];
  }

  private resolve(ref: string): JsonValue | undefined {
    const { $defs } = this.root;
    return isObject($defs) ? $defs[ref.slice("#/$defs/".length)] : undefined;
  }

  private applicators(schema: JsonObject, value: JsonValue, path: string): SchemaProblem[] {
    const problems = list(schema.allOf).flatMap((part) => this.check(part, value, path));
    const { anyOf, oneOf } = schema;
    if (anyOf !== undefined || oneOf !== undefined) {
      const results = list(anyOf ?? oneOf).flatMap((branch) => this.branches(branch, value, path));
      const fitting = results.filter((result) => result.length === 0).length;
      if (fitting === 0) problems.push(...meant(results, path));
      if (fitting > 1 && oneOf !== undefined)
        problems.push({ path, keyword: "oneOf", message: "fits more than one form" });
    }
    if (schema.not !== undefined && this.check(schema.not, value, path).length === 0) {
      problems.push({ path, keyword: "not", message: "combines settings that exclude each other" });
    }
    if (schema.if !== undefined && this.check(schema.if, value, path).length === 0) {
      problems.push(...this.check(schema.then, value, path));
    }
    return problems;
  }

  /** The results of a branch, with a choice inside a choice laid flat. */
  private branches(schema: JsonValue, value: JsonValue, path: string): SchemaProblem[][] {
    if (!isObject(schema)) return [this.check(schema, value, path)];
    if (typeof schema.$ref === "string") return this.branches(this.resolve(schema.$ref) ?? true, value, path);
    const inner = schema.anyOf ?? schema.oneOf;
    if (inner === undefined || Object.keys(schema).length > 1) return [this.check(schema, value, path)];
    return list(inner).flatMap((branch) => this.branches(branch, value, path));
  }

  private listProblems(schema: JsonObject, value: JsonValue[], path: string): SchemaProblem[] {
    const { items, additionalItems, minItems = 0, maxItems = Infinity, uniqueItems } = schema;
    const problems = value.flatMap((item, index) => {
      const itemSchema = !Array.isArray(items) ? items : index < items.length ? items[index] : additionalItems;
      return this.check(itemSchema, item, `${path}[${index}]`);
    });
    if (value.length < Number(minItems))
      problems.push({ path, keyword: "minItems", message: `needs at least ${Number(minItems)} entries` });
    if (value.length > Number(maxItems))
      problems.push({ path, keyword: "maxItems", message: `takes at most ${Number(maxItems)} entries` });
    if (
      uniqueItems === true &&
      value.some((item, index) => value.slice(0, index).some((other) => isDeepStrictEqual(item, other)))
    ) {
      problems.push({ path, keyword: "uniqueItems", message: "has the same entry twice" });
    }
    return problems;
  }

  private mapProblems(schema: JsonObject, value: JsonObject, path: string): SchemaProblem[] {
    const known = isObject(schema.properties) ? schema.properties : {};
    const problems: SchemaProblem[] = [];
    for (const [key, child] of Object.entries(value)) {
      const at = join(path, key);
      for (const { message } of this.check(schema.propertyNames, key, at))
        problems.push({ path: at, keyword: "propertyNames", message: `the key ${message}` });
      const own = Object.hasOwn(known, key) ? known[key] : undefined;
      if (own !== undefined) problems.push(...this.check(own, child, at));
      else if (schema.additionalProperties === false)
        problems.push({ path: at, keyword: "additionalProperties", message: unknownKey(key, Object.keys(known)) });
      else problems.push(...this.check(schema.additionalProperties, child, at));
    }
    for (const key of list(schema.required)) {
      if (typeof key === "string" && !Object.hasOwn(value, key))
        problems.push({ path: join(path, key), keyword: "required", message: "is missing" });
    }
    const size = Object.keys(value).length;
    if (size < Number(schema.minProperties ?? 0))
      problems.push({ path, keyword: "minProperties", message: `needs at least ${Number(schema.minProperties)} keys` });
    if (size > Number(schema.maxProperties ?? Infinity))
      problems.push({ path, keyword: "maxProperties", message: `takes at most ${Number(schema.maxProperties)} keys` });
    return problems;
  }
}

function list(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** `a.b`, or `a["b.c"]` for a key that would be read as two. */
function join(path: string, key: string): string {
  if (!/^[\w$@/:-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

/** Lists longer than this are better read in OpenClaw's documentation. */
const LISTED_KEYS = 25;

function unknownKey(key: string, known: string[]): string {
  const close = nearest(key, known);
  if (close !== undefined) return `is no key that OpenClaw knows; did you mean ${close}?`;
  if (known.length === 0 || known.length > LISTED_KEYS) return "is no key that OpenClaw knows";
  return `is no key that OpenClaw knows; known here: ${[...known].sort().join(", ")}`;
}

function typeOf(value: JsonValue): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function typeProblem(type: JsonValue | undefined, value: JsonValue, path: string): SchemaProblem | undefined {
  if (type === undefined) return undefined;
  const types = (Array.isArray(type) ? type : [type]).map(String);
  const actual = typeOf(value);
  if (types.includes(actual) || (types.includes("integer") && Number.isInteger(value))) return undefined;
  return { path, keyword: "type", message: `must be ${types.join(" or ")}, is ${actual}`, allowed: types };
}

function constantProblems(schema: JsonObject, value: JsonValue, path: string): SchemaProblem[] {
  const allowed = schema.const !== undefined ? [schema.const] : schema.enum;
  if (!Array.isArray(allowed) || allowed.some((one) => isDeepStrictEqual(one, value))) return [];
  return [constantProblem(allowed, value, path)];
}

function constantProblem(allowed: JsonValue[], value: JsonValue | undefined, path: string): SchemaProblem {
  const words = allowed.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
  const close = typeof value === "string" ? nearest(value, words) : undefined;
  const message = `must be ${words.length === 1 ? "" : "one of "}${words.join(", ")}${close === undefined ? "" : `; did you mean ${close}?`}`;
  return { path, keyword: "enum", message, allowed, value };
}

function stringProblems(schema: JsonObject, value: string, path: string): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  const length = [...value].length;
  if (length < Number(schema.minLength ?? 0))
    problems.push({
      path,
      keyword: "minLength",
      message: length === 0 ? "is empty" : `needs at least ${Number(schema.minLength)} characters`,
    });
  if (length > Number(schema.maxLength ?? Infinity))
    problems.push({ path, keyword: "maxLength", message: `takes at most ${Number(schema.maxLength)} characters` });
  if (typeof schema.pattern === "string" && !new RegExp(schema.pattern, "u").test(value))
    problems.push({ path, keyword: "pattern", message: `must match ${schema.pattern}` });
  if (schema.format === "uri" && !URL.canParse(value))
    problems.push({ path, keyword: "format", message: "must be a URL" });
  return problems;
}

function numberProblems(schema: JsonObject, value: number, path: string): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  if (value < Number(schema.minimum ?? -Infinity))
    problems.push({ path, keyword: "minimum", message: `must be at least ${Number(schema.minimum)}` });
  if (value <= Number(schema.exclusiveMinimum ?? -Infinity))
    problems.push({
      path,
      keyword: "exclusiveMinimum",
      message: `must be more than ${Number(schema.exclusiveMinimum)}`,
    });
  if (value > Number(schema.maximum ?? Infinity))
    problems.push({ path, keyword: "maximum", message: `must be at most ${Number(schema.maximum)}` });
  return problems;
}

/**
 * Which branch of a failed choice was meant: one that takes this type at all, then one whose constants fit (`source:
 * env` tells what a SecretRef is), then the one with the fewest problems. Branches that differ only in the constants
 * they want are reported as one list of what is allowed.
 */
function meant(results: SchemaProblem[][], path: string): SchemaProblem[] {
  const rightType = results.filter(
    (result) => !result.some((problem) => problem.path === path && problem.keyword === "type"),
  );
  if (rightType.length === 0) {
    const types = new Set(results.flat().flatMap((problem) => (problem.allowed ?? []).map(String)));
    return [{ path, keyword: "type", message: `must be ${[...types].join(" or ")}`, allowed: [...types] }];
  }
  const rightConstants = rightType.filter((result) => !result.some((problem) => problem.keyword === "enum"));
  const candidates = rightConstants.length > 0 ? rightConstants : rightType;
  const fewest = candidates.reduce((best, result) => (result.length < best.length ? result : best));
  const constant = fewest.find((problem) => problem.keyword === "enum");
  if (constant === undefined || candidates.length === 1) return fewest;
  const atSamePlace = candidates
    .flat()
    .filter((problem) => problem.keyword === "enum" && problem.path === constant.path);
  const allowed = [...new Set(atSamePlace.flatMap((problem) => problem.allowed ?? []))];
  return [constantProblem(allowed, constant.value, constant.path)];
}
