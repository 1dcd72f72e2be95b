import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiServer } from "./api";
import { nodePodCidr } from "./network";
import { CONTROLLER_NAME, INGRESS_CLASSES, LOCAL_CLASS, PROVISIONER } from "./stages";

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

/** Creates the Gateway API's definitions from its own files, the largest first since it takes the server longest. */
export async function createGatewayApi(api: ApiServer, crdFolder: string): Promise<void> {
  const definitions = readdirSync(crdFolder)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => readFileSync(join(crdFolder, file), "utf8"))
    .filter((text) => /^kind: CustomResourceDefinition$/m.test(text))
    .sort((a, b) => b.length - a.length);
  await Promise.all(definitions.map((definition) => api.create(CRDS, definition)));
}

export async function createGatewayClass(api: ApiServer): Promise<void> {
  await api.create("/apis/gateway.networking.k8s.io/v1/gatewayclasses", {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name: LOCAL_CLASS },
    spec: { controllerName: CONTROLLER_NAME },
  });
}

/** Whether every definition is served, and in OpenAPI too, which kwok reads once at its start. */
export async function gatewayApiIsServed(api: ApiServer): Promise<boolean> {
  const list = await api.get<{ items: { status?: { conditions?: Condition[] } }[] }>(CRDS);
  if (list === undefined || !list.items.every((crd) => isTrue(crd.status?.conditions, "Established"))) return false;
  const openApi = await api.call("GET", "/openapi/v3/apis/gateway.networking.k8s.io/v1");
  return openApi.status === 200 && WATCHED_KINDS.every((kind) => openApi.body.includes(`/${kind}/{name}"`));
}

/** Whether Pods can be created and scheduled: all Nodes Ready, and the controllers at work. */
export async function acceptsPods(api: ApiServer, nodes: number): Promise<boolean> {
  const [list, serviceAccount, gatewayClass] = await Promise.all([
    api.get<{ items: { status?: { conditions?: Condition[] } }[] }>("/api/v1/nodes"),
    api.get("/api/v1/namespaces/default/serviceaccounts/default"),
    api.get<{ status?: { conditions?: Condition[] } }>(
      `/apis/gateway.networking.k8s.io/v1/gatewayclasses/${LOCAL_CLASS}`,
    ),
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
    },
    spec: { podCIDR: nodePodCidr(index, node), podCIDRs: [nodePodCidr(index, node)] },
    status: { capacity, allocatable: capacity },
  };
}

/** Zones a to c, as most regions have three. */
function zoneLetter(node: number): string {
  return "abc".charAt(node % 3);
}
