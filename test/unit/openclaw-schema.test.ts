import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { ValidationFailed } from "../../components/errors";
import { catalogueImage } from "../../components/images";
import { compactSchema } from "../../components/openclaw/compact-schema";
import { gatewayConfig } from "../../components/openclaw/config";
import { mergePatch } from "../../components/openclaw/extra-config";
import type { JsonObject } from "../../components/openclaw/json";
import { nearest } from "../../components/openclaw/nearest";
import { schemaProblems } from "../../components/openclaw/schema-problems";
import {
  assertValidConfig,
  openclawSchema,
  SCHEMA_FILE,
  validateConfig,
  type OpenClawConfig,
} from "../../components/openclaw/validate";

const problems = (patch: JsonObject): string[] =>
  validateConfig(mergePatch(gatewayConfig({}, { environment: "dev" }), patch) as OpenClawConfig).map(
    ({ path, message }) => `${path} ${message}`,
  );

describe("OpenClaw's stored schema", () => {
  it("is the pinned image's version, and small", () => {
    assert.equal(openclawSchema().version, catalogueImage("openclaw-gateway").tag);
    assert.ok(statSync(SCHEMA_FILE).size < 200_000);
  });

  it("is read and applied in less than 40 ms, since every preview does", () => {
    const config = gatewayConfig({}, { environment: "dev" });
    const durations = Array.from({ length: 7 }, () => {
      const started = performance.now();
      assert.deepEqual(schemaProblems(JSON.parse(readFileSync(SCHEMA_FILE, "utf8")) as JsonObject, config), []);
      return performance.now() - started;
    });
    assert.ok(Math.min(...durations) < 40, `${durations.map(Math.round).join(", ")} ms`);
  });
});

describe("pain 1: an upgrade makes the config invalid", () => {
  it("names the place, what is allowed, and the nearest key", () => {
    const expected: [JsonObject, string][] = [
      [
        { gateway: { trustedProxys: [] } },
        "gateway.trustedProxys is no key that OpenClaw knows; did you mean trustedProxies?",
      ],
      [{ memory: { backend: "qmd" } }, "memory.backend is no key that OpenClaw knows; known here: citations, search"],
      [
        { gateway: { auth: { mode: "tokn" } } },
        "gateway.auth.mode must be one of none, token, password, trusted-proxy; did you mean token?",
      ],
      [{ cron: { enabled: "yes" } }, "cron.enabled must be boolean, is string"],
      [{ gateway: { port: 70000 } }, "gateway.port must be at most 65535"],
      [{ gateway: { port: 1.5 } }, "gateway.port must be integer, is number"],
      [{ gateway: { publicOrigin: "claw" } }, "gateway.publicOrigin must be a URL"],
      [{ gateway: { controlUi: { environment: { label: "" } } } }, "gateway.controlUi.environment.label is empty"],
      [{ agents: { defaults: { model: [] } } }, "agents.defaults.model must be string or object"],
      [{ models: { providers: { a: { models: [{ name: "m" }] } } } }, "models.providers.a.models[0].id is missing"],
      [
        { models: { providers: { a: { apiKey: { source: "evn", provider: "default", id: "A" } } } } },
        "models.providers.a.apiKey.source must be one of env, file, exec, store; did you mean env?",
      ],
      [
        { models: { providers: { a: { apiKey: { source: "env", provider: "default", id: "lower" } } } } },
        "models.providers.a.apiKey.id must match ^[A-Z][A-Z0-9_]{0,127}$",
      ],
    ];
    for (const [patch, message] of expected) assert.deepEqual(problems(patch), [message]);
  });

  it("does not ask for keys that have a default", () => {
    assert.deepEqual(problems({ channels: { telegram: { enabled: false } } }), []);
  });

  it("reports every problem in one error, and no value", () => {
    const config = mergePatch(gatewayConfig({}, { environment: "dev" }), {
      gatway: {},
      logging: { level: "s3cr3t" },
    }) as OpenClawConfig;
    assert.throws(
      () => assertValidConfig(config),
      (error) =>
        error instanceof ValidationFailed &&
        /gatway.*did you mean gateway\?/.test(error.message) &&
        /logging\.level/.test(error.message) &&
        !error.message.includes("s3cr3t"),
    );
  });
});

describe("the schema's compaction", () => {
  const raw: JsonObject = {
    type: "object",
    title: "Root",
    properties: {
      level: {
        anyOf: [
          { type: "string", const: "info" },
          { type: "string", const: "debug" },
        ],
        description: "how much",
      },
      policy: { type: "string", default: "open" },
      title: { type: "string" },
      a: {
        type: "object",
        properties: { name: { type: "string", minLength: 1 } },
        required: ["name"],
        additionalProperties: false,
      },
      b: {
        type: "object",
        properties: { name: { type: "string", minLength: 1 } },
        required: ["name"],
        additionalProperties: false,
      },
      plugin: {
        $defs: { name: { type: "string", pattern: "^[a-z]+$" } },
        type: "object",
        properties: { name: { $ref: "#/$defs/name" } },
      },
    },
    required: ["policy", "title"],
    additionalProperties: false,
  };

  it("accepts and refuses what the original does", () => {
    const compact = compactSchema(raw);
    assert.equal(Object.keys(compact.$defs as JsonObject).length, 1);
    assert.deepEqual(
      schemaProblems(compact, { title: "t", level: "info", a: { name: "x" }, b: { name: "y" }, plugin: { name: "z" } }),
      [],
    );
    const found = schemaProblems(compact, { level: "loud", a: {}, b: { nam: "x" }, plugin: { name: "Z" }, c: 1 }).map(
      ({ path, keyword }) => `${path} ${keyword}`,
    );
    assert.deepEqual(found.sort(), [
      "a.name required",
      "b.nam additionalProperties",
      "b.name required",
      "c additionalProperties",
      "level enum",
      "plugin.name pattern",
      "title required",
    ]);
  });

  it("refuses a keyword that would not be checked, and a reference that leads nowhere", () => {
    assert.throws(() => compactSchema({ type: "object", dependentRequired: {} }), /dependentRequired/);
    assert.throws(() => compactSchema({ properties: { a: { $ref: "#/$defs/none" } } }), /#\/\$defs\/none/);
  });
});

describe("the nearest key", () => {
  it("is suggested for a slip, and not for another word", () => {
    assert.equal(nearest("trustedProxys", ["trustedProxies", "tls"]), "trustedProxies");
    assert.equal(nearest("allowedorigins", ["allowedOrigins"]), "allowedOrigins");
    assert.equal(nearest("backend", ["citations", "search"]), undefined);
  });
});
