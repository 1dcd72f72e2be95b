import { inspect } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { kubernetesType } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

interface Config {
  /** How many replicas a Deployment needs. */
  minimum: number;
}

export const replicasSpread: ResourcePolicy = {
  name: "replicas-spread",
  description: "Replicas of a Deployment or a StatefulSet are spread over nodes.",
  why: "Replicas that all run on one node end with it.",
  severity: "medium",
  remediationSteps: "Add topologySpreadConstraints by kubernetes.io/hostname.",
  url: "https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/",
  configSchema: {
    properties: {
      minimum: { type: "integer", minimum: 1, default: 1, description: "How many replicas a Deployment needs." },
    },
  },
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    if (group !== "apps" || (kind !== "Deployment" && kind !== "StatefulSet")) return;
    const { minimum } = args.getConfig<Config>();
    inspect(args, report, (workload) => {
      const replicas = workload.at("spec", "replicas");
      const known = replicas.read();
      if (known === undefined) return;
      const count = typeof known.value === "number" ? known.value : 1;
      if (kind === "Deployment" && count < minimum) {
        replicas.violation(`fewer than ${String(minimum)}; raise it, or exempt what can run once only`);
      }
      const [pod] = podSpecsOf(args.type, workload);
      if (count < 2 || pod === undefined) return;
      const spread = [pod.at("topologySpreadConstraints"), pod.at("affinity", "podAntiAffinity")].map((field) =>
        field.read(),
      );
      const isSpread = ({ value }: { value: unknown }) =>
        typeof value === "object" && value !== null && Object.keys(value).length > 0;
      // With one that is not known, it may be that one.
      if (spread.some((field) => field === undefined || isSpread(field))) return;
      pod.at("topologySpreadConstraints").violation("missing; spread the replicas by kubernetes.io/hostname");
    });
  },
};
