/** Where a Secret comes from, as its cell's objects show it. */
export enum SecretSource {
  /** An object of the cell: a value that Pulumi generated or was given. */
  Pulumi = "pulumi",
  /** External Secrets Operator makes it. */
  External = "external",
  /** Nothing in the cell makes it. */
  Existing = "existing",
}

/** A key of a Secret of a cell; `*` when all of it is mounted or read at once. */
export interface SecretUse {
  secret: string;
  key: string;
  source: SecretSource;
  /** The objects that use it, like `StatefulSet/acme-gateway`; empty for a Secret that no Pod reads, for example a certificate's. */
  usedBy: string[];
}

/** An object of a cluster, as far as it matters here. */
export interface Manifest {
  kind?: unknown;
  metadata?: unknown;
  [field: string]: unknown;
}

/**
 * Every secret of a cell, with where it comes from: every Secret that there is, and every reference of a workload to
 * one, wherever in the object it is. It goes by the objects alone, so no part can be forgotten.
 */
export function secretSources(objects: readonly Manifest[]): SecretUse[] {
  const sources = new Map<string, SecretSource>();
  const uses = new Map<string, SecretUse>();
  const add = (secret: string, key: string, user?: string) => {
    const source = sources.get(secret) ?? SecretSource.Existing;
    const use = uses.get(`${secret} ${key}`) ?? { secret, key, source, usedBy: [] };
    if (user !== undefined && !use.usedBy.includes(user)) use.usedBy.push(user);
    uses.set(`${secret} ${key}`, use);
  };
  const made = objects.flatMap(madeBy);
  for (const { secret, source } of made) sources.set(secret, source);
  for (const { secret, key } of made) add(secret, key);
  for (const object of objects) {
    const user = `${String(object.kind)}/${nameOf(object)}`;
    // An ExternalSecret's own references are to its store, not to Secrets.
    if (object.kind !== "ExternalSecret") for (const { secret, key } of references(object)) add(secret, key, user);
  }
  return [...uses.values()].sort((a, b) => `${a.secret} ${a.key}`.localeCompare(`${b.secret} ${b.key}`));
}

function madeBy(object: Manifest): { secret: string; key: string; source: SecretSource }[] {
  if (object.kind === "Secret") {
    const keys = { ...(object.data as object | undefined), ...(object.stringData as object | undefined) };
    return Object.keys(keys).map((key) => ({ secret: nameOf(object), key, source: SecretSource.Pulumi }));
  }
  if (object.kind !== "ExternalSecret") return [];
  const { target, data } = object.spec as { target: { name: string }; data: { secretKey: string }[] };
  return data.map(({ secretKey: key }) => ({ secret: target.name, key, source: SecretSource.External }));
}

/** Every way that a Pod spec, or an Ingress or Gateway, names a Secret. */
function references(value: unknown): { secret: string; key: string }[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value as Record<string, unknown>).flatMap(([field, inner]) => {
    const { name, key, secretName } = (inner ?? {}) as Record<string, string | undefined>;
    switch (field) {
      case "secretKeyRef":
        return [{ secret: name ?? "", key: key ?? "*" }];
      case "secretRef":
        return [{ secret: name ?? "", key: "*" }];
      case "secret": {
        // A volume of its own has secretName, one of a projected volume name; both may pick keys.
        const secret = secretName ?? name ?? "";
        const { items = [] } = inner as { items?: { key: string }[] };
        return items.length === 0 ? [{ secret, key: "*" }] : items.map((item) => ({ secret, key: item.key }));
      }
      case "imagePullSecrets":
        return (inner as { name: string }[]).map((pull) => ({ secret: pull.name, key: "*" }));
      case "tls":
        return (Array.isArray(inner) ? (inner as { secretName?: string }[]) : [])
          .filter((entry) => entry.secretName !== undefined)
          .map((entry) => ({ secret: entry.secretName ?? "", key: "*" }));
      default:
        return references(inner);
    }
  });
}

function nameOf({ metadata }: Manifest): string {
  return (metadata as { name?: string } | undefined)?.name ?? "";
}
