import type { JsonObject, JsonValue } from "./json";
import { isObject } from "./json";
import { KEYWORDS } from "./schema-problems";

/** Keywords that explain or suggest, and never decide whether a config is valid. */
const ANNOTATIONS = new Set(["$schema", "$comment", "title", "description", "examples", "default"]);
/** Keywords whose value is one schema. */
const ONE = new Set(["additionalProperties", "additionalItems", "propertyNames", "not", "if", "then"]);
/** Keywords whose value is a list of schemas. */
const LIST = new Set(["anyOf", "oneOf", "allOf"]);

/** A repeated sub-schema shorter than this costs as much as the `$ref` that would replace it. */
const SHARED_MINIMUM = 30;

/**
 * Makes OpenClaw's schema small without changing what it accepts: annotations go, a choice between constants becomes
 * one `enum` (which also makes the messages short), and a sub-schema that occurs more than once moves to `$defs`.
 * OpenClaw prints what a config looks like once its defaults are filled in; a key with a default is not required of
 * those who write one.
 * @throws Error for a `$ref` that leads nowhere or back to itself, and for a keyword that the validator does not know.
 */
export function compactSchema(raw: JsonObject): JsonObject {
  const plain = simplify(raw, {}, []);
  const counts = new Map<string, number>();
  count(plain, counts);
  const names = new Map<string, string>();
  const $defs: JsonObject = {};
  const shared = share(plain, counts, names, $defs, true);
  return { ...shared, $defs };
}

function eachSubschema(schema: JsonObject, change: (child: JsonValue) => JsonValue): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (ONE.has(key)) result[key] = change(value);
    else if (LIST.has(key) && Array.isArray(value)) result[key] = value.map(change);
    else if (key === "items") result[key] = Array.isArray(value) ? value.map(change) : change(value);
    else if (key === "properties" && isObject(value))
      result[key] = Object.fromEntries(Object.entries(value).map(([name, child]) => [name, change(child)]));
    else result[key] = value;
  }
  return result;
}

/**
 * @param scope the `$defs` in force: plugins bring their own, and write `#/$defs/x` as if theirs were the root.
 * @param open the references being resolved, to notice a circle.
 */
function simplify(schema: JsonObject, scope: JsonObject, open: string[]): JsonObject {
  const { $defs, ...own } = schema;
  const inner = isObject($defs) ? $defs : scope;
  if (typeof own.$ref === "string") {
    const name = own.$ref.replace("#/$defs/", "");
    const target = inner[name];
    if (!isObject(target) || open.includes(name)) throw new Error(`$ref ${own.$ref} cannot be resolved in place`);
    return simplify(target, inner, [...open, name]);
  }
  const kept = Object.fromEntries(Object.entries(own).filter(([key]) => !ANNOTATIONS.has(key)));
  const unknown = Object.keys(kept).filter((key) => !KEYWORDS.has(key));
  if (unknown.length > 0)
    throw new Error(`the validator does not know ${unknown.join(", ")}: teach schema-problems.ts first`);
  if (Array.isArray(kept.required)) kept.required = kept.required.filter((key) => !hasDefault(own.properties, key));
  const result = eachSubschema(kept, (child) => (isObject(child) ? simplify(child, inner, open) : child));
  if (isObject(result.propertyNames) && JSON.stringify(result.propertyNames) === '{"type":"string"}') {
    delete result.propertyNames;
  }
  if (isObject(result.additionalProperties) && Object.keys(result.additionalProperties).length === 0) {
    delete result.additionalProperties;
  }
  return constantsAsEnum(result);
}

function hasDefault(properties: JsonValue | undefined, key: JsonValue): boolean {
  const property = isObject(properties) && typeof key === "string" ? properties[key] : undefined;
  return isObject(property) && property.default !== undefined;
}

/** `anyOf: [{const: a}, {const: b}]` says the same as `enum: [a, b]`. */
function constantsAsEnum(schema: JsonObject): JsonObject {
  const choices = schema.anyOf;
  if (!Array.isArray(choices)) return schema;
  const constants: JsonValue[] = [];
  for (const choice of choices) {
    if (!isObject(choice) || choice.const === undefined) return schema;
    if (Object.keys(choice).some((key) => key !== "const" && key !== "type")) return schema;
    constants.push(choice.const);
  }
  const rest = Object.entries(schema).filter(([key]) => key !== "anyOf");
  return { ...Object.fromEntries(rest), enum: constants };
}

function count(schema: JsonValue, counts: Map<string, number>): JsonValue {
  if (!isObject(schema)) return schema;
  const text = JSON.stringify(schema);
  const seen = counts.get(text) ?? 0;
  counts.set(text, seen + 1);
  // What is inside a repeated schema is stored once: counting it again would give it a name of its own for nothing.
  if (seen === 0) eachSubschema(schema, (child) => count(child, counts));
  return schema;
}

function share(
  schema: JsonObject,
  counts: Map<string, number>,
  names: Map<string, string>,
  $defs: JsonObject,
  isRoot: boolean,
): JsonObject {
  const text = JSON.stringify(schema);
  const shared = !isRoot && text.length >= SHARED_MINIMUM && (counts.get(text) ?? 0) > 1;
  const known = names.get(text);
  if (shared && known !== undefined) return { $ref: `#/$defs/${known}` };
  const name = names.size.toString(36);
  if (shared) names.set(text, name);
  const inner = eachSubschema(schema, (child) => (isObject(child) ? share(child, counts, names, $defs, false) : child));
  if (!shared) return inner;
  $defs[name] = inner;
  return { $ref: `#/$defs/${name}` };
}
