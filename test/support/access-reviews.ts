import { ApiServer } from "../../engine/clusters/api";
import type { AdminAccess } from "../../engine/clusters/credentials";

/** A resource or subresource of the API, with all that can be done to it. */
export interface ApiResource {
  group: string;
  version: string;
  /** `pods`, or `pods/log`. */
  name: string;
  verbs: string[];
}

interface ResourceList {
  resources: { name: string; namespaced: boolean; verbs: string[] }[];
}

/** An access that somebody might have. */
export interface Access {
  user: string;
  groups: string[];
  /** Empty for the whole cluster. */
  namespace: string;
  group: string;
  resource: string;
  verb: string;
}

/** How many reviews are under way at once. */
const AT_ONCE = 40;

/** The resources that some namespaces have objects of, with their subresources: all that is in use there. */
export async function resourcesInUse(api: ApiServer, namespaces: string[]): Promise<ApiResource[]> {
  const { groups } = (await api.get<{ groups: { preferredVersion: { groupVersion: string } }[] }>("/apis")) ?? {
    groups: [],
  };
  const versions = ["v1", ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
  const all = await inTurns(versions, async (groupVersion) => {
    const path = groupVersion === "v1" ? "/api/v1" : `/apis/${groupVersion}`;
    const { resources } = (await api.get<ResourceList>(path)) ?? { resources: [] };
    const [version = "", group = ""] = groupVersion.split("/").reverse();
    const namespaced = resources.filter((resource) => resource.namespaced);
    const used = await inTurns(namespaced, async ({ name, verbs }) => {
      if (!verbs.includes("list")) return [];
      for (const namespace of namespaces) {
        const list = await api.get<{ items: unknown[] }>(`${path}/namespaces/${namespace}/${name}?limit=1`);
        if ((list?.items.length ?? 0) > 0) return [name];
      }
      return [];
    });
    const names = new Set(used.flat());
    return namespaced
      .filter(({ name }) => names.has(name.split("/")[0] ?? ""))
      .map(({ name, verbs }) => ({ group, version, name, verbs }));
  });
  return all.flat();
}

/** Every verb of every resource, for some users in some namespaces. */
export function accessesTo(
  resources: ApiResource[],
  users: Pick<Access, "user" | "groups">[],
  namespaces: string[],
): Access[] {
  return users.flatMap((user) =>
    namespaces.flatMap((namespace) =>
      resources.flatMap(({ group, name: resource, verbs }) =>
        verbs.map((verb) => ({ ...user, namespace, group, resource, verb })),
      ),
    ),
  );
}

/** Of these accesses those that the API server would allow, in words; it decides each as it would the request itself. */
export async function allowedOf(api: ApiServer, accesses: Access[]): Promise<string[]> {
  const decisions = await inTurns(accesses, async (access) => {
    const { user, groups, namespace, group, verb } = access;
    const [resource, subresource] = access.resource.split("/");
    const { status, body } = await api.call(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      JSON.stringify({
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: { user, groups, resourceAttributes: { namespace, verb, group, resource, subresource } },
      }),
      { contentType: "application/json", timeoutMs: 60_000 },
    );
    if (status !== 201) throw new Error(`no review, but ${String(status)}: ${body}`);
    const { allowed } = (JSON.parse(body) as { status: { allowed: boolean } }).status;
    return allowed ? [`${user} may ${verb} ${access.resource} in ${namespace || "the whole cluster"}`] : [];
  });
  return decisions.flat();
}

/** Who a ServiceAccount is to the API server. */
export function serviceAccountUser(namespace: string, name: string): Pick<Access, "user" | "groups"> {
  return {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
  };
}

/** The API server as a ServiceAccount has it, with a real token of its own; whoever asks for it closes it. */
export async function asServiceAccount(access: AdminAccess, namespace: string, name: string): Promise<ApiServer> {
  const admin = new ApiServer(access);
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 600 } };
  const { status, body } = await admin.call("POST", path, JSON.stringify(request), { contentType: "application/json" });
  admin.close();
  if (status !== 201) throw new Error(`no token, but ${String(status)}`);
  return new ApiServer({ ...access, token: (JSON.parse(body) as { status: { token: string } }).status.token });
}

interface Rules {
  status: { resourceRules: { verbs: string[]; apiGroups: string[]; resources: string[] }[] };
}

/** What a client may do to the objects of a namespace, as the API server itself lists it: `verb group/resource`. */
export async function rulesIn(api: ApiServer, namespace: string): Promise<string[]> {
  const { status, body } = await api.call(
    "POST",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    JSON.stringify({
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectRulesReview",
      spec: { namespace },
    }),
    { contentType: "application/json" },
  );
  if (status !== 201) throw new Error(`no review, but ${String(status)}: ${body}`);
  const rules = (JSON.parse(body) as Rules).status.resourceRules;
  const list = rules.flatMap(({ verbs, apiGroups, resources }) =>
    verbs.flatMap((verb) => apiGroups.flatMap((group) => resources.map((resource) => `${verb} ${group}/${resource}`))),
  );
  return [...new Set(list)].sort();
}

/** Does the work for each item, some at a time. */
export async function inTurns<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE)
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return results;
}
