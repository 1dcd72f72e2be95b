import { FleetError, Unhealthy, Unreachable } from "../components/errors";
import type { FleetCell } from "../stacks/fleet/inventory";
import { look } from "../stacks/fleet/rollout/health";
import { healthCounts, lastRollouts, statusRows, type CellStatus } from "../stacks/fleet/status";
import { columns } from "./columns";
import { readDriftChecks } from "./drift-checks";
import { exitCodeOf } from "./exit-codes";
import { FleetCells } from "./fleet-cells";
import { runsOf } from "./runs";

/**
 * Prints the cells of a fleet at a glance.
 * @returns the exit code: 0 when every cell that was rolled out is healthy.
 */
export async function printStatus(
  selector: string | undefined,
  { folder, json }: { folder?: string; json: boolean },
  signal: AbortSignal,
): Promise<number> {
  const fleet = await FleetCells.open(folder, signal);
  const cells = await statusOf(fleet, fleet.select(selector));
  const counts = healthCounts(cells);
  if (json) process.stdout.write(`${JSON.stringify({ counts, cells }, null, 2)}\n`);
  else {
    process.stdout.write(columns(statusRows(cells, Date.now())));
    for (const { cell, problems } of cells)
      for (const problem of problems) process.stdout.write(`${cell}: ${problem}\n`);
    const numbers = Object.entries(counts).filter(([, count]) => count > 0);
    process.stdout.write(`\n${numbers.map(([health, count]) => `${String(count)} ${health}`).join(", ")}\n`);
  }
  return counts.unreachable > 0 ? exitCodeOf(Unreachable) : counts.unhealthy > 0 ? exitCodeOf(Unhealthy) : 0;
}

/** Asks stacks, clusters and journals. A cell that cannot be asked is told of like any other. */
export async function statusOf(fleet: FleetCells, cells: readonly FleetCell[]): Promise<CellStatus[]> {
  const stacks = await fleet.existingStacks();
  const checks = readDriftChecks(fleet.pulumi.layout);
  const last = lastRollouts(runsOf(fleet.pulumi.layout).map(({ events }) => events));
  // Cells can share a stack, which is asked once.
  const wanted = [...new Set(cells.map((cell) => fleet.stackOf(cell)))].filter((stack) => stacks.has(stack));
  const outputs = new Map(await fleet.each(wanted, async (stack) => [stack, await fleet.outputs(stack)] as const));
  return fleet.each(cells, async (cell) => {
    const stack = fleet.stackOf(cell);
    const { id, environment, cluster } = cell;
    const output = outputs.get(stack)?.[id];
    const [drift, lastRollout] = [checks[id], last.get(id)];
    const known = {
      ...{ cell: id, environment, cluster: cluster.id, stack },
      ...(output && { imagesHash: output.imagesHash, configHash: output.configHash }),
      ...(drift && { drift }),
      ...(lastRollout && { lastRollout }),
    };
    if (output === undefined) return { ...known, health: "not rolled out", problems: [] };
    try {
      const { problems } = await look(await fleet.reader(cluster), { cell: id, ...output });
      return { ...known, health: problems.length === 0 ? "healthy" : "unhealthy", problems };
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      return { ...known, health: "unreachable", problems: [error.what] };
    }
  });
}
