import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { packageSchema, SCHEMA_FILE, schemaText } from "../../engine/package-schema";

type Schema = ReturnType<typeof packageSchema>;

/** The components, with their outputs. */
const OUTPUTS = {
  AgentStack: ["namespace", "service", "url", "token", "caCertificate", "configHash"],
  Browser: ["endpoint"],
  ClickHouse: ["endpoint", "service", "collectorPassword", "consolePassword"],
  DnsFilter: ["address", "endpoint"],
  Entry: ["url", "caCertificate"],
  ForwardProxy: ["service", "endpoints"],
  ModelProxy: ["endpoint", "url", "agentKeys", "allowedHosts", "service"],
  Mongo: ["endpoint", "service", "password"],
  OpenClawGateway: ["service", "endpoint", "url", "token", "configHash", "statefulSet", "configMap"],
  Postgres: ["endpoint", "password", "service"],
  Search: ["endpoint", "token", "statefulSet"],
  Telemetry: ["endpoint", "collector", "console"],
  TelemetryCollector: ["endpoint", "service"],
  TelemetryConsole: ["endpoint", "service", "password"],
  Tenancy: ["namespace"],
  Valkey: ["endpoint", "password", "service"],
  Vault: ["claim"],
};

describe("the schema of the component package", function () {
  this.timeout(120_000); // the analyzer compiles the package: 3 s, and more when the CPU is short
  let schema: Schema;
  before(() => {
    schema = packageSchema();
  });

  it("is the one that is checked in", () => {
    assert.equal(
      schemaText(schema),
      readFileSync(SCHEMA_FILE, "utf8"),
      "schema.json is out of date: run `npm run build && npm run schema`, and note the change in CHANGELOG.md",
    );
  });

  it("has a component for each part and nothing else, in any language", () => {
    assert.deepEqual(
      Object.keys(schema.resources),
      Object.keys(OUTPUTS).map((name) => `clawfleet:index:${name}`),
    );
    assert.ok(Object.values(schema.resources).every(({ isComponent }) => isComponent));
  });

  it("has only the outputs that are meant to be public", () => {
    const outputs = Object.entries(schema.resources).map(([token, { properties }]) => [
      token.split(":")[2],
      Object.keys(properties ?? {}),
    ]);
    assert.deepEqual(Object.fromEntries(outputs), OUTPUTS);
  });

  it("refers to no resource, and to no type that it lacks", () => {
    const references = [...schemaText(schema).matchAll(/"\$ref": "([^"]*)"/g)].map(([, target]) => target ?? "");
    assert.ok(references.length > 20);
    for (const target of references) {
      assert.match(target, /^#\/types\/clawfleet:index:\w+$/);
      assert.ok(schema.types[target.slice("#/types/".length)], target);
    }
    assert.deepEqual(schema.dependencies, []);
  });

  it("describes every property", () => {
    const properties = [
      ...Object.entries(schema.resources).flatMap(([token, { inputProperties, properties }]) => [
        ...Object.entries(inputProperties ?? {}).map(([name, property]) => [`${token} ${name}`, property] as const),
        ...Object.entries(properties ?? {}).map(([name, property]) => [`${token} ${name}`, property] as const),
      ]),
      ...Object.entries(schema.types).flatMap(([token, { properties }]) =>
        Object.entries(properties ?? {}).map(([name, property]) => [`${token} ${name}`, property] as const),
      ),
    ];
    assert.ok(properties.length > 100);
    const missing = properties.filter(([, { description }]) => !description?.trim()).map(([path]) => path);
    assert.deepEqual(missing, []);
    // The analyzer makes this of {@link X}.
    assert.ok(!schemaText(schema).includes("[object Object]"));
  });

  it("takes the values that come from elsewhere as inputs, and everything else plain", () => {
    const inputs = Object.entries({ ...schema.resources, ...schema.types })
      .flatMap(([token, type]) =>
        Object.entries("inputProperties" in type ? (type.inputProperties ?? {}) : (type.properties ?? {}))
          .filter(([, property]) => !property.plain)
          .map(([name]) => `${token.split(":")[2] ?? ""}.${name}`),
      )
      .sort();
    // Every part's namespace, the seed of its secrets, what one part takes of another, and what a secret or a certificate is.
    const seeded = inputs.filter((path) => path.endsWith(".secretSeed")).map((path) => path.split(".")[0]);
    assert.deepEqual(seeded, [
      "ClickHouse",
      "ModelProxy",
      "Mongo",
      "Postgres",
      "Search",
      "Telemetry",
      "TelemetryConsole",
      "Valkey",
    ]);
    const others = inputs.filter((path) => !/\.(namespace|secretSeed)$/.test(path));
    assert.deepEqual(
      inputs.filter((path) => path.endsWith(".namespace")).length,
      Object.keys(schema.resources).length - ["AgentStack", "Tenancy"].length,
    );
    assert.deepEqual(others, [
      "Endpoint.host",
      "Entry.service",
      "OpenClawGateway.vaultClaim",
      "Search.vaultClaim",
      "SecretKey.secretName",
      "SecretOptions.existingName",
      "SecretOptions.value",
      "SecretReference.key",
      "SecretReference.secretName",
      "SecretReference.value",
      "SecretReference.version",
      "TlsOptions.secretName",
    ]);
  });
});
