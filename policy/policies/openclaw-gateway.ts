import type { StackValidationPolicy } from "@pulumi/policy";
import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import { quantity } from "../kubernetes/quantity";
import { kubernetesType, podSpecOf } from "../kubernetes/workloads";

interface Config {
  /** Seconds between SIGTERM and SIGKILL, at least. */
  gracePeriodSeconds: number;
  /** The least memory to request. */
  memoryRequest: string;
  /** The least memory to allow. */
  memoryLimit: string;
}

/** A gateway that is killed while it drains loses its runs; one without memory is killed while it works. */
export const openclawGateway: StackValidationPolicy = {
  name: "openclaw-gateway",
  description: "What mounts openclaw.json has the time to drain, and memory for its agents.",
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
    },
  },
  validateStack: (args, report) => {
    const config = args.getConfig<Config>();
    inspectStack(args, report, (resources) => {
      const configMaps = openclawConfigMaps(resources);
      for (const { type, properties } of resources) {
        const pod = podSpecOf(type, properties);
        if (pod === undefined) continue;
        const namespace = properties.at("metadata", "namespace").read()?.value;
        const volumes = pod
          .at("volumes")
          .items()
          .filter((volume) => configMaps.has(keyOf(namespace, volume.at("configMap", "name").read()?.value)))
          .map((volume) => volume.at("name").read()?.value);
        if (volumes.length > 0) checkPod(pod, new Set(volumes), config);
      }
    });
  },
};

/** Namespace and name of the ConfigMaps that have OpenClaw's config. */
function openclawConfigMaps(resources: StackResource[]): Set<string> {
  const found = resources.filter(({ type, properties }) => {
    const { group, kind } = kubernetesType(type) ?? {};
    // By its name alone: the text may not be known yet.
    return (
      group === "core" &&
      kind === "ConfigMap" &&
      properties
        .at("data")
        .entries()
        .some(([name]) => name === "openclaw.json")
    );
  });
  return new Set(
    found.flatMap(({ properties }) => {
      const name = properties.at("metadata", "name").read()?.value;
      return name === undefined ? [] : [keyOf(properties.at("metadata", "namespace").read()?.value, name)];
    }),
  );
}

function keyOf(namespace: unknown, name: unknown): string {
  return JSON.stringify([namespace ?? "default", name ?? null]);
}

function checkPod(pod: Field, volumes: Set<unknown>, config: Config): void {
  pod
    .at("terminationGracePeriodSeconds")
    .check((seconds) =>
      typeof seconds === "number" && seconds >= config.gracePeriodSeconds
        ? []
        : [`too short for the gateway to drain; set it to ${String(config.gracePeriodSeconds)} or more`],
    );
  for (const container of pod.at("containers").items()) {
    const mounts = container.at("volumeMounts").items();
    if (!mounts.some((mount) => volumes.has(mount.at("name").read()?.value))) continue;
    for (const [list, floor] of [
      ["requests", config.memoryRequest],
      ["limits", config.memoryLimit],
    ] as const) {
      container.at("resources", list, "memory").check((value) => {
        const amount = quantity(value);
        return amount !== undefined && amount >= (quantity(floor) ?? 0)
          ? []
          : [`too little for a gateway; set it to ${floor} or more`];
      });
    }
  }
}
