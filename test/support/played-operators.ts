import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiServer } from "../../engine/clusters/api";
import { ensureExternalSecretDefinition } from "../../engine/toolchain";

interface Seen {
  metadata: { name: string; uid: string };
  status?: { conditions?: object[]; loadBalancer?: { ingress?: object[] } };
}

/** An ExternalSecret, as far as its operator looks. */
export interface ExternalSecret extends Seen {
  spec: { target: { name: string }; data: { secretKey: string; remoteRef: { key: string } }[] };
}

const EXTERNAL_SECRETS = "/apis/external-secrets.io/v1";
const POLL_MS = 300;

/**
 * Plays what a cluster of production has beside Kubernetes, for one namespace until the signal: External Secrets Operator,
 * which needs a store, and the controller of a cloud's load balancer.
 * @param valueOf what the store has for a key.
 */
export async function playOperators(
  api: ApiServer,
  namespace: string,
  valueOf: (key: string) => string,
  signal: AbortSignal,
): Promise<void> {
  const externals = `${EXTERNAL_SECRETS}/namespaces/${namespace}/externalsecrets`;
  const ingresses = `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`;
  while (!signal.aborted) {
    for (const external of await list<ExternalSecret>(api, externals)) {
      if (external.status?.conditions === undefined) await syncExternalSecret(api, namespace, external, valueOf);
    }
    for (const ingress of await list<Seen>(api, ingresses)) {
      if (ingress.status?.loadBalancer?.ingress !== undefined) continue;
      const hostname = "internal-k8s-agents.eu-west-1.elb.amazonaws.com";
      await setStatus(api, ingresses, ingress, { loadBalancer: { ingress: [{ hostname }] } });
    }
    await sleep(POLL_MS);
  }
}

async function list<T>(api: ApiServer, path: string): Promise<T[]> {
  return (await api.get<{ items: T[] }>(path, { timeoutMs: 60_000 }))?.items ?? [];
}

/** What the operator does with an ExternalSecret: a Secret that it owns, and the condition. */
export async function syncExternalSecret(
  api: ApiServer,
  namespace: string,
  external: ExternalSecret,
  valueOf: (key: string) => string,
): Promise<void> {
  const { metadata, spec } = external;
  const { name, uid } = metadata;
  await api.create(`/api/v1/namespaces/${namespace}/secrets`, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: spec.target.name,
      namespace,
      ownerReferences: [{ apiVersion: "external-secrets.io/v1", kind: "ExternalSecret", name, uid, controller: true }],
    },
    stringData: Object.fromEntries(spec.data.map(({ secretKey, remoteRef }) => [secretKey, valueOf(remoteRef.key)])),
  });
  const conditions = [{ type: "Ready", status: "True", reason: "SecretSynced", message: "secret synced" }];
  const path = `${EXTERNAL_SECRETS}/namespaces/${namespace}/externalsecrets`;
  await setStatus(api, path, external, { conditions, refreshTime: new Date().toISOString() });
}

/** Gives a cluster the operator's own definition, and waits until the API server takes objects of it. */
export async function defineExternalSecrets(api: ApiServer): Promise<void> {
  const definition = readFileSync(await ensureExternalSecretDefinition(), "utf8");
  await api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
  const end = Date.now() + 60_000;
  while ((await api.call("GET", `${EXTERNAL_SECRETS}/externalsecrets`)).status !== 200) {
    if (Date.now() > end) throw new Error("ExternalSecrets are not served within 60 s");
    await sleep(POLL_MS);
  }
}

async function setStatus(api: ApiServer, path: string, { metadata }: Seen, status: object): Promise<void> {
  const answer = await api.call("PATCH", `${path}/${metadata.name}/status`, JSON.stringify({ status }), {
    contentType: "application/merge-patch+json",
  });
  if (answer.status !== 200) throw new Error(`${metadata.name}: ${String(answer.status)} ${answer.body}`);
}
