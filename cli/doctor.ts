import { doctor } from "../engine/toolchain";
import { listClusters } from "../engine/clusters";
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
  const rows = [header, ...items.map(row)];
  const widths = header.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  for (const cells of rows) {
    process.stdout.write(
      `${cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}\n`,
    );
  }
}
