import { doctor } from "../engine/toolchain";
import { listClusters } from "../engine/clusters";
import { columns } from "./columns";
import { stateLayout } from "./workspace";

/** Prints what was found of the toolchain; builds and downloads nothing. */
export async function printDoctor(json: boolean): Promise<void> {
  const rows = await doctor();
  print(json, rows, ["program", "want", "found", "from", "path or what to do"], (row) => [
    row.name,
    row.want,
    row.found ?? "-",
    row.source,
    row.path ?? row.action,
  ]);
}

/** Prints the local clusters with their state and memory. */
export async function printClusters(json: boolean): Promise<void> {
  const clusters = await listClusters(stateLayout().folder);
  print(json, clusters, ["cluster", "healthy", "version", "memory", "kubeconfig"], (cluster) => [
    cluster.name,
    cluster.healthy ? "yes" : "no",
    cluster.version,
    `${String(Math.round(cluster.totalMemory / 2 ** 20))} MiB`,
    cluster.kubeconfig,
  ]);
}

function print<T>(json: boolean, items: T[], header: string[], row: (item: T) => string[]): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(items, null, 2)}\n`);
    return;
  }
  process.stdout.write(columns([header, ...items.map(row)]));
}
