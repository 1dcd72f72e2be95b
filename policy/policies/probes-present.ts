import { inspect, type Field } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { kubernetesType } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

export const probesPresent: ResourcePolicy = {
  name: "probes-present",
  description: "Every container that stays has a liveness probe, and every Pod that stays a readiness probe.",
  why: "Without a liveness probe what hangs stays so, and without a readiness probe it gets requests that it cannot answer.",
  severity: "medium",
  remediationSteps: "Add probes that ask for what the container is there to do.",
  url: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    // What a Job runs is to end.
    if (group === "batch" || kind === "Job" || kind === "CronJob") return;
    inspect(args, report, (resource) => {
      for (const pod of podSpecsOf(args.type, resource)) {
        const restart = pod.at("restartPolicy").read();
        if (restart?.value !== "Never" && restart?.value !== "OnFailure") checkPod(pod);
      }
    });
  },
};

function checkPod(pod: Field): void {
  const containers = pod.at("containers").items();
  const sidecars = pod
    .at("initContainers")
    .items()
    .filter((container) => container.at("restartPolicy").read()?.value === "Always");
  for (const container of [...sidecars, ...containers]) {
    container
      .at("livenessProbe")
      .check((probe) => (hasHandler(probe) ? [] : ["missing; probe that it still does its work"]));
  }
  const readiness = containers.map((container) => container.at("readinessProbe").read());
  // With one that is not known, it may be that one.
  if (containers.length > 0 && !readiness.some((probe) => probe === undefined || hasHandler(probe.value))) {
    pod.at("containers").violation("no readiness probe; probe that it can answer");
  }
}

const HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc"];

/** By the names of its fields alone: their values may not be known yet. */
function hasHandler(probe: unknown): boolean {
  return typeof probe === "object" && probe !== null && Object.keys(probe).some((key) => HANDLERS.includes(key));
}
