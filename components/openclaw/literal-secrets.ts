import { isObject, type JsonObject, type JsonValue } from "./json";

/** Headers are mostly no secrets, and their schema takes a SecretRef for those that are. */
const SECRET_HEADER = /auth|key|token|secret|cookie/i;

/**
 * The places where OpenClaw would take a reference to a secret and the config has text. The schema says where: a choice
 * between a string and a SecretRef. `"${NAME}"` counts as text: when NAME is not set, the gateway starts all the same,
 * with a token of its own making.
 */
export function literalSecrets(root: JsonObject, config: JsonObject): string[] {
  const definitions = isObject(root.$defs) ? root.$defs : {};
  const resolve = (schema: JsonValue | undefined): JsonObject => {
    if (!isObject(schema)) return {};
    return typeof schema.$ref === "string" ? resolve(definitions[schema.$ref.slice("#/$defs/".length)]) : schema;
  };
  const choices = (schema: JsonObject): JsonObject[] => {
    const inner = schema.anyOf ?? schema.oneOf;
    return Array.isArray(inner) ? inner.flatMap((choice) => choices(resolve(choice))) : [schema];
  };
  const walk = (schema: JsonObject, value: JsonValue, path: string[]): string[] => {
    const options = choices(schema);
    if (typeof value === "string") {
      if (!options.some((option) => isSecretRef(option, resolve))) return [];
      const isHeader = path.at(-2) === "headers";
      return isHeader && !SECRET_HEADER.test(path.at(-1) ?? "") ? [] : [path.join(".")];
    }
    const nested = options.flatMap((option) => {
      if (Array.isArray(value))
        return value.flatMap((item, index) => walk(resolve(option.items), item, [...path, String(index)]));
      if (!isObject(value)) return [];
      const known = isObject(option.properties) ? option.properties : {};
      return Object.entries(value).flatMap(([key, child]) =>
        walk(resolve(known[key] ?? option.additionalProperties), child, [...path, key]),
      );
    });
    return [...new Set(nested)];
  };
  return walk(root, config, []);
}

/** `{source: env | file | exec | store, provider, id}` */
function isSecretRef(schema: JsonObject, resolve: (schema: JsonValue | undefined) => JsonObject): boolean {
  const { properties } = schema;
  if (!isObject(properties) || properties.provider === undefined || properties.id === undefined) return false;
  return resolve(properties.source).const === "env";
}
