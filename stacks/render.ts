import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "../components/yaml";
import { NotFound } from "../components/errors";
import { PROJECT } from "./project";
import { localCluster } from "./local-clusters";
import { program } from "./program";

/** A Kubernetes object as the program asks for it. */
export interface RenderedObject {
  /** The cell that it is a part of. */
  cell: string;
  /** The cluster that it goes to. */
  cluster: string;
  manifest: Manifest;
}

/** What is rendered. */
export interface RenderOptions {
  /** The one cell to render. Default: all of the stack's. */
  cell?: string;
  /** The folder of fleet.yaml. Default: what the stack's file says, else `stacks/` of the project. */
  folder?: string;
  /** The Pod CIDRs of embedded clusters that do not run, by id. Default: none, and an entry then says what it lacks. */
  podCidrs?: ReadonlyMap<string, string>;
}

/** What every Kubernetes object has. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}

/**
 * Runs the program of a stack without an engine and without a cluster, and returns the objects that it asks for.
 * Secrets come without `data` and `stringData`; the names of their keys are in an annotation. An address that the
 * cluster assigns is 0.0.0.0.
 * @param file the stack's config file; undefined when it has none.
 * @throws what the program throws.
 */
export async function render(
  stack: string,
  file: string | undefined,
  { cell, folder, podCidrs }: RenderOptions = {},
): Promise<RenderedObject[]> {
  const text = file === undefined ? "" : readFileSync(file, "utf8");
  const { config = {} } = (parse(text) ?? {}) as { config?: Record<string, unknown> };
  const values = Object.entries({ ...config, ...(folder !== undefined && { [`${PROJECT}:folder`]: folder }) }).map(
    ([key, value]) => [key, isSecret(value) ? "" : typeof value === "string" ? value : JSON.stringify(value)],
  );
  pulumi.runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
  const objects: RenderedObject[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider = "" }) => {
        const manifest = plain(inputs) as Manifest;
        if (type.startsWith("kubernetes:"))
          objects.push({
            cell: cellOf(manifest),
            cluster: providerName(provider),
            manifest: withoutSecretData(manifest),
          });
        return { id: name, state: { ...manifest, ...computed(type, manifest) } };
      },
      call: () => ({}),
    },
    PROJECT,
    stack,
    true,
  );
  await program({ cell, podCidrs: (cluster) => runningPodCidrs(cluster) ?? plannedPodCidrs(cluster, podCidrs) });
  await pulumi.runtime.disconnect();
  return objects.sort((a, b) => objectPath(a).localeCompare(objectPath(b)));
}

/** A file name for an object: `CELL/kind-name.yaml`. */
export function objectPath({ cell, manifest }: RenderedObject): string {
  return `${cell}/${manifest.kind.toLowerCase()}-${manifest.metadata.name}.yaml`;
}

/** Every object of a cell has its name as a label. */
function cellOf({ metadata }: Manifest): string {
  return metadata.labels?.["app.kubernetes.io/instance"] ?? "";
}

/** The Pod CIDR of an embedded cluster that runs. */
function runningPodCidrs(cluster: string): string[] | undefined {
  try {
    return [localCluster(cluster).podCidr];
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    return undefined;
  }
}

function plannedPodCidrs(cluster: string, planned?: ReadonlyMap<string, string>): string[] {
  const cidr = planned?.get(cluster);
  return cidr === undefined ? [] : [cidr];
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
