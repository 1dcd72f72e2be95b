import { TlsFrom } from "../components/certificate";
import { Conflict, NotFound, ValidationFailed } from "../components/errors";
import { isSharedFileSystem } from "../components/volume-claims";
import type { ClusterReader } from "./cluster-connection";
import type { Cell } from "./config";

/** The oldest Kubernetes that everything here works on: Pod Security Admission is stable and PodDisruptionBudget v1 there. */
export const OLDEST_KUBERNETES = { major: 1, minor: 25 };

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

/**
 * Checks, before anything is written, that the cluster is the one that is meant and has what the cell needs.
 * @param expectedUid the identity that the cluster must have; undefined when none is known.
 * @throws Conflict for the wrong cluster; NotFound or ValidationFailed for what it lacks.
 */
export async function preflight(
  cell: Cell,
  reader: ClusterReader,
  expectedUid: string | undefined,
): Promise<ClusterIdentity> {
  const where = `cluster ${cell.cluster.id}`;
  const [namespace, version, classes, gatewayApi, certManager] = await Promise.all([
    reader.get("/api/v1/namespaces/kube-system") as Promise<{ metadata: { uid: string } } | undefined>,
    reader.get("/version") as Promise<{ gitVersion: string; major: string; minor: string } | undefined>,
    reader.get("/apis/storage.k8s.io/v1/storageclasses") as Promise<{ items: StorageClass[] } | undefined>,
    cell.config.entry?.gatewayApi === undefined ? {} : reader.get("/apis/gateway.networking.k8s.io/v1"),
    cell.config.entry?.tls?.from === TlsFrom.CertManager ? reader.get("/apis/cert-manager.io/v1") : {},
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
  assertVersion(version, where);
  assertStorageClasses(cell, classes?.items ?? [], where);
  if (gatewayApi === undefined) {
    throw new NotFound({
      what: "the Gateway API is not installed",
      where,
      fix: "install the CRDs of gateway.networking.k8s.io/v1 with a controller, or use entry.ingress",
    });
  }
  if (certManager === undefined) {
    throw new NotFound({
      what: "cert-manager is not installed",
      where,
      fix: "install it, or choose another entry.tls.from",
    });
  }
  return { uid, version: version.gitVersion };
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
  const { gateway, vault } = cell.config;
  const claims = [
    { option: "gateway.state.storageClass", name: gateway?.state?.storageClass, enabled: true },
    { option: "vault.volume.storageClass", name: vault?.volume?.storageClass, enabled: vault?.enabled ?? true },
  ].filter(({ enabled }) => enabled);
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
    // Only the state is SQLite; notes do well on any file system.
    if (option.startsWith("gateway") && isSharedFileSystem(chosen.provisioner)) {
      throw new ValidationFailed({
        what: `StorageClass ${chosen.metadata.name} (${chosen.provisioner}) is a shared file system, on which SQLite corrupts`,
        where: `${where}: ${option}`,
        fix: "use a class of RWO block storage",
      });
    }
  }
}
