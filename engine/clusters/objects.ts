import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiServer } from "./api";
import { nodePodCidr } from "./network";
import { CONTROLLER_NAME, INGRESS_CLASSES, LOCAL_CLASS, PROVISIONER } from "./stages";

const GATEWAY_API = "gateway.networking.k8s.io/v1";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/** Kinds that kwok's stages watch, so kwok can start only once their definitions are served. */
const WATCHED_KINDS = ["gatewayclasses", "gateways", "httproutes"];

/** Creates what every cluster has from its start and needs no definition of ours; what exists stays as it is. */
export async function createBaseObjects(api: ApiServer, cluster: { name: string; index: number; nodes: number }) {
  await Promise.all([
    api.create("/apis/storage.k8s.io/v1/storageclasses", storageClass()),
    ...INGRESS_CLASSES.map((name) => api.create("/apis/networking.k8s.io/v1/ingressclasses", ingressClass(name))),
    ...Array.from({ length: cluster.nodes }, (_, node) =>
      api.create("/api/v1/nodes", nodeObject(cluster.name, cluster.index, node)),
    ),
  ]);
}

/** A CustomResourceDefinition as its file holds it. */
export interface Definition {
  /** Such as gateways.gateway.networking.k8s.io. */
  name: string;
  yaml: string;
}

/** The Gateway API's definitions from its own files, the largest first since they take the server longest. */
export function readGatewayApi(crdFolder: string): Definition[] {
  return readdirSync(crdFolder)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => readFileSync(join(crdFolder, file), "utf8"))
    .filter((yaml) => /^kind: CustomResourceDefinition$/m.test(yaml))
    .sort((a, b) => b.length - a.length)
    .map((yaml) => ({ name: /^ {2}name: (\S+)$/m.exec(yaml)?.[1] ?? "", yaml }));
}

/** Creates those definitions that are missing: sending a megabyte only to hear that it exists costs the server much. */
export async function createDefinitions(api: ApiServer, definitions: readonly Definition[]): Promise<void> {
  const list = await api.get<{ items: { metadata: { name: string } }[] | null }>(CRDS, {
    accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
  });
  const present = new Set(list?.items?.map(({ metadata }) => metadata.name));
  const missing = definitions.filter(({ name }) => !present.has(name));
  await Promise.all(missing.map(({ yaml }) => api.create(CRDS, yaml)));
}

/** Whether all definitions are served, and are in OpenAPI too, which kwok reads once at its start. */
export async function gatewayApiIsServed(api: ApiServer, definitions: readonly Definition[]): Promise<boolean> {
  const discovery = await api.get<{ resources: { name: string }[] }>(`/apis/${GATEWAY_API}`);
  const served = new Set(discovery?.resources.map(({ name }) => name));
  if (!definitions.every(({ name }) => served.has(name.split(".", 1)[0] ?? ""))) return false;
  const openApi = await api.call("GET", `/openapi/v3/apis/${GATEWAY_API}`);
  return openApi.status === 200 && WATCHED_KINDS.every((kind) => openApi.body.includes(`/${kind}/{name}"`));
}

export async function createGatewayClass(api: ApiServer): Promise<void> {
  await api.create(`/apis/${GATEWAY_API}/gatewayclasses`, {
    apiVersion: GATEWAY_API,
    kind: "GatewayClass",
    metadata: { name: LOCAL_CLASS },
    spec: { controllerName: CONTROLLER_NAME },
  });
}

/** Whether Pods can be created and scheduled: all Nodes Ready, and the controllers at work. */
export async function acceptsPods(api: ApiServer, nodes: number): Promise<boolean> {
  const [list, serviceAccount, gatewayClass] = await Promise.all([
    api.get<{ items: { status?: { conditions?: Condition[] } }[] }>("/api/v1/nodes"),
    api.get("/api/v1/namespaces/default/serviceaccounts/default"),
    api.get<{ status?: { conditions?: Condition[] } }>(`/apis/${GATEWAY_API}/gatewayclasses/${LOCAL_CLASS}`),
  ]);
  const ready = list?.items.filter((node) => isTrue(node.status?.conditions, "Ready")).length ?? 0;
  return ready >= nodes && serviceAccount !== undefined && isTrue(gatewayClass?.status?.conditions, "Accepted");
}

interface Condition {
  type: string;
  status: string;
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
}

function storageClass(): object {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "standard", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: PROVISIONER,
    reclaimPolicy: "Delete",
    volumeBindingMode: "Immediate",
  };
}

function ingressClass(name: string): object {
  const annotations = name === LOCAL_CLASS ? { "ingressclass.kubernetes.io/is-default-class": "true" } : {};
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "IngressClass",
    metadata: { name, annotations },
    spec: { controller: CONTROLLER_NAME },
  };
}

/** A node in a zone of its own, in the region that is named like the cluster. */
export function nodeObject(cluster: string, index: number, node: number): object {
  const name = `${cluster}-${node}`;
  const capacity = { cpu: "16", memory: "64Gi", "ephemeral-storage": "500Gi", pods: "250" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": cluster,
        "topology.kubernetes.io/zone": `${cluster}-${zoneLetter(node)}`,
      },
      // kwok's own mark of a node that only pretends.
      annotations: { "kwok.x-k8s.io/node": "fake" },
    },
    spec: { podCIDR: nodePodCidr(index, node), podCIDRs: [nodePodCidr(index, node)] },
    status: { capacity, allocatable: capacity },
  };
}

/** Zones a to c, as most regions have three. */
function zoneLetter(node: number): string {
  return "abc".charAt(node % 3);
}
