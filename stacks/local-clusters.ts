import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NotFound } from "../components/errors";

/** What the program needs to know of a local cluster; one entry of `.clawfleet/clusters.json`. */
export interface LocalCluster {
  name: string;
  context: string;
  kubeconfig: string;
  uid: string;
  podCidr: string;
}

/** The folder that keeps the local clusters and their stack's state. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.CLAWFLEET_STATE ?? join(process.cwd(), ".clawfleet");
}

/**
 * Finds a running local cluster.
 * @throws NotFound when it was not started.
 */
export function localCluster(id: string, folder: string = stateFolder()): LocalCluster {
  let clusters: LocalCluster[] = [];
  try {
    clusters = JSON.parse(readFileSync(join(folder, "clusters.json"), "utf8")) as LocalCluster[];
  } catch {
    // none was ever started
  }
  const cluster = clusters.find(({ name }) => name === id);
  if (cluster === undefined) {
    throw new NotFound({
      what: `the local cluster ${id} does not run`,
      where: join(folder, "clusters.json"),
      fix: "start it with `make up`, or name a context of a cluster of yours",
    });
  }
  return cluster;
}
