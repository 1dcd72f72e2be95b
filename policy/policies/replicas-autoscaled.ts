import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import type { StackPolicy } from "../kubernetes/policy";
import { isKind, kubernetesType } from "../kubernetes/resource-type";

export const replicasAutoscaled: StackPolicy = {
  name: "replicas-autoscaled",
  description: "What a HorizontalPodAutoscaler scales says no number of replicas itself, and has room to scale.",
  why: "The next update sets the number that the program says, whatever the load is then.",
  severity: "medium",
  remediationSteps: "Leave spec.replicas out of what is scaled, or name it in ignoreChanges.",
  url: "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/",
  validateStack: (args, report) => {
    const ignoring = new Set(
      args.resources.filter(({ opts }) => opts.ignoreChanges.includes("spec.replicas")).map(({ urn }) => urn),
    );
    inspectStack(args, report, (resources) => {
      for (const { type, properties } of resources) {
        if (!isKind(type, "autoscaling", "HorizontalPodAutoscaler")) continue;
        checkRange(properties);
        for (const { urn, inputs } of targetsOf(properties, resources)) {
          if (ignoring.has(urn)) continue;
          inputs
            .at("spec", "replicas")
            .check((replicas) =>
              replicas === undefined ? [] : ["an autoscaler sets it as well; leave it out, or ignore its changes"],
            );
        }
      }
    });
  },
};

function checkRange(autoscaler: Field): void {
  const [least, most] = ["minReplicas", "maxReplicas"].map((name) => autoscaler.at("spec", name).read()?.value);
  if (typeof most === "number" && most <= (typeof least === "number" ? least : 1)) {
    autoscaler.at("spec", "maxReplicas").violation("not above minReplicas, so nothing is scaled; raise it");
  }
}

/** What an autoscaler scales, of the same namespace. */
function targetsOf(autoscaler: Field, resources: StackResource[]): StackResource[] {
  const read = (object: Field, ...path: string[]) => object.at(...path).read()?.value;
  const [kind, name] = ["kind", "name"].map((key) => read(autoscaler, "spec", "scaleTargetRef", key));
  const namespace = (object: Field) => read(object, "metadata", "namespace") ?? "default";
  if (name === undefined) return [];
  return resources.filter(
    ({ type, properties }) =>
      kubernetesType(type)?.kind === kind &&
      read(properties, "metadata", "name") === name &&
      namespace(properties) === namespace(autoscaler),
  );
}
