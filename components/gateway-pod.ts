import type { Input } from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { GATEWAY_PORT } from "./openclaw/config";
import {
  assertMemory,
  gatewayCommand,
  gatewayEnv,
  mebibytes,
  probeCommand,
  PROBE_TIMEOUT_SECONDS,
} from "./openclaw/pod";
import type { GatewayMounts } from "./gateway-events";
import { gitSyncContainer, gitSyncVolume, type GitSyncOptions } from "./git-sync";
import { restrictedContainer } from "./pod-security";
import { secretEnv, type SecretReference } from "./secrets";
import { VAULT_NOTES } from "./volume-claims";

/** Requests and limits of the gateway's container. */
export interface GatewayResources {
  /** CPU that the scheduler sets aside. Default: `250m`. */
  requestsCpu?: string;
  /** At least 1Gi: the gateway was measured at 0.85 GiB idle and 1.06 GiB after one chat turn. Default: `1Gi`. */
  requestsMemory?: string;
  /** CPU above which it is throttled. Default: `2`. */
  limitsCpu?: string;
  /** At least 2Gi; Node's heap gets 75 % of it. Default: `2Gi`. */
  limitsMemory?: string;
  /** Logs, temporary files and what it writes outside of its volumes. Default: `2Gi`. */
  limitsEphemeralStorage?: string;
}

/** Where the vault is mounted. */
export const VAULT_PATH = "/vault";

const CONFIG_DIR = "/etc/openclaw";
const STATE_DIR = "/home/node/.openclaw";

/** A container's resources, complete. */
export interface ContainerResources {
  requests: Record<string, string>;
  limits: Record<string, string> & { memory: string };
}

/** Containers beside the gateway, and the volumes that they bring along. */
export interface GatewaySidecars {
  containers: types.input.core.v1.Container[];
  volumes: types.input.core.v1.Volume[];
}

interface GatewayPodArgs {
  image: string;
  resources: ContainerResources;
  /** By environment variable. */
  secrets: Record<string, SecretReference>;
  /** What it needs for other parts. */
  env: types.input.core.v1.EnvVar[];
  /** Containers that start before it and end after it. */
  sidecars: GatewaySidecars;
  configMap: Input<string>;
  /** The agents' workspaces and texts. */
  content: GatewayMounts;
  /** The hook that tells the relay of messages. */
  eventsHook: GatewayMounts | undefined;
  stateClaim: Input<string>;
  vaultClaim: Input<string> | undefined;
  gitSync: { instance: string; options: GitSyncOptions; credential: SecretReference } | undefined;
}

/** The container and the volumes of the gateway's Pod. */
export function gatewayPod(
  args: GatewayPodArgs,
): Pick<types.input.core.v1.PodSpec, "containers" | "initContainers" | "volumes"> {
  const { requests, limits } = args.resources;
  const env = gatewayEnv({ configDir: CONFIG_DIR, stateDir: STATE_DIR, memoryLimitMi: mebibytes(limits.memory) });
  return {
    ...(args.sidecars.containers.length > 0 && { initContainers: args.sidecars.containers }),
    containers: [
      {
        name: "gateway",
        image: args.image,
        imagePullPolicy: "IfNotPresent", // pinned by digest
        // Not `command`: the image's entrypoint is an init that forwards signals, which the drain depends on.
        args: gatewayCommand(),
        env: [
          ...Object.entries(env).map(([name, value]) => ({ name, value })),
          ...Object.entries(args.secrets).map(([name, reference]) => secretEnv(name, reference)),
          ...args.env,
        ],
        ports: [{ name: "http", containerPort: GATEWAY_PORT, protocol: "TCP" }],
        resources: { requests, limits },
        securityContext: restrictedContainer(),
        ...probes(),
        volumeMounts: [
          { name: "config", mountPath: CONFIG_DIR, readOnly: true },
          { name: "state", mountPath: STATE_DIR },
          { name: "tmp", mountPath: "/tmp" },
          ...(args.vaultClaim === undefined ? [] : [{ name: "vault", mountPath: VAULT_PATH, subPath: VAULT_NOTES }]),
          ...args.content.volumeMounts,
          ...(args.eventsHook?.volumeMounts ?? []),
        ],
      },
      ...(args.gitSync === undefined
        ? []
        : [gitSyncContainer({ image: args.image, vaultPath: VAULT_PATH, ...args.gitSync })]),
    ],
    volumes: [
      { name: "config", configMap: { name: args.configMap, defaultMode: 0o444 } },
      { name: "state", persistentVolumeClaim: { claimName: args.stateClaim } },
      { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
      ...(args.vaultClaim === undefined
        ? []
        : [{ name: "vault", persistentVolumeClaim: { claimName: args.vaultClaim } }]),
      ...(args.gitSync === undefined ? [] : [gitSyncVolume]),
      ...args.sidecars.volumes,
      ...args.content.volumes,
      ...(args.eventsHook?.volumes ?? []),
    ],
  };
}

/**
 * The gateway's resources with their defaults.
 * @throws ValidationFailed when the memory is less than the gateway was measured to need.
 */
export function gatewayResources(options: GatewayResources): ContainerResources {
  const requests = {
    cpu: options.requestsCpu ?? "250m",
    memory: options.requestsMemory ?? "1Gi",
    "ephemeral-storage": "256Mi",
  };
  const limits = {
    cpu: options.limitsCpu ?? "2",
    memory: options.limitsMemory ?? "2Gi",
    "ephemeral-storage": options.limitsEphemeralStorage ?? "2Gi",
  };
  assertMemory(mebibytes(requests.memory), mebibytes(limits.memory));
  return { requests, limits };
}

/**
 * They assert the JSON body, since an unknown path answers 200 too. Readiness is `/startupz`: `/readyz` would take the
 * gateway out of its Service for one broken channel. Start-up was measured at 10 to 37 s and gets 5 minutes for a
 * migration; a process that is alive is only restarted after 90 s without an answer.
 */
function probes() {
  const started = { exec: { command: probeCommand("/startupz") }, timeoutSeconds: PROBE_TIMEOUT_SECONDS };
  const live = { exec: { command: probeCommand("/healthz") }, timeoutSeconds: PROBE_TIMEOUT_SECONDS };
  return {
    startupProbe: { ...started, periodSeconds: 5, failureThreshold: 60 },
    readinessProbe: { ...started, periodSeconds: 15, failureThreshold: 3 },
    livenessProbe: { ...live, periodSeconds: 30, failureThreshold: 3 },
  };
}
