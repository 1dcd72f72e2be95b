import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect } from "../kubernetes/field";
import { kubernetesType } from "../kubernetes/workloads";

/**
 * Data outlives its objects. Pulumi tells a policy of `protect`, but not of `retainOnDelete`, so what a claim's own
 * resource options say is not looked at.
 */
export const stateKept: ResourceValidationPolicy = {
  name: "state-kept",
  description: "Volumes are kept when what uses them is deleted, and a cell of production keeps its own.",
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    inspect(args, report, (resource) => {
      if (args.type === "clawfleet:index:AgentStack") {
        if (resource.at("environment").read()?.value !== "prod") return;
        resource.at("retain").check((value) => (value === false ? ["not kept in production; leave it out"] : []));
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
