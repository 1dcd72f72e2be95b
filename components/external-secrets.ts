import type * as pulumi from "@pulumi/pulumi";
import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import { ValidationFailed } from "./errors";

/** The kind of a store of External Secrets Operator. */
export enum SecretStoreKind {
  /** In the cell's own namespace. */
  SecretStore = "SecretStore",
  /** For every namespace. */
  ClusterSecretStore = "ClusterSecretStore",
}

/** Where External Secrets Operator (0.17 or later, which serves `external-secrets.io/v1`) gets a cell's secrets from. */
export interface ExternalSecretsOptions {
  /** The name of an existing SecretStore (in the namespace) or ClusterSecretStore. */
  store: string;
  /** The store's kind. Default: `ClusterSecretStore`. */
  storeKind?: SecretStoreKind;
  /** What the names of the cell's secrets in the store begin with, for example `prod/eu/acme/`; `acme-` for stores that allow no slash. Default: the cell's name and a slash. */
  prefix?: string;
  /** How often the operator reads the store again, for example `1h`; what runs keeps the old value until it is rolled. Default: only when a secret's `version` is raised, so that all that share it change together. */
  refreshInterval?: string;
}

/** One secret of the store, and the Secret that the operator makes of it. */
export interface ExternalSecretArgs {
  store: ExternalSecretsOptions;
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
  /** The key in the Secret. */
  env: string;
  /** The secret's name in the store; undefined for the prefix and the Secret's own name within the cell. */
  key: string | undefined;
  /** A property of a secret that holds several. */
  property: string | undefined;
  version: number;
}

/**
 * Has the operator make a Secret, and waits until it has: Pods that use it start at once then, and a wrong name or store
 * fails here, with the operator's own message, rather than as a Pod that never starts.
 *
 * A raised version is another ExternalSecret with a Secret of its own. The operator reads the store anew for it, what
 * uses the secret is rolled, and the old pair goes when nothing uses it any more: no Pod ever starts with the old value
 * because the operator was slower than the rollout.
 * @returns the Secret's name.
 */
export function externalSecret(name: string, args: ExternalSecretArgs, parent: pulumi.Resource): pulumi.Output<string> {
  const { store, labels, version } = args;
  const objectName = version === 1 ? name : `${name}-v${String(version)}`;
  const { metadata } = new CustomResource(
    name,
    {
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata: {
        name: objectName,
        namespace: args.namespace,
        labels,
        annotations: { "pulumi.com/waitFor": "condition=Ready" },
      },
      spec: {
        secretStoreRef: { kind: store.storeKind ?? SecretStoreKind.ClusterSecretStore, name: store.store },
        ...(store.refreshInterval === undefined
          ? { refreshPolicy: "OnChange" }
          : { refreshPolicy: "Periodic", refreshInterval: store.refreshInterval }),
        // Retain: a secret that is missing in the store for a moment takes nothing down.
        target: { name: objectName, creationPolicy: "Owner", deletionPolicy: "Retain" },
        data: [
          {
            secretKey: args.env,
            remoteRef: {
              key: args.key ?? defaultKey(name, labels["app.kubernetes.io/instance"] ?? name, store),
              ...(args.property !== undefined && { property: args.property }),
            },
          },
        ],
      },
    },
    { parent, customTimeouts: { create: "5m", update: "5m" } },
  );
  return metadata.name;
}

/** `acme/gateway-token` for the Secret `acme-gateway-token` of the cell `acme`. */
function defaultKey(name: string, instance: string, { prefix = `${instance}/` }: ExternalSecretsOptions): string {
  return `${prefix}${name.startsWith(`${instance}-`) ? name.slice(instance.length + 1) : name}`;
}

/**
 * Checks where a cell's secrets come from.
 * @throws ValidationFailed when the store has no valid name, or the interval is no duration.
 */
export function assertExternalSecrets({ store, refreshInterval }: ExternalSecretsOptions): void {
  if (!/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/.test(store)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(store)} is no name of a store`,
      where: "externalSecrets.store",
      fix: "give the metadata.name of a SecretStore or ClusterSecretStore",
    });
  }
  // Go's durations; seconds would have the operator ask the store for each secret of each cell all the time.
  if (refreshInterval !== undefined && !/^([1-9]\d*h)?([1-9]\d*m)?$/.test(refreshInterval || "-")) {
    throw new ValidationFailed({
      what: `${JSON.stringify(refreshInterval)} is no interval`,
      where: "externalSecrets.refreshInterval",
      fix: "write it like 1h, 30m or 1h30m, or leave it out to read the store only when a version is raised",
    });
  }
}
