import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { objectLabels, Owner } from "./labels";
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { registeredArgs } from "./registered-args";

/** What a team may tune of its vault's volume. */
export interface VaultVolumeOptions {
  /** The volume. Default: 5Gi of the default StorageClass. */
  volume?: ClaimOptions;
}

export interface VaultArgs extends VaultVolumeOptions {
  /** The namespace to create the volume claim in. */
  namespace: pulumi.Input<string>;
  /** The cell that the vault belongs to. Default: the component's name. */
  instance?: string;
  /** Labels for every object, for example tenant and region. */
  labels?: Record<string, string>;
  /** Keep the volume claim when the stack is destroyed. Default: false. */
  retain?: boolean;
}

/**
 * The claim that a vault's options stand for.
 * @throws ValidationFailed for a malformed size.
 */
export function vaultClaim(options: VaultVolumeOptions): types.input.core.v1.PersistentVolumeClaimSpec {
  return blockClaim(options.volume ?? {}, "5Gi", "vault.volume");
}

/** A repository of markdown notes (as Obsidian keeps them) on a volume, which the gateway mounts. */
export class Vault extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Vault";

  /** The volume claim's name. */
  readonly claim: pulumi.Output<string>;

  constructor(name: string, args: VaultArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Vault.__pulumiType, name, registeredArgs(args), opts);
    const instance = args.instance ?? name;
    const labels = objectLabels({ instance, component: "vault", owner: Owner.App, extra: args.labels });
    const claim = volumeClaim(
      name,
      { namespace: args.namespace, labels, spec: vaultClaim(args), retain: args.retain },
      this,
    );
    this.claim = claim.metadata.name;
    this.registerOutputs({ claim: this.claim });
  }
}
