import { inspect, type Field } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { kubernetesType } from "../kubernetes/resource-type";

interface Config {
  /** ClusterRoles that nobody is to be bound to. */
  refusedRoles: string[];
}

export const rbacNarrow: ResourcePolicy = {
  name: "rbac-narrow",
  description:
    "Roles name what they allow, allow no way to more rights nor to every Secret, and nobody is cluster-admin.",
  why: "A right to everything, or one to give oneself more rights, is the cluster's administrator in other words.",
  severity: "critical",
  remediationSteps: "Name the verbs, resources and names that are needed, in a Role of one's own.",
  url: "https://kubernetes.io/docs/concepts/security/rbac-good-practices/",
  configSchema: {
    properties: {
      refusedRoles: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["cluster-admin", "admin", "edit"],
        description: "ClusterRoles that nobody is to be bound to; edit and admin read every Secret of a namespace.",
      },
    },
  },
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    if (group !== "rbac.authorization.k8s.io") return;
    inspect(args, report, (resource) => {
      if (kind === "Role" || kind === "ClusterRole") {
        for (const rule of resource.at("rules").items()) checkRule(rule);
      } else if (kind === "RoleBinding" || kind === "ClusterRoleBinding") {
        checkBinding(resource, new Set(args.getConfig<Config>().refusedRoles));
      }
    });
  },
};

const WAYS_UP = ["escalate", "bind", "impersonate"];
const ANYBODY = [
  "system:masters",
  "system:anonymous",
  "system:unauthenticated",
  "system:authenticated",
  "system:serviceaccounts",
];

function checkRule(rule: Field): void {
  for (const list of ["verbs", "resources", "apiGroups", "nonResourceURLs"]) {
    for (const item of rule.at(list).items()) {
      // A path may have one at its end; everything else is a name.
      const isWild = (value: unknown) =>
        typeof value === "string" && (list === "nonResourceURLs" ? value === "*" : value.includes("*"));
      item.check((value) => (isWild(value) ? ["a wildcard; name what is needed"] : []));
    }
  }
  for (const verb of rule.at("verbs").items()) {
    verb.check((value) => (WAYS_UP.includes(value as string) ? ["a way to more rights; leave it out"] : []));
  }
  const verbs = valuesOf(rule.at("verbs"));
  const resources = valuesOf(rule.at("resources"));
  if (resources.includes("secrets")) {
    const named = rule.at("resourceNames").read();
    const everyOne = named !== undefined && !(Array.isArray(named.value) && named.value.length > 0);
    const problem = verbs.some((verb) => verb === "list" || verb === "watch")
      ? "lists Secrets, which reads them all; allow get of named ones"
      : verbs.includes("get") && everyOne
        ? "reads every Secret; name them in resourceNames"
        : undefined;
    if (problem !== undefined) rule.at("resources").violation(problem);
  }
  if (resources.includes("serviceaccounts/token") && verbs.includes("create")) {
    rule.at("resources").violation("makes tokens of other accounts; leave it out");
  }
}

/** The elements that are known. */
function valuesOf(list: Field): unknown[] {
  return list.items().flatMap((item) => {
    const known = item.read();
    return known === undefined ? [] : [known.value];
  });
}

function checkBinding(binding: Field, refusedRoles: Set<string>): void {
  const kind = binding.at("roleRef", "kind").read()?.value;
  binding
    .at("roleRef", "name")
    .check((name) =>
      kind === "ClusterRole" && typeof name === "string" && refusedRoles.has(name)
        ? ["a role of rbac-narrow.refusedRoles; write one with what is needed"]
        : [],
    );
  for (const subject of binding.at("subjects").items()) {
    subject
      .at("name")
      .check((name) => (ANYBODY.includes(name as string) ? ["not accounts of one's own; name the account"] : []));
  }
}
