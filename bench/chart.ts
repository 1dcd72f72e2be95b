import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Manifest } from "../stacks/render";

/** A Secret's data, base64, by the Secret's name. */
export type SecretData = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** What kubectl, helm and a flat program are given. */
export interface Packages {
  /** One file with every object. */
  manifest: string;
  /** The same as a JSON array. */
  objects: string;
  /** A chart of nothing but the same objects. */
  chart: string;
}

/**
 * Writes objects for kubectl and for helm, the Namespace first and the Secrets with data of the size that they have in
 * a cell that is up.
 */
export function writePackages(folder: string, objects: readonly Manifest[], secrets: SecretData): Packages {
  const complete = objects
    .map((object) => withSecretData(object, secrets))
    .sort((a, b) => Number(b.kind === "Namespace") - Number(a.kind === "Namespace"));
  const chart = join(folder, "chart");
  mkdirSync(join(chart, "templates"), { recursive: true });
  writeFileSync(join(chart, "Chart.yaml"), stringify({ apiVersion: "v2", name: "cell", version: "1.0.0" }));
  for (const object of complete) {
    const file = `${object.kind.toLowerCase()}-${object.metadata.name}.yaml`;
    writeFileSync(join(chart, "templates", file), escapeTemplate(stringify(object)));
  }
  const manifest = join(folder, "objects.yaml");
  writeFileSync(manifest, complete.map((object) => stringify(object)).join("---\n"));
  const json = join(folder, "objects.json");
  writeFileSync(json, JSON.stringify(complete));
  return { manifest, objects: json, chart };
}

function withSecretData(object: Manifest, secrets: SecretData): Manifest {
  const data = object.kind === "Secret" ? secrets.get(object.metadata.name) : undefined;
  if (data === undefined) return object;
  return { ...object, data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, sameSize(value)])) };
}

/** Random data that takes as many bytes as the given base64 data. */
export function sameSize(base64: string): string {
  return randomBytes(Buffer.from(base64, "base64").length).toString("base64");
}

/** What Helm would take for a template's action is text. */
export function escapeTemplate(text: string): string {
  return text.replaceAll("{{", '{{ "{{" }}');
}
