import { dropsAll } from "../kubernetes/capabilities";
import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import type { StackPolicy } from "../kubernetes/policy";
import { quantity } from "../kubernetes/quantity";
import { isKind } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

interface Config {
  /** Seconds between SIGTERM and SIGKILL, at least. */
  gracePeriodSeconds: number;
  /** The least memory to request. */
  memoryRequest: string;
  /** The least memory to allow. */
  memoryLimit: string;
  /** What keeps agents in: OpenClaw's own sandbox, or at least a container that is confined. */
  sandbox: "openclaw" | "container";
}

export const openclawGateway: StackPolicy = {
  name: "openclaw-gateway",
  description:
    "What mounts openclaw.json has the time to drain, memory for its agents, and a sandbox that keeps them in.",
  why: "A gateway that is killed while it drains loses its runs, one without memory is killed while it works, and one that nothing confines gives its agents its node.",
  severity: "high",
  remediationSteps: "Set the fields of the gateway's Pod that the finding names.",
  url: "https://docs.openclaw.ai/gateway/security",
  configSchema: {
    properties: {
      gracePeriodSeconds: {
        type: "integer",
        minimum: 0,
        default: 330,
        description: "Seconds between SIGTERM and SIGKILL, at least: OpenClaw drains for 300, and hooks come before.",
      },
      memoryRequest: { type: "string", default: "1Gi", description: "The least memory that the gateway requests." },
      memoryLimit: { type: "string", default: "2Gi", description: "The least memory that the gateway is limited to." },
      sandbox: {
        type: "string",
        enum: ["openclaw", "container"],
        default: "container",
        description:
          "What keeps agents in: OpenClaw's own sandbox, which starts containers, or at least a container of the gateway's that is confined itself.",
      },
    },
  },
  validateStack: (args, report) => {
    const config = args.getConfig<Config>();
    inspectStack(args, report, (resources) => {
      const configs = openclawConfigs(resources);
      for (const { type, properties } of resources) {
        const namespace = properties.at("metadata", "namespace");
        for (const pod of podSpecsOf(type, properties)) {
          const mounted = new Map<unknown, Field>();
          for (const volume of pod.at("volumes").items()) {
            const name = volume.at("configMap", "name").read()?.value;
            const text = name === undefined ? undefined : configs.get(keyOf(namespace, name));
            if (text !== undefined) mounted.set(volume.at("name").read()?.value, text);
          }
          if (mounted.size > 0) checkPod(pod, mounted, config);
        }
      }
    });
  },
};

/** The texts of OpenClaw's configs, by namespace and name of their ConfigMaps. */
function openclawConfigs(resources: StackResource[]): Map<string, Field> {
  const found = resources.flatMap(({ type, properties }): [string, Field][] => {
    if (!isKind(type, "core", "ConfigMap")) return [];
    // By its name alone: the text may not be known yet.
    const [, text] =
      properties
        .at("data")
        .entries()
        .find(([key]) => key === "openclaw.json") ?? [];
    const name = properties.at("metadata", "name").read()?.value;
    return text === undefined || name === undefined
      ? []
      : [[keyOf(properties.at("metadata", "namespace"), name), text]];
  });
  return new Map(found);
}

function keyOf(namespace: Field, name: unknown): string {
  return JSON.stringify([namespace.read()?.value ?? "default", name]);
}

function checkPod(pod: Field, mounted: Map<unknown, Field>, config: Config): void {
  pod
    .at("terminationGracePeriodSeconds")
    .check((seconds) =>
      typeof seconds === "number" && seconds >= config.gracePeriodSeconds
        ? []
        : [`too short for the gateway to drain; set it to ${String(config.gracePeriodSeconds)} or more`],
    );
  for (const container of pod.at("containers").items()) {
    const volumes = container
      .at("volumeMounts")
      .items()
      .map((mount) => mount.at("name").read()?.value);
    const text = volumes.map((volume) => mounted.get(volume)).find((found) => found !== undefined);
    if (text === undefined) continue;
    checkMemory(container, config);
    const known = text.read();
    if (known !== undefined && !isSandboxed(known.value)) checkSandbox(pod, container, config);
  }
}

function checkMemory(container: Field, { memoryRequest, memoryLimit }: Config): void {
  for (const [list, floor] of [
    ["requests", memoryRequest],
    ["limits", memoryLimit],
  ] as const) {
    container.at("resources", list, "memory").check((value) => {
      const amount = quantity(value);
      return amount !== undefined && amount >= (quantity(floor) ?? 0)
        ? []
        : [`too little for a gateway; set it to ${floor} or more`];
    });
  }
}

interface Sandboxed {
  sandbox?: { mode?: unknown };
}

/** Whether OpenClaw runs every session of every agent in a sandbox of its own; its default is none. */
function isSandboxed(text: unknown): boolean {
  try {
    const { agents } = JSON.parse(text as string) as {
      agents?: { defaults?: Sandboxed; entries?: Record<string, Sandboxed>; list?: Sandboxed[] };
    };
    const common = agents?.defaults?.sandbox?.mode;
    const own = [...Object.values(agents?.entries ?? {}), ...(agents?.list ?? [])].map(({ sandbox }) => sandbox?.mode);
    return [common, ...own.map((mode) => mode ?? common)].every((mode) => mode === "all");
  } catch {
    return false; // openclaw-config says so
  }
}

function checkSandbox(pod: Field, container: Field, { sandbox }: Config): void {
  if (sandbox === "openclaw") {
    container.violation("runs agents without OpenClaw's sandbox; set agents.defaults.sandbox.mode to all");
  } else if (isConfined(pod, container) === false) {
    container.violation(
      "keeps no agent in: OpenClaw's sandbox is off, and the container is not confined; do as pod-security says",
    );
  }
}

/** Whether a container can write nowhere but where it is told to, gain no rights, and speak to no API server. */
function isConfined(pod: Field, container: Field): boolean | undefined {
  const context = container.at("securityContext");
  const fields: [Field, boolean][] = [
    [context.at("readOnlyRootFilesystem"), true],
    [context.at("allowPrivilegeEscalation"), false],
    [pod.at("automountServiceAccountToken"), false],
  ];
  const answers = fields.map(([field, wanted]) => {
    const known = field.read();
    return known === undefined ? undefined : known.value === wanted;
  });
  answers.push(dropsAll(context.at("capabilities")));
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
}
