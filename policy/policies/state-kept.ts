import { inspect } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { kubernetesType } from "../kubernetes/resource-type";

interface Config {
  /** Whether claims need the resource option `protect`. */
  protectClaims: boolean;
}

export const stateKept: ResourcePolicy = {
  name: "state-kept",
  description: "Volumes are kept when what uses them is deleted, and a cell of production keeps its own.",
  why: "Data outlives its objects: a volume that goes with its claim is gone by a slip.",
  severity: "high",
  remediationSteps: "Keep volumes by Retain, and protect the claims that matter.",
  url: "https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming",
  configSchema: {
    properties: {
      protectClaims: {
        type: "boolean",
        default: false,
        // Pulumi tells a policy of `protect`, but not of `retainOnDelete`.
        description: "Volume claims need the resource option protect; off where retainOnDelete is used instead.",
      },
    },
  },
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    inspect(args, report, (resource) => {
      if (args.type === "clawfleet:index:AgentStack") {
        if (resource.at("environment").read()?.value !== "prod") return;
        resource.at("retain").check((value) => (value === false ? ["not kept in production; leave it out"] : []));
      } else if (group === "core" && kind === "PersistentVolumeClaim") {
        if (args.getConfig<Config>().protectClaims && !args.opts.protect) {
          report("opts.protect: not set, so a slip deletes the data; set it");
        }
      } else if (group === "apps" && kind === "StatefulSet") {
        for (const event of ["whenDeleted", "whenScaled"]) {
          resource
            .at("spec", "persistentVolumeClaimRetentionPolicy", event)
            .check((value) => (value === "Delete" ? ["deletes the data of its Pods; use Retain"] : []));
        }
      } else if (group === "storage.k8s.io" && kind === "StorageClass") {
        resource
          .at("reclaimPolicy")
          .check((value) => (value === "Retain" ? [] : ["deletes a volume with its claim; use Retain"]));
      } else if (group === "core" && kind === "PersistentVolume") {
        resource
          .at("spec", "persistentVolumeReclaimPolicy")
          .check((value) =>
            value === "Delete" || value === "Recycle" ? ["deletes its data with its claim; use Retain"] : [],
          );
      }
    });
  },
};
