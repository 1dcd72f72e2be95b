import { inspectStack, type Field, type StackResource } from "../kubernetes/field";
import type { StackPolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";
import { selects } from "../kubernetes/selectors";
import { podTemplatesOf } from "../kubernetes/workloads";

export const disruptionBudgeted: StackPolicy = {
  name: "disruption-budgeted",
  description: "Every Deployment and StatefulSet has a PodDisruptionBudget, which lets at least one Pod go.",
  why: "Without a budget a drain takes all replicas at once; with one that allows nothing, no node is ever drained.",
  severity: "medium",
  remediationSteps: "Add a PodDisruptionBudget with maxUnavailable: 1 that selects the workload's Pods.",
  url: "https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
  validateStack: (args, report) => {
    inspectStack(args, report, (resources) => {
      const budgets = resources.filter(({ type }) => isKind(type, "policy", "PodDisruptionBudget"));
      for (const { properties } of budgets) checkBudget(properties);
      for (const workload of resources.filter(({ type }) => isKind(type, "apps", "Deployment", "StatefulSet"))) {
        checkWorkload(workload, budgets, report);
      }
    });
  },
};

function checkBudget(budget: Field): void {
  budget
    .at("spec", "maxUnavailable")
    .check((value) => (value === 0 || /^0+%?$/.test(String(value)) ? ["lets no Pod go; set it to 1 or more"] : []));
  budget
    .at("spec", "minAvailable")
    .check((value) => (value === "100%" ? ["lets no Pod go; use maxUnavailable: 1"] : []));
}

function checkWorkload(
  { type, urn, properties }: StackResource,
  budgets: StackResource[],
  report: (message: string, urn: string) => void,
): void {
  const labels = podTemplatesOf(type, properties)[0]?.metadata?.at("labels");
  const replicas = replicasOf(properties);
  if (labels === undefined || replicas === undefined || replicas === 0) return;
  let found = false;
  for (const { properties: budget } of budgets) {
    if (namespaceOf(budget) !== namespaceOf(properties)) continue;
    const selected = selects(budget.at("spec", "selector"), labels);
    // Where that is not known, this may be the one.
    if (selected !== false) found = true;
    if (selected === true) checkAgainstReplicas(budget, replicas);
  }
  if (!found) report("spec.template.metadata.labels: selected by no PodDisruptionBudget; add one", urn);
}

/** How many Pods a workload has; undefined when that is not known. */
function replicasOf(workload: Field): number | undefined {
  const known = workload.at("spec", "replicas").read();
  if (known === undefined) return undefined;
  return typeof known.value === "number" ? known.value : 1;
}

function namespaceOf(object: Field): unknown {
  return object.at("metadata", "namespace").read()?.value ?? "default";
}

function checkAgainstReplicas(budget: Field, replicas: number): void {
  const unavailable = budget.at("spec", "maxUnavailable").read();
  const least = budget.at("spec", "minAvailable").read();
  if (unavailable === undefined || least === undefined || unavailable.value !== undefined) return;
  // Kubernetes' default is one.
  const wanted = least.value ?? 1;
  if (typeof wanted === "number" && wanted >= replicas) {
    budget
      .at("spec", "minAvailable")
      .violation("as many as there are replicas, so no Pod may go; use maxUnavailable: 1");
  }
}
