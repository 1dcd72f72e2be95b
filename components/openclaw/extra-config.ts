import { isDeepStrictEqual } from "node:util";
import { ValidationFailed } from "../errors";
import { isObject, type JsonObject, type JsonValue } from "./json";

const WHERE = "gateway.openclaw.extraConfig";

/** The typed option that decides a guaranteed field; what is not listed is decided by nobody. */
const OPTION_OF: Record<string, string> = {
  "gateway.auth.mode": "gateway.openclaw.controlUi.mode",
  "gateway.auth.token": "gateway.token",
  "gateway.auth.password": "gateway.token",
  "gateway.auth.rateLimit": "gateway.openclaw.authRateLimit",
  "gateway.auth.trustedProxy": "gateway.openclaw.controlUi",
  "gateway.controlUi.enabled": "gateway.openclaw.controlUi.mode",
  "gateway.trustedProxies": "the entry",
};

/** Fields that are guaranteed by not being there: each would open or move what the rest of the cell relies on. */
const ABSENT = [
  "auth.token",
  "auth.password",
  "auth.allowTailscale",
  "auth.rateLimit.exemptLoopback",
  "customBindHost",
  "allowRealIpFallback",
  "remote",
  "tls",
];

/** Merges as RFC 7386 says: maps merge, lists and values replace, null removes. */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, mergePatch(result.get(key), value));
  }
  return Object.fromEntries(result);
}

/**
 * The config with the user's own JSON merged into it.
 * @param guaranteed the part of the config that must come out as it went in.
 * @throws ValidationFailed when the text is no JSON object, and with every guaranteed field that it would change.
 */
export function mergeExtraConfig(config: JsonObject, guaranteed: JsonObject, text: string): JsonObject {
  const patch = parse(text);
  const merged = mergePatch(config, patch);
  if (!isObject(merged)) return config;
  const problems = [
    ...changed(guaranteed, merged, []),
    ...ABSENT.map((path) => ["gateway", ...path.split(".")]).filter(
      (path) => at(guaranteed, path) === undefined && at(merged, path) !== undefined,
    ),
  ].map((path) => refusal(path.join(".")));
  const origins = at(merged, ["gateway", "controlUi", "allowedOrigins"]);
  if (!Array.isArray(origins) || origins.some((origin) => typeof origin !== "string" || origin.includes("*"))) {
    problems.push("gateway.controlUi.allowedOrigins lists exact origins, never *: the entry's are added by themselves");
  }
  problems.push(...dangerous(patch, []).map((path) => `${path.join(".")} is never set: it switches a protection off`));
  if (problems.length > 0) {
    throw new ValidationFailed({
      what: [...new Set(problems)].join("\n  "),
      where: WHERE,
      fix: "remove these fields from extraConfig",
    });
  }
  return merged;
}

function parse(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold what nobody should see.
    throw new ValidationFailed({
      what: "is no JSON",
      where: WHERE,
      fix: "pass the text that JSON.stringify makes of an object",
    });
  }
  if (!isObject(value))
    throw new ValidationFailed({ what: "is JSON, but no object", where: WHERE, fix: 'write it as {"key": …}' });
  return value;
}

function refusal(path: string): string {
  const decided = Object.entries(OPTION_OF).find(([prefix]) => path === prefix || path.startsWith(`${prefix}.`));
  if (decided === undefined) return `${path} cannot be changed: the rest of the cell relies on it`;
  const [prefix, option] = decided;
  return `${prefix} is decided by ${option}`;
}

/** The paths at which `merged` differs from what is guaranteed. */
function changed(guaranteed: JsonValue, merged: JsonValue | undefined, path: string[]): string[][] {
  if (!isObject(guaranteed)) return isDeepStrictEqual(guaranteed, merged) ? [] : [path];
  return Object.entries(guaranteed).flatMap(([key, value]) =>
    changed(value, isObject(merged) ? merged[key] : undefined, [...path, key]),
  );
}

function dangerous(value: JsonValue, path: string[]): string[][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => dangerous(item, [...path, String(index)]));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    /^dangerous/.test(key) && child !== false && child !== null ? [[...path, key]] : dangerous(child, [...path, key]),
  );
}

function at(value: JsonValue | undefined, path: string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>((current, key) => (isObject(current) ? current[key] : undefined), value);
}
