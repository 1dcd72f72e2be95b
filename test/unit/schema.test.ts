import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { packageSchema, SCHEMA_FILE, schemaText } from "../../engine/package-schema";

type Schema = ReturnType<typeof packageSchema>;

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

  it("has our five components and nothing else", () => {
    assert.deepEqual(
      Object.keys(schema.resources),
      ["AgentStack", "Entry", "OpenClawGateway", "Tenancy", "Vault"].map((name) => `clawfleet:index:${name}`),
    );
    assert.ok(Object.values(schema.resources).every(({ isComponent }) => isComponent));
  });

  it("has only the outputs that are meant to be public", () => {
    const outputs = Object.entries(schema.resources).map(([token, { properties }]) => [
      token.split(":")[2],
      Object.keys(properties ?? {}),
    ]);
    assert.deepEqual(Object.fromEntries(outputs), {
      AgentStack: ["namespace", "service", "url", "token", "caCertificate", "configHash"],
      Entry: ["url", "caCertificate"],
      OpenClawGateway: ["service", "url", "token", "configHash", "statefulSet", "configMap"],
      Tenancy: ["namespace"],
      Vault: ["claim"],
    });
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
    assert.deepEqual(inputs, [
      "Entry.namespace",
      "Entry.service",
      "OpenClawGateway.namespace",
      "OpenClawGateway.vaultClaim",
      "SecretOptions.existingName",
      "SecretOptions.value",
      "TlsOptions.secretName",
      "Vault.namespace",
    ]);
  });
});
