import type { StatefulSet } from "@pulumi/kubernetes/apps/v1";
import * as pulumi from "@pulumi/pulumi";
import { unknown } from "@pulumi/pulumi/output";
import { cellHealth, readWorkloads, type CellHealth } from "./cell-health";
import type { ClusterReader } from "./cluster-connection";
import type { YamlMap } from "./fleet/merge";
import { promotedHashes } from "./fleet/promoted";

/** What a stack tells of how a cell is, in its output `cells`. */
export interface CellState {
  /** The hash of its images, as its files have them. */
  imagesHash: string;
  /** The hash of all else that a promotion takes: config, agents' content, references to secrets. */
  configHash: string;
  /** Whether the update that made it so left every workload Ready at its current generation. */
  healthy: pulumi.Output<boolean>;
  /** ISO time since when that holds. */
  at: pulumi.Output<string | undefined>;
}

/** The same as an earlier update left it; nothing of a cell that there was not. */
export interface RecordedState {
  uid?: string;
  imagesHash?: string;
  configHash?: string;
  healthy?: boolean;
  at?: string;
}

/**
 * What the stack's last update told of its cells. A preview shows that again for what does not change: what happened to a
 * Pod in the meantime is no change of the program's, and without the cluster nothing else is known.
 */
export async function recordedStates(): Promise<Record<string, RecordedState>> {
  const name = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as {
    outputs?: { cells?: Record<string, RecordedState> };
  };
  return outputs?.cells ?? {};
}

/** The resources of a cell, as they are made. */
export class CellResources {
  private readonly made: { type: string; resource: pulumi.Resource }[] = [];

  /** A transformation of the cell's component, which notes all and changes none. */
  readonly observe: pulumi.ResourceTransformation = ({ type, resource }) => {
    this.made.push({ type, resource });
    return undefined;
  };

  /** The workloads as `StatefulSet NAME`, once all resources of the cell are done. */
  workloads(): pulumi.Output<string[]> {
    const names = this.made.flatMap(({ type, resource }) => {
      const kind = /^kubernetes:apps\/v1:(Deployment|StatefulSet)$/.exec(type)?.[1];
      return kind === undefined ? [] : [pulumi.interpolate`${kind} ${(resource as StatefulSet).metadata.name}`];
    });
    return pulumi.all(this.made.map(({ resource }) => resource.urn)).apply(() => pulumi.all(names));
  }
}

/** A cell that is being updated or previewed. */
interface CellInUpdate {
  id: string;
  settings: object;
  namespace: pulumi.Output<string>;
  resources: CellResources;
  /** Undefined when it goes without the cluster. */
  reader: ClusterReader | undefined;
  recorded: RecordedState;
}

/** What the stack tells of a cell: after an update what is seen then, in a preview what was recorded, or unknown where that changes. */
export function cellState({ id, settings, namespace, resources, reader, recorded }: CellInUpdate): CellState {
  const hashes = promotedHashes(settings as YamlMap);
  if (reader !== undefined && !pulumi.runtime.isDryRun()) {
    const health = pulumi
      .all([resources.workloads(), namespace])
      .apply(([expected, name]) => seenHealth(id, expected, reader, name));
    return { ...hashes, healthy: health.apply(({ healthy }) => healthy), at: health.apply(({ at }) => at) };
  }
  const isRecorded = recorded.imagesHash === hashes.imagesHash && recorded.configHash === hashes.configHash;
  const { healthy, at } = isRecorded ? recorded : {};
  return {
    ...hashes,
    healthy: pulumi.output((isRecorded ? healthy : unknown) as boolean),
    at: pulumi.output((isRecorded ? at : unknown) as string | undefined),
  };
}

async function seenHealth(
  id: string,
  expected: string[],
  reader: ClusterReader,
  namespace: string,
): Promise<CellHealth> {
  let health: CellHealth;
  try {
    health = cellHealth(expected, await readWorkloads(reader, namespace, id));
  } catch (error) {
    // Everything is in place; that it cannot be looked at is no reason to fail.
    health = { healthy: false, at: undefined, problems: [error instanceof Error ? error.message : String(error)] };
  }
  if (!health.healthy) await pulumi.log.warn(`cell ${id} is not healthy: ${health.problems.join("; ")}`);
  return health;
}
