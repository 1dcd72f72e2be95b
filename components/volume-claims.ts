import type * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { PersistentVolumeClaim } from "@pulumi/kubernetes/core/v1";
import { ValidationFailed } from "./errors";

/** A volume claim's size and class. */
export interface ClaimOptions {
  /** Size, for example `10Gi`. A claim can grow where its class allows it, and never shrinks. */
  size?: string;
  /** StorageClass of RWO block storage; SQLite's locks fail on NFS. Default: the cluster's default class. */
  storageClass?: string;
}

/** The notes' folder on the vault's volume; what else is there is not for the gateway. */
export const VAULT_NOTES = "notes";

/** The spec of a claim that one node mounts at a time. */
export function blockClaim(
  options: ClaimOptions,
  defaultSize: string,
  where: string,
): types.input.core.v1.PersistentVolumeClaimSpec {
  const size = options.size ?? defaultSize;
  if (!/^[1-9]\d*(Mi|Gi|Ti)$/.test(size)) {
    throw new ValidationFailed({
      what: `size ${JSON.stringify(size)} is no whole number of Mi, Gi or Ti`,
      where: `${where}.size`,
      fix: "write it like 10Gi",
    });
  }
  return {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: size } },
    ...(options.storageClass !== undefined && { storageClassName: options.storageClass }),
  };
}

/** What a part's volume claim is made of. */
export interface VolumeClaimArgs {
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
  spec: types.input.core.v1.PersistentVolumeClaimSpec;
  /** Keep it when the stack is destroyed. Default: false. */
  retain?: boolean;
}

/** A part's volume claim. */
export function volumeClaim(name: string, args: VolumeClaimArgs, parent: pulumi.Resource): PersistentVolumeClaim {
  const { namespace, labels, spec, retain = false } = args;
  return new PersistentVolumeClaim(
    name,
    { metadata: { name, namespace, labels }, spec },
    { parent, retainOnDelete: retain },
  );
}
