import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer";
import { generateSchema, type PackageSpec } from "@pulumi/pulumi/provider/experimental/schema";
import { getPulumiComponents } from "@pulumi/pulumi/provider/experimental/provider";
import * as entryPoint from "../index";

/** The repository, from dist/engine. */
const ROOT = join(__dirname, "../..");

/** The schema that users of every Pulumi language get; checked in, so that a change of it is seen in review. */
export const SCHEMA_FILE = join(ROOT, "schema.json");

interface Manifest {
  name: string;
  version: string;
  description: string;
}

/** The schema of this package, extracted from its sources as Pulumi does for `pulumi package get-schema`. */
export function packageSchema(): PackageSpec {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
  const names = new Set(getPulumiComponents(entryPoint).map(({ name }) => name));
  const { components, typeDefinitions, dependencies } = new Analyzer(ROOT, manifest.name, manifest, names).analyze();
  return generateSchema(
    manifest.name,
    manifest.version,
    manifest.description,
    components,
    typeDefinitions,
    dependencies,
  );
}

/** A schema's text as it is checked in. */
export function schemaText(schema: PackageSpec): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

if (require.main === module) writeFileSync(SCHEMA_FILE, schemaText(packageSchema()));
