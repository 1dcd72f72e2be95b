import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ValidationFailed } from "../errors";
import type { JsonObject } from "./json";
import { schemaProblems } from "./schema-problems";

/** What is wrong with one place of a config. */
export interface ConfigProblem {
  /** Where, for example `gateway.auth.mode` or `models.providers.litellm.models[0].id`. */
  path: string;
  /** What is wrong there, and what is allowed. Never the value itself: it could be a secret in the wrong place. */
  message: string;
}

/** A gateway's configuration: the content of `openclaw.json`. */
export type OpenClawConfig = JsonObject;

/** OpenClaw's own schema as generate-schema.ts stores it: draft 7, with the version that it came from. */
export interface StoredSchema extends JsonObject {
  version: string;
}

/** The stored schema, in the source tree: it is data, and the compiler would have to infer a type for all of it. */
export const SCHEMA_FILE = join(__dirname, "../../../components/openclaw/schema/openclaw.schema.json");

let stored: StoredSchema | undefined;

/** OpenClaw's schema, read once and only when it is needed. */
export function openclawSchema(): StoredSchema {
  stored ??= JSON.parse(readFileSync(SCHEMA_FILE, "utf8")) as StoredSchema;
  return stored;
}

/** Everything that OpenClaw's own schema finds wrong with a config; empty when it is valid. */
export function validateConfig(config: OpenClawConfig): ConfigProblem[] {
  return schemaProblems(openclawSchema(), config).map(({ path, message }) => ({ path, message }));
}

/**
 * Checks a config against the schema of the OpenClaw version that is deployed.
 * @throws ValidationFailed with every problem, each with its path and what is allowed there.
 */
export function assertValidConfig(config: OpenClawConfig): void {
  const problems = validateConfig(config);
  if (problems.length === 0) return;
  throw new ValidationFailed({
    what: problems.map(({ path, message }) => `${path === "" ? "the config" : path} ${message}`).join("\n  "),
    where: `OpenClaw ${openclawSchema().version} refuses its config`,
    fix: "correct these keys where they are set: in gateway.openclaw, or in its extraConfig",
  });
}
