import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect, type Problems } from "../kubernetes/field";
import { containersOf } from "../kubernetes/workloads";

/** What a container has to say of its resources. */
const QUANTITIES = [
  ["requests", "cpu"],
  ["requests", "memory"],
  ["limits", "cpu"],
  ["limits", "memory"],
  ["limits", "ephemeral-storage"],
] as const;

/** No container can take a node from the others. A LimitRange is no substitute: it is not in the program's review. */
export const resourcesLimited: ResourceValidationPolicy = {
  name: "resources-limited",
  description: "Containers request CPU and memory, and limit CPU, memory and ephemeral storage.",
  validateResource: (args, report) => {
    inspect(args, report, (resource) => {
      // Kubernetes allows no resources on ephemeral containers.
      for (const container of containersOf(args.type, resource, ["initContainers", "containers"])) {
        for (const [list, quantity] of QUANTITIES) {
          container.at("resources", list, quantity).check(quantityProblems);
        }
      }
    });
  },
};

function quantityProblems(value: unknown): Problems {
  if (value === undefined || value === "") return ["not set; set it from what the container was measured to need"];
  // Kubernetes takes a limit of zero for none.
  const amount = typeof value === "string" ? Number.parseFloat(value) : value;
  return typeof amount === "number" && amount > 0 ? [] : ["not above zero; set it to a positive quantity"];
}
