import { UnknownValueError } from "@pulumi/policy";

/**
 * Sets a field that is absent, in place: only so does Pulumi keep the secrets beside it secret, and what is not known
 * yet unread.
 * @returns whether it was set; not where it has a value, or that is not known, which the policy then reports.
 */
export function setAbsent(properties: Record<string, unknown>, keys: readonly string[], value: unknown): boolean {
  let object = properties;
  try {
    for (const key of keys.slice(0, -1)) {
      object[key] ??= {};
      object = object[key] as Record<string, unknown>;
    }
    const last = keys.at(-1) ?? "";
    if ((object[last] ?? undefined) !== undefined) return false;
    object[last] = value;
    return true;
  } catch (error) {
    if (error instanceof UnknownValueError) return false;
    throw error;
  }
}
