import { readFileSync } from "node:fs";
import type { AdminAccess } from "./credentials";
import type { Ranges } from "./network";
import { startProcess, type ProcessRecord } from "./process";
import type { ClusterFolder, ProcessName } from "./state";

/** Programs and folders a local cluster is made of, as absolute paths. */
export interface ClusterPrograms extends Record<ProcessName, string> {
  /** The Gateway API module's config/crd/standard. */
  gatewayApiCrds: string;
  /** The kwok module's kustomize/stage. */
  kwokStages: string;
}

/**
 * Controllers that have nothing to do here. The node lifecycle's would evict all Pods when a busy machine, or a laptop
 * that slept, lets simulated heartbeats lapse.
 */
const NEEDLESS_CONTROLLERS = [
  "node-lifecycle-controller",
  "node-ipam-controller",
  "persistentvolume-attach-detach-controller",
  "certificatesigningrequest-signing-controller",
  "certificatesigningrequest-approving-controller",
  "certificatesigningrequest-cleaner-controller",
  "bootstrap-signer-controller",
  "token-cleaner-controller",
  "kube-apiserver-serving-clustertrustbundle-publisher-controller",
];

/** Clients of the API server that must not throttle themselves on loopback. */
const UNTHROTTLED = ["--kube-api-qps=500", "--kube-api-burst=1000"];

/**
 * Half as many garbage collections: a second less of CPU time at start, when the definitions of the Gateway API are
 * compiled, for about 130 MiB more.
 */
const FASTER_START = { GOGC: "200" };

/**
 * The arguments of a cluster's processes, which run in its folder. Paths are relative to that where a socket's length
 * limit (108 bytes) could be hit.
 */
export function argumentsOf(name: ProcessName, folder: ClusterFolder, ranges: Ranges, access: AdminAccess): string[] {
  const kubeconfig = `--kubeconfig=${folder.kubeconfig}`;
  switch (name) {
    case "etcd":
      return [
        `--data-dir=${folder.etcdData}`,
        // Data of a local cluster survives the end of a process, not a power cut.
        "--unsafe-no-fsync",
        `--quota-backend-bytes=${512 * 1024 * 1024}`,
        // Sockets in a folder that is ours alone: on a port any user of the machine could read all Secrets.
        "--listen-client-urls=unix://etcd.sock",
        "--listen-peer-urls=unix://peer.sock",
        // Required to be host:port; a single member dials neither.
        "--advertise-client-urls=http://localhost:2379",
        "--initial-advertise-peer-urls=http://localhost:2380",
        "--initial-cluster=default=http://localhost:2380",
        "--log-level=warn",
      ];
    case "kube-apiserver":
      return [
        "--etcd-servers=unix://etcd.sock",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        `--secure-port=${new URL(access.server).port}`,
        `--cert-dir=${folder.certificates}`,
        `--token-auth-file=${folder.tokens}`,
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--disable-admission-plugins=TaintNodesByCondition",
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-account-key-file=${folder.serviceAccountKey}`,
        `--service-account-signing-key-file=${folder.serviceAccountKey}`,
        `--service-cluster-ip-range=${ranges.serviceCidr}`,
        // An endpoint on loopback would be refused.
        "--endpoint-reconciler-type=none",
        "--profiling=false",
      ];
    case "kube-controller-manager":
      return [
        kubeconfig,
        "--leader-elect=false",
        "--secure-port=0",
        `--controllers=${["*", ...NEEDLESS_CONTROLLERS.map((controller) => `-${controller}`)].join(",")}`,
        `--service-account-private-key-file=${folder.serviceAccountKey}`,
        `--root-ca-file=${folder.certificates}/apiserver.crt`,
        "--profiling=false",
        ...UNTHROTTLED,
      ];
    case "kube-scheduler":
      return [kubeconfig, "--leader-elect=false", "--secure-port=0", "--profiling=false", ...UNTHROTTLED];
    case "kwok":
      return [
        kubeconfig,
        `--config=${folder.stages}`,
        "--manage-all-nodes=true",
        `--cidr=${ranges.podCidr}`,
        // Nobody watches leases here, see NEEDLESS_CONTROLLERS.
        "--node-lease-duration-seconds=0",
      ];
  }
}

/** Starts one process of a cluster. */
export function startClusterProcess(
  name: ProcessName,
  programs: ClusterPrograms,
  folder: ClusterFolder,
  ranges: Ranges,
  access: AdminAccess,
): ProcessRecord {
  return startProcess({
    command: programs[name],
    args: argumentsOf(name, folder, ranges, access),
    cwd: folder.path,
    // Nothing of our environment: it may hold secrets, a proxy, or a kubeconfig. kwok reads a config below HOME.
    env: { PATH: process.env["PATH"], HOME: folder.path, ...(name === "kube-apiserver" ? FASTER_START : {}) },
    logFile: folder.logFile(name),
    pidFile: folder.pidFile(name),
  });
}

/** The last lines of a process's log, for an error message. */
export function logTail(folder: ClusterFolder, name: ProcessName, lines = 5): string {
  try {
    return readFileSync(folder.logFile(name), "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
