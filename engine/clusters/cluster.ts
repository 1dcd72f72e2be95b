import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Timeout, Unreachable } from "../../components/errors";
import { ApiServer } from "./api";
import { logTail, startClusterProcess, type ClusterPrograms } from "./control-plane";
import { kubeconfig, prepareCredentials, readCertificate, type AdminAccess } from "./credentials";
import { freePort, rangesOf } from "./network";
import {
  acceptsPods,
  createBaseObjects,
  createDefinitions,
  createGatewayClass,
  gatewayApiIsServed,
  readGatewayApi,
} from "./objects";
import { isRunning, readRunning, stopRecorded, type ProcessRecord } from "./process";
import { stagesFile } from "./stages";
import {
  ClusterFolder,
  makePrivateFolder,
  PROCESS_NAMES,
  writePrivateFile,
  type Cluster,
  type ProcessName,
} from "./state";

const POLL_MS = 50;
/** Ten times what each step takes on two idle cores. */
const STEP_TIMEOUT_MS = 60_000;
/** An API server drains its watches for longer than anybody wants to wait; all data is in etcd by then. */
const STOP_GRACE_MS = 3_000;

export interface ClusterStart {
  name: string;
  stateDir: string;
  /** Place among the clusters of the folder: decides the address ranges. */
  index: number;
  /** Ports that clusters started at the same time have taken. */
  reservedPorts: Set<number>;
  nodes: number;
  programs: ClusterPrograms;
  log: (line: string) => void;
  signal?: AbortSignal;
}

/** A process ended that should run: with its log's last lines as message. */
class ProcessEnded extends Unreachable {}

/**
 * Brings one cluster from whatever state it is in to ready: all Nodes Ready, the definitions of the Gateway API served,
 * a default StorageClass. Keeps its data, credentials, ranges and, if free, its port. When that fails, or on abort, what
 * this call started is ended again.
 * @returns the cluster, and which of its processes this call started.
 * @throws Unreachable when a process ends, Timeout when one isn't ready in time; the signal's reason on abort.
 */
export async function startCluster(start: ClusterStart): Promise<{ cluster: Cluster; started: ProcessName[] }> {
  try {
    return await new Start(start).run();
  } catch (error) {
    // Between our look for a free port and the API server's, somebody else may have taken it.
    if (!(error instanceof ProcessEnded) || !error.message.includes("address already in use")) throw error;
    start.log(`${start.name}: its port was taken in the meantime, trying another one`);
    return new Start(start).run();
  }
}

/** Ends the processes of a cluster, the last started first. */
export async function stopProcesses(folder: ClusterFolder, names: readonly ProcessName[]): Promise<void> {
  for (const name of PROCESS_NAMES.toReversed().filter((each) => names.includes(each))) {
    await stopRecorded(folder.pidFile(name), STOP_GRACE_MS);
  }
}

/** Those processes of a cluster that run. */
export function runningProcesses(folder: ClusterFolder): Partial<Record<ProcessName, ProcessRecord>> {
  const found = PROCESS_NAMES.map((name) => [name, readRunning(folder.pidFile(name))] as const);
  return Object.fromEntries(found.filter(([, record]) => record !== undefined));
}

/** How to reach a cluster's API server as administrator; undefined before its first start. */
export function accessOf(folder: ClusterFolder, port: number): AdminAccess | undefined {
  const certificateAuthority = readCertificate(folder);
  if (certificateAuthority === undefined || !existsSync(folder.tokens)) return undefined;
  return { server: `https://127.0.0.1:${port}`, certificateAuthority, ...prepareCredentials(folder) };
}

/** Whether the API server says that it is ready. */
export async function isReady(access: AdminAccess): Promise<boolean> {
  const api = new ApiServer(access);
  try {
    return await api.answers("/readyz");
  } finally {
    api.close();
  }
}

/** One start of one cluster. */
class Start {
  readonly #options: ClusterStart;
  readonly #folder: ClusterFolder;
  readonly #running = new Map<ProcessName, ProcessRecord>();
  readonly #started: ProcessName[] = [];
  readonly #began = Date.now();

  constructor(options: ClusterStart) {
    this.#options = options;
    this.#folder = new ClusterFolder(options.stateDir, options.name);
  }

  async run(): Promise<{ cluster: Cluster; started: ProcessName[] }> {
    makePrivateFolder(this.#folder.path);
    try {
      const access = (await this.#adopt()) ?? (await this.#startServer());
      const api = new ApiServer(access);
      try {
        return { cluster: await this.#complete(api, access), started: this.#started };
      } finally {
        api.close();
      }
    } catch (error) {
      await stopProcesses(this.#folder, this.#started);
      throw error;
    }
  }

  /** Takes over what already runs if its API server is healthy, else ends it. */
  async #adopt(): Promise<AdminAccess | undefined> {
    const running = runningProcesses(this.#folder);
    const port = this.#folder.readNetwork()?.port;
    const access = port === undefined ? undefined : accessOf(this.#folder, port);
    if (running.etcd && running["kube-apiserver"] && access !== undefined && (await isReady(access))) {
      for (const name of PROCESS_NAMES) {
        const record = running[name];
        if (record !== undefined) this.#running.set(name, record);
      }
      return access;
    }
    await stopProcesses(this.#folder, PROCESS_NAMES);
    return undefined;
  }

  /** Starts etcd and the API server; back as soon as that serves, which is well before it says so at /readyz. */
  async #startServer(): Promise<AdminAccess> {
    const { index, reservedPorts } = this.#options;
    const port = await freePort(reservedPorts, this.#folder.readNetwork()?.port);
    this.#folder.writeNetwork({ index, port });
    const socket = join(this.#folder.path, "etcd.sock");
    rmSync(socket, { force: true });
    const server = `https://127.0.0.1:${port}`;
    const unverified = { server, certificateAuthority: "", ...prepareCredentials(this.#folder) };
    this.#start("etcd", unverified);
    await this.#until("etcd listens", () => existsSync(socket));
    this.#start("kube-apiserver", unverified);
    let access: AdminAccess | undefined;
    await this.#until("the API server serves", async () => {
      access = accessOf(this.#folder, port);
      if (access === undefined) return false;
      const api = new ApiServer(access);
      try {
        return await api.answers("/api/v1/namespaces/kube-system");
      } finally {
        api.close();
      }
    });
    return access ?? unverified;
  }

  async #complete(api: ApiServer, access: AdminAccess): Promise<Cluster> {
    const { name, index, nodes, programs } = this.#options;
    const ranges = rangesOf(index);
    const definitions = readGatewayApi(programs.gatewayApiCrds);
    writePrivateFile(this.#folder.kubeconfig, kubeconfig([{ name, access }]));
    writePrivateFile(this.#folder.stages, stagesFile(programs.kwokStages, ranges.entryAddress));
    await allDone([
      createBaseObjects(api, { name, index, nodes }),
      createDefinitions(api, definitions),
      this.#startControllers(api, access),
    ]);
    await this.#until("the Gateway API is served", () => gatewayApiIsServed(api, definitions));
    this.#start("kwok", access);
    await createGatewayClass(api);
    await this.#until("Pods can run", () => acceptsPods(api, nodes));
    const [version, namespace] = await Promise.all([
      api.get<{ gitVersion: string }>("/version"),
      api.get<{ metadata: { uid: string } }>("/api/v1/namespaces/kube-system"),
    ]);
    this.#options.log(`${name}: ready after ${((Date.now() - this.#began) / 1000).toFixed(1)} s`);
    return {
      name,
      context: name,
      kubeconfig: this.#folder.kubeconfig,
      server: access.server,
      version: version?.gitVersion ?? "",
      podCidr: ranges.podCidr,
      serviceCidr: ranges.serviceCidr,
      uid: namespace?.metadata.uid ?? "",
      pid: {
        etcd: this.#pid("etcd"),
        "kube-apiserver": this.#pid("kube-apiserver"),
        "kube-controller-manager": this.#pid("kube-controller-manager"),
        "kube-scheduler": this.#pid("kube-scheduler"),
        kwok: this.#pid("kwok"),
      },
    };
  }

  /** Only once the API server is ready: the controller manager gives up when it isn't for 10 s, as on a busy machine. */
  async #startControllers(api: ApiServer, access: AdminAccess): Promise<void> {
    await this.#until("the API server is ready", () => api.answers("/readyz"));
    this.#start("kube-controller-manager", access);
    this.#start("kube-scheduler", access);
  }

  #pid(name: ProcessName): number {
    return this.#running.get(name)?.pid ?? 0;
  }

  /** Starts a process unless it runs already. */
  #start(name: ProcessName, access: AdminAccess): void {
    this.#options.signal?.throwIfAborted();
    if (this.#running.has(name)) return;
    const { programs, index } = this.#options;
    const record = startClusterProcess(name, programs, this.#folder, rangesOf(index), access);
    this.#running.set(name, record);
    this.#started.push(name);
  }

  /** Waits for a condition, as long as everything that was started still runs. */
  async #until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const { name, signal } = this.#options;
    const deadline = Date.now() + STEP_TIMEOUT_MS;
    while (!(await condition())) {
      signal?.throwIfAborted();
      for (const [process, record] of this.#running) {
        if (isRunning(record)) continue;
        throw new ProcessEnded({
          what: `${process} ended while waiting until ${what}; its log ends with\n${logTail(this.#folder, process)}`,
          where: `local cluster ${name}`,
          fix: `read ${this.#folder.logFile(process)}, then run \`make up\` again, which keeps the cluster's data`,
        });
      }
      if (Date.now() > deadline) {
        throw new Timeout({
          what: `waited ${STEP_TIMEOUT_MS / 1000} s in vain until ${what}`,
          where: `local cluster ${name}`,
          fix: `read the logs in ${this.#folder.path}, or start over with \`make clusters-down\` and \`make up\``,
        });
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

/** Like Promise.all, but back only when all have ended: none may start a process after its cluster's were stopped. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
