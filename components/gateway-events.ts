import type * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { configHash } from "./config-hash";
import { immutableConfigMap, type ConfigMapArgs } from "./config-map";
import { EVENTS_HOOK_DIR, eventsHookFiles } from "./openclaw/hooks";

/** A volume of the gateway's Pod, and where its container mounts it. */
export interface GatewayMounts {
  volumes: types.input.core.v1.Volume[];
  volumeMounts: types.input.core.v1.VolumeMount[];
}

/** The hook that tells the relay what the gateway received and sent, as a read-only directory of the gateway. */
export function eventsHookMounts(
  name: string,
  metadata: Pick<ConfigMapArgs, "namespace" | "labels">,
  parent: pulumi.Resource,
): GatewayMounts {
  const data = eventsHookFiles();
  const hash = configHash(JSON.stringify(data));
  const configMap = immutableConfigMap(`${name}-events-hook`, { ...metadata, hash, data }, parent);
  return {
    volumes: [{ name: "events-hook", configMap: { name: configMap.metadata.name, defaultMode: 0o444 } }],
    volumeMounts: [{ name: "events-hook", mountPath: EVENTS_HOOK_DIR, readOnly: true }],
  };
}
