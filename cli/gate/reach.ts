import { join } from "node:path";
import { existsSync } from "node:fs";
import { cellsOf, type Cell } from "../../stacks/config";
import { locateCluster, openCluster } from "../../stacks/cluster-connection";
import { projectConfig } from "../../stacks/fleet/stacks";
import { readYaml } from "../../stacks/fleet/yaml-file";
import { localCluster } from "../../stacks/local-clusters";
import { preflight } from "../../stacks/preflight";
import { stateLayout } from "../workspace";

/**
 * Checks that the clusters of a stack answer and are the ones that are meant, as the program does, but with an error of its
 * class: from the program there is its message alone.
 * @throws Unreachable, Conflict, NotFound, AuthExpired or ValidationFailed
 */
export async function reachClusters(stack: string, folder: string): Promise<void> {
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const values = existsSync(file) ? projectConfig(readYaml(file).value) : {};
  await Promise.all(cellsOf(stack, values, folder).map(reach));
}

async function reach(cell: Cell): Promise<void> {
  const { cluster } = cell;
  const local = cluster.embedded ? localCluster(cluster.id, stateLayout().folder) : undefined;
  const address = local ?? locateCluster(cluster, `fleet.yaml: ${cluster.id}`);
  await preflight(cell, await openCluster(address, cluster.id), local?.uid ?? cluster.uid);
}
