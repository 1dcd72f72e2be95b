import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiServer } from "../../engine/clusters/api";
import { accessOf } from "../../engine/clusters/cluster";
import {
  clustersFile,
  listClusters,
  mergedKubeconfig,
  startClusters,
  stopClusters,
  type Cluster,
  type ClusterPrograms,
} from "../../engine/clusters/index";
import { startTimeOf } from "../../engine/process-start";
import { ClusterFolder, PROCESS_NAMES } from "../../engine/clusters/state";
import { clusterPrograms } from "../support/tools";

/** An object as far as these tests look into one. */
interface Seen {
  metadata: { uid: string };
  status?: {
    phase?: string;
    readyReplicas?: number;
    loadBalancer?: { ingress?: { ip: string }[] };
    addresses?: { value: string }[];
    conditions?: { type: string; status: string; observedGeneration?: number }[];
    parents?: { conditions: { type: string; status: string }[] }[];
    listeners?: { name: string; conditions: { type: string; status: string }[] }[];
  };
}

/** What the cluster must do within this many milliseconds on a machine busy with other tests. */
const PATIENCE_MS = 30_000;

describe("local clusters on real API servers", function () {
  this.timeout(120_000);
  const stateDir = mkdtempSync(join(tmpdir(), "clawfleet-engine-"));
  let binaries: ClusterPrograms;
  let east: Cluster;
  let west: Cluster;

  const start = (...names: string[]) => startClusters(names, { stateDir, binaries });

  async function withApi<T>(cluster: Cluster, work: (api: ApiServer) => Promise<T>): Promise<T> {
    const access = accessOf(new ClusterFolder(stateDir, cluster.name), Number(new URL(cluster.server).port));
    assert.ok(access);
    const api = new ApiServer(access);
    try {
      return await work(api);
    } finally {
      api.close();
    }
  }

  const create = (cluster: Cluster, path: string, object: object) =>
    withApi(cluster, (api) => api.create(path, object));

  async function until(cluster: Cluster, path: string, condition: (seen: Seen) => boolean): Promise<Seen> {
    return withApi(cluster, async (api) => {
      const deadline = Date.now() + PATIENCE_MS;
      for (;;) {
        const seen = await api.get<Seen>(path);
        if (seen !== undefined && condition(seen)) return seen;
        assert.ok(Date.now() < deadline, `${path} is not as expected: ${JSON.stringify(seen?.status)}`);
        await sleep(50);
      }
    });
  }

  const isTrue = (conditions: { type: string; status: string }[] | undefined, type: string) =>
    conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;

  before(async function () {
    this.timeout(15 * 60_000);
    binaries = await clusterPrograms();
  });

  after(async () => {
    await stopClusters(stateDir);
    rmSync(stateDir, { recursive: true, force: true });
  });

  it("starts two in parallel, with identities and ranges of their own", async () => {
    const began = Date.now();
    const clusters = await start("east", "west");
    const seconds = (Date.now() - began) / 1000;
    assert.equal(clusters.length, 2);
    [east, west] = clusters as [Cluster, Cluster];
    assert.deepEqual([east.name, west.name], ["east", "west"]);
    assert.match(east.version, /^v1\.\d+\.\d+$/);
    for (const key of ["uid", "server", "podCidr", "serviceCidr", "kubeconfig"] as const) {
      assert.notEqual(east[key], west[key], key);
    }
    const list = await listClusters(stateDir);
    assert.ok(list.every((cluster) => cluster.healthy));
    for (const { name, memory, totalMemory } of list) {
      assert.deepEqual(Object.keys(memory), [...PROCESS_NAMES]);
      const parts = PROCESS_NAMES.map((process) => `${process} ${Math.round((memory[process] ?? 0) / 2 ** 20)}`);
      console.log(`      ${name}: ${Math.round(totalMemory / 2 ** 20)} MiB resident (${parts.join(", ")})`);
    }
    console.log(`      ready after ${seconds.toFixed(1)} s`);
  });

  it("keeps everything private", () => {
    assert.equal(statSync(stateDir).mode & 0o777, 0o700);
    for (const cluster of [east, west]) {
      assert.equal(statSync(new ClusterFolder(stateDir, cluster.name).path).mode & 0o777, 0o700);
      const { tokens, serviceAccountKey, kubeconfig } = new ClusterFolder(stateDir, cluster.name);
      for (const file of [tokens, serviceAccountKey, kubeconfig]) assert.equal(statSync(file).mode & 0o777, 0o600);
    }
    for (const file of [clustersFile(stateDir), mergedKubeconfig(stateDir)]) {
      assert.equal(statSync(file).mode & 0o777, 0o600);
    }
    const [{ context } = { context: "" }] = JSON.parse(readFileSync(clustersFile(stateDir), "utf8")) as Cluster[];
    assert.equal(context, "east");
  });

  it("refuses a client without credentials", async () => {
    const access = accessOf(new ClusterFolder(stateDir, "east"), Number(new URL(east.server).port));
    assert.ok(access);
    const stranger = new ApiServer({ ...access, token: "0".repeat(64) });
    assert.equal((await stranger.call("GET", "/api/v1/namespaces")).status, 401);
    stranger.close();
  });

  it("leaves healthy clusters as they are", async () => {
    await start("east", "west");
    const files = () =>
      PROCESS_NAMES.map((name) => statSync(new ClusterFolder(stateDir, "east").pidFile(name)).mtimeMs);
    const before = files();
    assert.deepEqual(await start("east", "west"), [east, west]);
    assert.deepEqual(files(), before);
  });

  it("runs a StatefulSet with a claim that binds to a volume, and a Deployment", async () => {
    const container = { name: "main", image: "registry.k8s.io/pause:3.10" };
    const common = { selector: { matchLabels: { app: "a" } } };
    const metadata = { labels: { app: "a" } };
    await create(east, "/apis/apps/v1/namespaces/default/statefulsets", {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "store" },
      spec: {
        ...common,
        serviceName: "store",
        template: {
          metadata,
          spec: { containers: [{ ...container, volumeMounts: [{ name: "data", mountPath: "/data" }] }] },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
          },
        ],
      },
    });
    await create(east, "/apis/apps/v1/namespaces/default/deployments", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: { ...common, replicas: 3, template: { metadata, spec: { containers: [container] } } },
    });
    const apps = "/apis/apps/v1/namespaces/default";
    await until(east, `${apps}/statefulsets/store`, ({ status }) => status?.readyReplicas === 1);
    await until(east, `${apps}/deployments/web`, ({ status }) => status?.readyReplicas === 3);
    const claim = "/api/v1/namespaces/default/persistentvolumeclaims/data-store-0";
    const { metadata: bound } = await until(east, claim, ({ status }) => status?.phase === "Bound");
    await until(east, `/api/v1/persistentvolumes/pvc-${bound.uid}`, ({ status }) => status?.phase === "Bound");
  });

  it("removes the volume of a deleted claim, and completes a Job", async () => {
    const claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    await create(east, claims, {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "passing" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    });
    const { metadata } = await until(east, `${claims}/passing`, ({ status }) => status?.phase === "Bound");
    await withApi(east, (api) => api.call("DELETE", `${claims}/passing`));
    const deadline = Date.now() + PATIENCE_MS;
    const volume = `/api/v1/persistentvolumes/pvc-${metadata.uid}`;
    while ((await withApi(east, (api) => api.get(volume))) !== undefined) {
      assert.ok(Date.now() < deadline, "the volume is still there");
      await sleep(50);
    }

    const jobs = "/apis/batch/v1/namespaces/default/jobs";
    const containers = [{ name: "main", image: "registry.k8s.io/pause:3.10" }];
    await create(east, jobs, {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "once" },
      spec: { template: { spec: { restartPolicy: "Never", containers } } },
    });
    await until(east, `${jobs}/once`, ({ status }) => isTrue(status?.conditions, "Complete"));
  });

  it("gives a LoadBalancer Service and an Ingress of a known class an address, and one of an unknown class none", async () => {
    await create(east, "/api/v1/namespaces/default/services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "public" },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
    });
    const ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    const backend = { service: { name: "public", port: { number: 80 } } };
    for (const [name, ingressClassName] of Object.entries({
      known: "nginx",
      unknown: "elsewhere",
      byDefault: undefined,
    })) {
      await create(east, ingresses, {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        metadata: { name: name.toLowerCase() },
        spec: { ingressClassName, defaultBackend: backend },
      });
    }
    const addressed = ({ status }: Seen) => status?.loadBalancer?.ingress?.[0]?.ip !== undefined;
    const service = await until(east, "/api/v1/namespaces/default/services/public", addressed);
    assert.match(service.status?.loadBalancer?.ingress?.[0]?.ip ?? "", /^198\.18\.\d+\.\d+$/);
    const known = await until(east, `${ingresses}/known`, addressed);
    assert.equal(known.status?.loadBalancer?.ingress?.[0]?.ip, "192.0.2.1");
    await until(east, `${ingresses}/bydefault`, addressed);
    assert.equal(addressed(await until(east, `${ingresses}/unknown`, () => true)), false);
  });

  it("programs a Gateway and accepts its route, again after a change", async () => {
    const gateways = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways";
    const routes = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes";
    await create(west, gateways, {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: "entry" },
      spec: { gatewayClassName: "clawfleet-local", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
    });
    await create(west, routes, {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "cell" },
      spec: { parentRefs: [{ name: "entry" }], rules: [{ backendRefs: [{ name: "public", port: 80 }] }] },
    });
    const gateway = await until(west, `${gateways}/entry`, ({ status }) => isTrue(status?.conditions, "Programmed"));
    assert.equal(gateway.status?.addresses?.[0]?.value, "192.0.2.2");
    assert.ok(isTrue(gateway.status?.conditions, "Accepted"));
    assert.deepEqual(
      gateway.status?.listeners?.map(({ name }) => name),
      ["http"],
    );
    const route = await until(west, `${routes}/cell`, ({ status }) => status?.parents?.[0] !== undefined);
    for (const type of ["Accepted", "ResolvedRefs"]) assert.ok(isTrue(route.status?.parents?.[0]?.conditions, type));

    const listeners = ["http", "more"].map((name, place) => ({ name, port: 80 + place, protocol: "HTTP" }));
    await withApi(west, (api) =>
      api.call("PATCH", `${gateways}/entry`, JSON.stringify({ spec: { listeners } }), {
        contentType: "application/merge-patch+json",
      }),
    );
    await until(
      west,
      `${gateways}/entry`,
      ({ status }) =>
        status?.listeners?.length === 2 && (status.conditions?.every((each) => each.observedGeneration === 2) ?? false),
    );
  });

  it("enforces Pod Security, as only a real API server does", async () => {
    await create(east, "/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "strict", labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    await until(east, "/api/v1/namespaces/strict/serviceaccounts/default", () => true);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "mighty" },
      spec: {
        containers: [{ name: "main", image: "registry.k8s.io/pause:3.10", securityContext: { privileged: true } }],
      },
    };
    const answer = await withApi(east, (api) =>
      api.call("POST", "/api/v1/namespaces/strict/pods", JSON.stringify(pod)),
    );
    assert.equal(answer.status, 403);
    assert.match(answer.body, /violates PodSecurity \\"restricted/);
  });

  for (const victims of [["kube-apiserver"], ["etcd"], ["kwok"], PROCESS_NAMES] as const) {
    it(`recovers from a kill -9 of ${victims.length === 1 ? victims[0] : "every process"} with all data`, async () => {
      for (const victim of victims) process.kill(east.pid[victim], "SIGKILL");
      while (victims.some((victim) => startTimeOf(east.pid[victim]) !== undefined)) await sleep(20);
      assert.equal((await listClusters(stateDir)).find(({ name }) => name === "east")?.healthy, false);
      const [again, other] = await start("east", "west");
      assert.ok(again);
      assert.deepEqual(other, west);
      assert.deepEqual([again.uid, again.server], [east.uid, east.server]);
      for (const name of victims) assert.notEqual(again.pid[name], east.pid[name]);
      east = again;
      await until(
        east,
        "/apis/apps/v1/namespaces/default/statefulsets/store",
        ({ status }) => status?.readyReplicas === 1,
      );
      assert.ok((await listClusters(stateDir)).every((cluster) => cluster.healthy));
    });
  }

  it("recovers from a start that never finished: no clusters.json, half of the processes", async () => {
    rmSync(clustersFile(stateDir));
    rmSync(mergedKubeconfig(stateDir));
    process.kill(east.pid["kube-controller-manager"], "SIGKILL");
    while (startTimeOf(east.pid["kube-controller-manager"]) !== undefined) await sleep(20);
    const again = await start("east", "west");
    assert.deepEqual(
      again.map(({ uid }) => uid),
      [east.uid, west.uid],
    );
    assert.deepEqual(again[1]?.pid, west.pid);
    assert.ok((await listClusters(stateDir)).every((cluster) => cluster.healthy));
    [east, west] = again as [Cluster, Cluster];
  });

  it("ends what it started on abort, and the next start succeeds", async () => {
    const abort = new AbortController();
    const reason = new Error("interrupted");
    const starting = startClusters(["north"], { stateDir, binaries, signal: abort.signal });
    const folder = new ClusterFolder(stateDir, "north");
    while (!existsSync(folder.pidFile("kube-apiserver"))) await sleep(20);
    const { pid } = JSON.parse(readFileSync(folder.pidFile("etcd"), "utf8")) as { pid: number };
    abort.abort(reason);
    await assert.rejects(starting, reason);
    assert.equal(startTimeOf(pid), undefined);
    assert.deepEqual(
      readdirSync(folder.path).filter((file) => file.endsWith(".pid")),
      [],
    );
    assert.deepEqual(
      (await listClusters(stateDir)).map(({ name, healthy }) => [name, healthy]),
      [
        ["east", true],
        ["west", true],
      ],
    );
  });

  it("starts a cluster once when two ask for it at the same time", async () => {
    const [[first], [second]] = await Promise.all([start("north"), start("north")]);
    assert.deepEqual(first, second);
    assert.equal((await listClusters(stateDir)).length, 3);
  });

  it("stops exactly its own processes, and keeps data when asked to", async () => {
    const decoy = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    assert.ok(decoy.pid);
    // As if the kernel had given kwok's pid, after its end, to somebody else.
    const folder = new ClusterFolder(stateDir, "west");
    process.kill(west.pid.kwok, "SIGKILL");
    const record = JSON.parse(readFileSync(folder.pidFile("kwok"), "utf8")) as { pid: number; startTime: string };
    writeFileSync(folder.pidFile("kwok"), JSON.stringify({ ...record, pid: decoy.pid }));

    assert.deepEqual(await stopClusters(stateDir, ["west"], { keepData: true }), ["west"]);
    assert.notEqual(startTimeOf(decoy.pid), undefined);
    for (const name of PROCESS_NAMES) assert.equal(startTimeOf(west.pid[name]), undefined, name);
    for (const name of PROCESS_NAMES) assert.notEqual(startTimeOf(east.pid[name]), undefined, name);
    assert.deepEqual(
      (await listClusters(stateDir)).map(({ name }) => name),
      ["east", "north"],
    );
    const [again] = await start("west");
    assert.equal(again?.uid, west.uid);

    assert.deepEqual(await stopClusters(stateDir), ["east", "north", "west"]);
    assert.notEqual(startTimeOf(decoy.pid), undefined);
    for (const name of PROCESS_NAMES) assert.equal(startTimeOf(east.pid[name]), undefined, name);
    assert.deepEqual(await listClusters(stateDir), []);
    assert.equal(existsSync(folder.path), false);
    assert.equal(existsSync(mergedKubeconfig(stateDir)), false);
    decoy.kill();
    await once(decoy, "exit");
  });
});
