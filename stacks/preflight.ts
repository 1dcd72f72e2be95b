import { Conflict, NotFound, ValidationFailed } from "../components/errors";
import { ModelDatabase } from "../components/model-proxy-options";
import { isSharedFileSystem } from "../components/shared-file-systems";
import { hasConsole, telemetryMode, TelemetryMode } from "../components/telemetry-mode";
import { TlsFrom } from "../components/tls-from";
import type { ClusterReader } from "./cluster-connection";
import type { Cell } from "./config";

/** The oldest Kubernetes that everything here works on: containers that start before the others and end after them are on there. */
export const OLDEST_KUBERNETES = { major: 1, minor: 29 };

interface StorageClass {
  metadata: { name: string; annotations?: Record<string, string> };
  provisioner: string;
}

/** What a cluster turned out to be. */
export interface ClusterIdentity {
  /** The UID of the `kube-system` namespace: no two clusters share it, and it lasts as long as the cluster. */
  uid: string;
  /** For example `v1.35.4`. */
  version: string;
}

/** The labels of a Namespace of ours that say whose it is; see `objectLabels`. */
const INSTANCE = "app.kubernetes.io/instance";
const PART_OF = "app.kubernetes.io/part-of";
const AGENT_STACK = "agent-stack";

interface Namespace {
  metadata: { uid: string; labels?: Record<string, string> };
}

/**
 * Checks, before anything is written, that the cluster is the one that is meant and has what the cell needs.
 * @param expectedUid the identity that the cluster must have; undefined when none is known.
 * @throws Conflict for the wrong cluster, and for a namespace that another cell has; NotFound or ValidationFailed for what
 * it lacks.
 */
export async function preflight(
  cell: Cell,
  reader: ClusterReader,
  expectedUid: string | undefined,
): Promise<ClusterIdentity> {
  const where = `cluster ${cell.cluster.id}`;
  const needed = neededApis(cell);
  const own = cell.config.namespace ?? cell.id;
  const [namespace, ownNamespace, version, classes, ...apis] = await Promise.all([
    reader.get("/api/v1/namespaces/kube-system") as Promise<Namespace | undefined>,
    reader.get(`/api/v1/namespaces/${own}`) as Promise<Namespace | undefined>,
    reader.get("/version") as Promise<{ gitVersion: string; major: string; minor: string } | undefined>,
    reader.get("/apis/storage.k8s.io/v1/storageclasses") as Promise<{ items: StorageClass[] } | undefined>,
    ...needed.map(({ path }) => reader.get(path)),
  ]);
  if (namespace === undefined || version === undefined) {
    throw new NotFound({ what: "what answers is no Kubernetes API server", where, fix: "check the context's server" });
  }
  const uid = namespace.metadata.uid;
  if (expectedUid !== undefined && uid !== expectedUid) {
    throw new Conflict({
      what: `this is another cluster: its kube-system namespace has the UID ${uid}, not ${expectedUid}`,
      where,
      fix: `point context at the right cluster, or correct the uid of ${cell.cluster.id} in fleet.yaml`,
    });
  }
  assertOwn(cell, own, ownNamespace, where);
  assertVersion(version, where);
  assertStorageClasses(cell, classes?.items ?? [], where);
  for (const [index, { what, fix }] of needed.entries()) {
    if (apis[index] === undefined) throw new NotFound({ what: `${what} is not installed`, where, fix });
  }
  return { uid, version: version.gitVersion };
}

/** Server-side apply would take a namespace over without a word, and with it the other cell's secrets. */
function assertOwn({ id }: Cell, name: string, namespace: Namespace | undefined, where: string): void {
  const { [PART_OF]: partOf, [INSTANCE]: owner } = namespace?.metadata.labels ?? {};
  if (partOf !== AGENT_STACK || owner === id) return;
  throw new Conflict({
    what: `the namespace ${name} is the cell ${String(owner)}'s`,
    where,
    fix: `give ${id} another namespace, or delete what is left of ${String(owner)}`,
  });
}

/** An API that Kubernetes does not have by itself. */
interface NeededApi {
  path: string;
  what: string;
  fix: string;
}

function neededApis({ config: { entry, externalSecrets, forwardProxy } }: Cell): NeededApi[] {
  return [
    ...(entry?.gatewayApi === undefined
      ? []
      : [
          {
            path: "/apis/gateway.networking.k8s.io/v1",
            what: "the Gateway API",
            fix: "install the CRDs of gateway.networking.k8s.io/v1 with a controller, or use entry.ingress",
          },
        ]),
    ...(entry?.tls?.from === TlsFrom.CertManager
      ? [
          {
            path: "/apis/cert-manager.io/v1",
            what: "cert-manager",
            fix: "install it, or choose another entry.tls.from",
          },
        ]
      : []),
    ...(externalSecrets === undefined
      ? []
      : [
          {
            path: "/apis/external-secrets.io/v1",
            what: "External Secrets Operator",
            fix: "install it, or leave externalSecrets out",
          },
        ]),
    ...(forwardProxy?.ciliumFqdnPolicy === true
      ? [{ path: "/apis/cilium.io/v2", what: "Cilium", fix: "leave forwardProxy.ciliumFqdnPolicy out" }]
      : []),
  ];
}

function assertVersion(
  { gitVersion, major, minor }: { gitVersion: string; major: string; minor: string },
  where: string,
): void {
  const found = [Number.parseInt(major, 10), Number.parseInt(minor, 10)] as const;
  const oldest = OLDEST_KUBERNETES;
  if (found[0] < oldest.major || (found[0] === oldest.major && found[1] < oldest.minor)) {
    throw new ValidationFailed({
      what: `Kubernetes ${gitVersion} is older than ${String(oldest.major)}.${String(oldest.minor)}`,
      where,
      fix: "upgrade the cluster",
    });
  }
}

function assertStorageClasses(cell: Cell, classes: StorageClass[], where: string): void {
  const { gateway, vault, search, messaging, modelProxy, telemetry } = cell.config;
  const ownDatabase =
    modelProxy !== undefined && (modelProxy.database?.kind ?? ModelDatabase.Own) === ModelDatabase.Own;
  const mode = telemetry && telemetryMode(telemetry);
  const own = mode === TelemetryMode.Own;
  const claims = [
    { option: "gateway.state", claim: gateway?.state, enabled: true },
    { option: "vault.volume", claim: vault?.volume, enabled: vault?.enabled ?? true },
    { option: "search.index", claim: search?.index, enabled: search !== undefined },
    { option: "messaging.broker.volume", claim: messaging?.broker?.volume, enabled: messaging !== undefined },
    { option: "modelProxy.database.own.volume", claim: modelProxy?.database?.own?.volume, enabled: ownDatabase },
    {
      option: "telemetry.collector.queue",
      claim: telemetry?.collector?.queue,
      enabled: own || mode === TelemetryMode.External,
    },
    { option: "telemetry.clickhouse.volume", claim: telemetry?.clickhouse?.volume, enabled: own },
    {
      option: "telemetry.consoleDatabase.volume",
      claim: telemetry?.consoleDatabase?.volume,
      enabled: telemetry !== undefined && hasConsole(telemetry),
    },
  ]
    .filter(({ enabled }) => enabled)
    .map(({ option, claim }) => ({ option: `${option}.storageClass`, name: claim?.storageClass }));
  const available = classes.map(({ metadata }) => metadata.name).join(", ") || "none";
  for (const { option, name } of claims) {
    const chosen = classes.find(({ metadata }) =>
      name === undefined
        ? metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true"
        : metadata.name === name,
    );
    if (chosen === undefined) {
      throw new NotFound({
        what:
          name === undefined
            ? `no default StorageClass; the cluster has: ${available}`
            : `no StorageClass ${name}; the cluster has: ${available}`,
        where: `${where}: ${option}`,
        fix: name === undefined ? `name one in ${option}, or mark one as default` : "name one that exists",
      });
    }
    // Notes do well on any file system; everything else is a database of some kind.
    if (!option.startsWith("vault") && isSharedFileSystem(chosen.provisioner)) {
      throw new ValidationFailed({
        what: `StorageClass ${chosen.metadata.name} (${chosen.provisioner}) is a shared file system, on which databases corrupt`,
        where: `${where}: ${option}`,
        fix: "use a class of RWO block storage",
      });
    }
  }
}
