import { setTimeout as sleep } from "node:timers/promises";
import type { ApiServer } from "../../engine/clusters/api";

interface Seen {
  metadata: { name: string; uid: string };
  status?: { conditions?: object[]; loadBalancer?: { ingress?: object[] } };
}

interface ExternalSecret extends Seen {
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
      if (external.status?.conditions !== undefined) continue;
      await makeSecret(api, namespace, external, valueOf);
      const conditions = [{ type: "Ready", status: "True", reason: "SecretSynced", message: "secret synced" }];
      await setStatus(api, externals, external, { conditions, refreshTime: new Date().toISOString() });
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
  const { status, body } = await api.call("GET", path, undefined, { timeoutMs: 60_000 });
  // 429 while the API server is getting ready to store a new kind.
  if (status === 404 || status === 429) return [];
  if (status !== 200) throw new Error(`${path}: ${String(status)} ${body}`);
  return (JSON.parse(body) as { items: T[] }).items;
}

/** The Secret that an ExternalSecret asks for, which it owns. */
async function makeSecret(
  api: ApiServer,
  namespace: string,
  { metadata, spec }: ExternalSecret,
  valueOf: (key: string) => string,
): Promise<void> {
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
}

async function setStatus(api: ApiServer, path: string, { metadata }: Seen, status: object): Promise<void> {
  const answer = await api.call("PATCH", `${path}/${metadata.name}/status`, JSON.stringify({ status }), {
    contentType: "application/merge-patch+json",
  });
  if (answer.status !== 200) throw new Error(`${metadata.name}: ${String(answer.status)} ${answer.body}`);
}
