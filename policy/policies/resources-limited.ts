import { inspect, type Field, type Problems } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { quantity } from "../kubernetes/quantity";
import { containersOf } from "../kubernetes/workloads";

interface Config {
  /** How many times its request each limit may be. */
  maxRatio: Record<string, number>;
}

/** What a container has to say of its resources. */
const RESOURCES = ["cpu", "memory", "ephemeral-storage"];

export const resourcesLimited: ResourcePolicy = {
  name: "resources-limited",
  description: "Containers request and limit CPU, memory and ephemeral storage, and limits are near to requests.",
  why: "A container without limits can take a node from the others. A LimitRange is no substitute: it is not in the program's review.",
  severity: "medium",
  remediationSteps: "Set requests and limits from what the container was measured to need.",
  url: "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
  configSchema: {
    properties: {
      maxRatio: {
        type: "object",
        additionalProperties: { type: "number", minimum: 1 },
        // A node that has promised too much slows CPU down, but kills for memory.
        default: { cpu: 50, memory: 4, "ephemeral-storage": 64 },
        description: "How many times its request each limit may be; no bound for what is not in it.",
      },
    },
  },
  validateResource: (args, report) => {
    const { maxRatio } = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      // Kubernetes allows no resources on ephemeral containers.
      for (const container of containersOf(args.type, resource, ["initContainers", "containers"])) {
        for (const name of RESOURCES) {
          const [request, limit] = [
            container.at("resources", "requests", name),
            container.at("resources", "limits", name),
          ];
          for (const field of [request, limit]) field.check(quantityProblems);
          checkRatio(request, limit, maxRatio[name]);
        }
      }
    });
  },
};

function checkRatio(request: Field, limit: Field, maxRatio = Infinity): void {
  const [requested, limited] = [quantity(request.read()?.value), quantity(limit.read()?.value)];
  if (requested === undefined || limited === undefined || requested <= 0) return;
  // Quantities like 0.05 are not exact.
  if (limited / requested > maxRatio * (1 + 1e-9)) {
    limit.violation(`more than ${String(maxRatio)} times the request; raise the request, or lower the limit`);
  }
}

function quantityProblems(value: unknown): Problems {
  if (value === undefined || value === "") return ["not set; set it from what the container was measured to need"];
  // Kubernetes takes a limit of zero for none.
  const amount = quantity(value);
  return amount !== undefined && amount > 0 ? [] : ["not above zero; set it to a positive quantity"];
}
