import type { JsonObject } from "./json";

/** A reference to a secret that the gateway reads from an environment variable. */
export function envSecret(id: string): JsonObject {
  return { source: "env", provider: "default", id };
}
