import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import type { StackPolicy } from "../kubernetes/policy";
import { isKind, kubernetesType } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

export const singleWriter: StackPolicy = {
  name: "single-writer",
  description: "What mounts a claim that one node mounts at a time has one replica, and no autoscaler adds others.",
  why: "A second Pod on a volume that one node mounts never starts, or writes into the files of the first.",
  severity: "high",
  remediationSteps: "Use one replica, or volumeClaimTemplates, which give each Pod a volume of its own.",
  url: "https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes",
  validateStack: (args, report) => {
    inspectStack(args, report, (resources) => {
      const claims = singleWriterClaims(resources);
      const writers = resources.filter(({ type, properties }) => isWriter(type, properties, claims));
      for (const { properties } of writers) {
        properties
          .at("spec", "replicas")
          .check((replicas) =>
            typeof replicas === "number" && replicas > 1 ? [`several Pods write to one volume; ${FIX}`] : [],
          );
      }
      for (const { type, properties } of resources) {
        if (isKind(type, "autoscaling", "HorizontalPodAutoscaler")) checkAutoscaler(properties, writers);
      }
    });
  },
};

const FIX = "use one replica, or volumeClaimTemplates";

function keyOf(object: Field, name: unknown): string {
  return JSON.stringify([object.at("metadata", "namespace").read()?.value ?? "default", name ?? null]);
}

/** Namespace and name of the claims that are ReadWriteOnce or ReadWriteOncePod and nothing more. */
function singleWriterClaims(resources: StackResource[]): Set<string> {
  return new Set(
    resources.flatMap(({ type, properties }) => {
      if (!isKind(type, "core", "PersistentVolumeClaim")) return [];
      const modes = properties
        .at("spec", "accessModes")
        .items()
        .map((mode) => mode.read()?.value);
      const single = modes.length > 0 && modes.every((mode) => mode === "ReadWriteOnce" || mode === "ReadWriteOncePod");
      const name = properties.at("metadata", "name").read()?.value;
      return single && name !== undefined ? [keyOf(properties, name)] : [];
    }),
  );
}

/** Whether all Pods of a workload mount the same claim to write to it. */
function isWriter(type: string, workload: Field, claims: Set<string>): boolean {
  if (!isKind(type, "apps", "Deployment", "StatefulSet", "ReplicaSet")) return false;
  const volumes = podSpecsOf(type, workload).flatMap((pod) => pod.at("volumes").items());
  return volumes.some((volume) => {
    const claim = volume.at("persistentVolumeClaim");
    const name = claim.at("claimName").read()?.value;
    return name !== undefined && claims.has(keyOf(workload, name)) && claim.at("readOnly").read()?.value !== true;
  });
}

function checkAutoscaler(autoscaler: Field, writers: StackResource[]): void {
  const [kind, name] = ["kind", "name"].map((key) => autoscaler.at("spec", "scaleTargetRef", key).read()?.value);
  if (name === undefined) return;
  const target = keyOf(autoscaler, name);
  const found = writers.some(
    ({ type, properties }) =>
      kubernetesType(type)?.kind === kind &&
      keyOf(properties, properties.at("metadata", "name").read()?.value) === target,
  );
  if (!found) return;
  autoscaler
    .at("spec", "maxReplicas")
    .check((value) => (value === 1 ? [] : ["its target writes to one volume; remove the autoscaler"]));
}
