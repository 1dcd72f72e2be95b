import { inspect, type Field } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { setAbsent } from "../kubernetes/remediation";
import { kubernetesType } from "../kubernetes/resource-type";
import { podSpecPath, podTemplatesOf } from "../kubernetes/workloads";

interface Config {
  /** Labels that every object needs. */
  required: string[];
  /** Labels of which every object needs one, as they say whose it is. */
  owners: string[];
}

export const labelsPresent: ResourcePolicy = {
  name: "labels-present",
  description: "Every object, and every workload's Pods, say what they are; every object says whose it is.",
  why: "What has no labels belongs to nobody: no one is asked before it is changed, or told when it breaks.",
  severity: "low",
  remediationSteps: "Set the labels that the finding names; the level remediate does so.",
  url: "https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/",
  configSchema: {
    properties: {
      required: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["app.kubernetes.io/name", "app.kubernetes.io/instance"],
        description: "Labels that every object needs.",
      },
      owners: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["app.kubernetes.io/part-of", "clawfleet.dev/owner"],
        description:
          "Labels of which every object needs one, as they say whose it is; none of them with an empty list.",
      },
    },
  },
  remediateResource: (args) => {
    if (!isObject(args.type)) return undefined;
    const { required, owners } = args.getConfig<Config>();
    // urn:pulumi:STACK::PROJECT::TYPE::NAME
    const [prefix = "", project] = args.urn.split("::");
    const stack = prefix.split(":").at(-1);
    const known: Record<string, string | undefined> = {
      "app.kubernetes.io/name": args.name,
      "app.kubernetes.io/instance": stack,
      "app.kubernetes.io/part-of": project,
    };
    let changed = false;
    const set = (path: string[], names: string[]) => {
      for (const name of names) {
        const value = labelValue(known[name] ?? "");
        if (value !== "" && setAbsent(args.props, [...path, "labels", name], value)) changed = true;
      }
    };
    set(["metadata"], [...required, ...owners]);
    const path = podSpecPath(args.type);
    if (path !== undefined && path.length > 1) set([...path.slice(0, -1), "metadata"], required);
    return changed ? args.props : undefined;
  },
  validateResource: (args, report) => {
    if (!isObject(args.type)) return;
    const { kind } = kubernetesType(args.type) ?? {};
    const { required, owners } = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      const labels = resource.at("metadata", "labels");
      requireEach(labels, required);
      const found = owners.map((name) => labels.at(name).read());
      // With one that is not known, it may be that one.
      if (owners.length > 0 && !found.some((label) => label === undefined || isSet(label.value))) {
        labels.violation(`does not say whose it is; set ${owners.join(" or ")}`);
      }
      if (kind === "Pod") return;
      for (const { metadata } of podTemplatesOf(args.type, resource)) {
        if (metadata !== undefined) requireEach(metadata.at("labels"), required);
      }
    });
  },
};

/** A list is no object, and a patch is of one that others made. */
function isObject(type: string): boolean {
  const { kind } = kubernetesType(type) ?? {};
  return kind !== undefined && !kind.endsWith("List") && !kind.endsWith("Patch");
}

/** What Kubernetes takes for the value of a label. */
function labelValue(text: string): string {
  return text
    .replace(/[^\w.-]+/g, "-")
    .slice(0, 63)
    .replace(/^[^a-z\d]+|[^a-z\d]+$/gi, "");
}

function requireEach(labels: Field, required: string[]): void {
  for (const name of required) labels.at(name).check((value) => (isSet(value) ? [] : ["missing; set it"]));
}

function isSet(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
