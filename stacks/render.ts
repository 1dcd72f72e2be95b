import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { program } from "./program";

/** A Kubernetes object as the program asks for it. */
export interface RenderedObject {
  /** The cluster that it goes to, which names the cell. */
  cluster: string;
  manifest: Manifest;
}

/** What every Kubernetes object has. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/**
 * Runs the program of a stack without an engine and without a cluster, and returns the objects that it asks for.
 * Secrets come without `data` and `stringData`; the names of their keys are in an annotation. An address that the
 * cluster assigns is 0.0.0.0.
 * @param file the stack's config file.
 */
export async function render(stack: string, file: string): Promise<RenderedObject[]> {
  const { config = {} } = (parse(readFileSync(file, "utf8")) ?? {}) as { config?: Record<string, unknown> };
  const values = Object.entries(config).map(([key, value]) => [
    key,
    isSecret(value) ? "" : typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
  const objects: RenderedObject[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider = "" }) => {
        const manifest = plain(inputs) as Manifest;
        if (type.startsWith("kubernetes:"))
          objects.push({ cluster: providerName(provider), manifest: withoutSecretData(manifest) });
        return { id: name, state: { ...manifest, ...computed(type, manifest) } };
      },
      call: () => ({}),
    },
    "clawfleet",
    stack,
    true,
  );
  await program(false);
  await pulumi.runtime.disconnect();
  return objects.sort((a, b) => objectPath(a).localeCompare(objectPath(b)));
}

/** A file name for an object: `CELL/kind-name.yaml`. */
export function objectPath({ cluster, manifest }: RenderedObject): string {
  return `${cluster}/${manifest.kind.toLowerCase()}-${manifest.metadata.name}.yaml`;
}

/** What only a provider can compute. All of it is secret, so none of it is rendered. */
const PLACEHOLDERS: Record<string, Record<string, string>> = {
  "random:index/randomPassword:RandomPassword": { result: "" },
  "tls:index/privateKey:PrivateKey": { privateKeyPem: "" },
  "tls:index/selfSignedCert:SelfSignedCert": { certPem: "" },
  "tls:index/certRequest:CertRequest": { certRequestPem: "" },
  "tls:index/locallySignedCert:LocallySignedCert": { certPem: "" },
};

/** An address that the cluster assigns. */
const UNASSIGNED = "0.0.0.0";

function computed(type: string, { spec }: Manifest): object {
  if (type !== "kubernetes:core/v1:Service") return PLACEHOLDERS[type] ?? {};
  return { spec: { clusterIP: UNASSIGNED, ...(spec as object) } };
}

function isSecret(value: unknown): boolean {
  return typeof value === "object" && value !== null && "secure" in value;
}

/** A provider's reference is `URN::ID`, and the last part of the URN is the name, which is the cluster's id. */
function providerName(reference: string): string {
  return reference.split("::").at(-2) ?? "";
}

/** Pulumi passes a secret as an object with its signature as key and the value beside it. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (pulumi.runtime.specialSigKey in object) return plain(object.value);
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, plain(item)]));
}

function withoutSecretData(manifest: Manifest): Manifest {
  if (manifest.kind !== "Secret") return manifest;
  const { data, stringData, ...rest } = manifest as Manifest & { data?: object; stringData?: object };
  const keys = [...Object.keys(data ?? {}), ...Object.keys(stringData ?? {})].sort().join(",");
  return {
    ...rest,
    metadata: { ...rest.metadata, annotations: { ...rest.metadata.annotations, "clawfleet.dev/secret-keys": keys } },
  };
}
