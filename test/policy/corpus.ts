import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { isCustom } from "../../policy/kubernetes/resource-type";
import type { Inspected } from "./support";

const CORPUS = join(projectRoot, "test", "policy", "corpus");

/** An object as its manifest says it. */
export interface KubernetesManifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: object; labels?: object };
  spec?: unknown;
}

/** A file of the corpus: objects, and what the pack and the API server say of them. */
export interface Manifest {
  /** The folder, which is the policy that it is about, and the file's name without its ending. */
  name: string;
  objects: KubernetesManifest[];
  resources: Inspected[];
  /** What the pack finds, as `POLICY PATH`, sorted. */
  expected: string[];
  /** What the API server says of the Pod where that is not what pod-security says, and why. */
  admission: { allowed: boolean; reason: string } | undefined;
}

/** What is around every manifest: a namespace with its bounds. */
export function corpusContext(): Pick<Manifest, "objects" | "resources"> {
  return manifestOf("context", readFileSync(join(CORPUS, "context.yaml"), "utf8"));
}

/** The whole corpus. */
export function corpus(): Manifest[] {
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: policy }) =>
      readdirSync(join(CORPUS, policy)).map((file) =>
        manifestOf(`${policy}/${file.replace(".yaml", "")}`, readFileSync(join(CORPUS, policy, file), "utf8")),
      ),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A Pod as its own manifest, or that of a workload of Kubernetes' own. */
export function podOf(object: KubernetesManifest): KubernetesManifest | undefined {
  if (object.kind === "Pod") return object;
  if (isCustom(typeOf(object))) return undefined;
  type Template = { metadata?: { labels?: object; annotations?: object }; spec?: { containers?: unknown } };
  type Spec = { template?: Template; jobTemplate?: { spec?: { template?: Template } } } | undefined;
  const spec = object.spec as Spec;
  const template = spec?.template ?? spec?.jobTemplate?.spec?.template;
  if (template?.spec?.containers === undefined) return undefined;
  const { name, namespace } = object.metadata;
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, ...template.metadata }, spec: template.spec };
}

function manifestOf(name: string, text: string): Manifest {
  const documents = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  const said = (key: string) =>
    [...text.matchAll(new RegExp(`^# ${key}: (.*)$`, "gm"))].map(([, value]) => value ?? "");
  const [, verdict = "", reason = ""] = /^(allowed|denied); (.+)$/.exec(said("admission")[0] ?? "") ?? [];
  const [provider] = said("provider");
  return {
    name,
    objects: documents.filter((document): document is KubernetesManifest => !isProgram(document)),
    resources: documents.map((document) => ({
      ...(isProgram(document) ? ofProgram(document) : ofObject(document as KubernetesManifest)),
      ...(provider !== undefined && { provider: { type: "pulumi:providers:kubernetes", name: provider } }),
    })),
    expected: said("expect").sort(),
    admission: verdict === "" ? undefined : { allowed: verdict === "allowed", reason },
  };
}

/** What is no object of Kubernetes is written as Pulumi's YAML does: a type and its properties. */
interface ProgramResource {
  type: string;
  properties: Record<string, unknown>;
}

function isProgram(document: unknown): document is ProgramResource {
  return typeof (document as Partial<ProgramResource>).type === "string";
}

function ofProgram({ type, properties }: ProgramResource): Inspected {
  return { type, name: "resource", props: properties };
}

function ofObject(object: KubernetesManifest): Inspected {
  const { name, namespace } = object.metadata;
  return {
    type: typeOf(object),
    name: namespace === undefined ? name : `${namespace}.${name}`,
    props: object as unknown as Record<string, unknown>,
  };
}

function typeOf({ apiVersion, kind }: KubernetesManifest): string {
  return `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
}
