import type * as pulumi from "@pulumi/pulumi";
import { Role, RoleBinding } from "@pulumi/kubernetes/rbac/v1";
import { objectLabels, Owner } from "./labels";

/** What an app team may change, by name: creating anything else would be a way around the platform's objects. */
export interface AppOwnedObjects {
  statefulSets: pulumi.Input<string>[];
  configMaps: pulumi.Input<string>[];
  services: pulumi.Input<string>[];
}

interface AppTeamRoleArgs {
  instance: string;
  namespace: pulumi.Input<string>;
  labels: Record<string, string> | undefined;
  groups: string[];
  owned: AppOwnedObjects;
}

const READ = ["get", "list", "watch"];
const CHANGE = ["patch", "update"];

/**
 * Gives an app team its cell: it reads every object but Secrets, changes what the app owns by name, restarts Pods and
 * reads their logs. It cannot touch the namespace, quota, limits, policies, roles or service accounts. Whoever may
 * change a workload may have it read the cell's own Secrets; no other cell's.
 */
export function appTeamRole(name: string, args: AppTeamRoleArgs, parent: pulumi.Resource): void {
  const labels = objectLabels({
    instance: args.instance,
    component: "tenancy",
    owner: Owner.Platform,
    extra: args.labels,
  });
  const metadata = { name: "app-team", namespace: args.namespace, labels };
  const role = new Role(
    name,
    {
      metadata,
      rules: [
        {
          apiGroups: [""],
          resources: [
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "pods/log",
            "resourcequotas",
            "services",
          ],
          verbs: READ,
        },
        { apiGroups: ["apps"], resources: ["deployments", "statefulsets"], verbs: READ },
        { apiGroups: ["networking.k8s.io"], resources: ["ingresses", "networkpolicies"], verbs: READ },
        { apiGroups: ["policy"], resources: ["poddisruptionbudgets"], verbs: READ },
        { apiGroups: ["apps"], resources: ["statefulsets"], resourceNames: args.owned.statefulSets, verbs: CHANGE },
        { apiGroups: [""], resources: ["configmaps"], resourceNames: args.owned.configMaps, verbs: CHANGE },
        { apiGroups: [""], resources: ["services"], resourceNames: args.owned.services, verbs: CHANGE },
        // A restart: the StatefulSet makes the Pod anew.
        { apiGroups: [""], resources: ["pods"], verbs: ["delete"] },
      ],
    },
    { parent },
  );
  new RoleBinding(
    name,
    {
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
      subjects: args.groups.map((group) => ({ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group })),
    },
    { parent },
  );
}
