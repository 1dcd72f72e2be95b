import { Drifted, FleetError, Unreachable } from "../components/errors";
import { driftedResources, driftInWords, type CellDrift } from "../stacks/fleet/drift";
import type { FleetCell } from "../stacks/fleet/inventory";
import { planFleet } from "../stacks/fleet/rollout/fleet-plan";
import { startRun } from "../stacks/fleet/rollout/run";
import { driftCheck } from "../stacks/fleet/status";
import { saveDriftChecks } from "./drift-checks";
import { FleetCells } from "./fleet-cells";
import { progress } from "./local";
import { executeRun } from "./up";
import { projectRoot } from "./workspace";

/** So that an update takes back a field that somebody else has set since: else the API server calls it a conflict. */
const TAKE_BACK = { PULUMI_K8S_ENABLE_PATCH_FORCE: "true" };

/**
 * Compares what the stacks of cells know with what is on the clusters; changes neither. With `fix`, the cells that drifted
 * are then rolled out, under the policies and with the health gate as ever.
 * @throws Unreachable when a cell could not be checked; Drifted when one has drifted and was not brought back.
 */
export async function drift(
  selector: string | undefined,
  { folder, json, fix }: { folder?: string; json: boolean; fix: boolean },
  signal: AbortSignal,
): Promise<void> {
  const fleet = await FleetCells.open(folder, signal);
  const stacks = await fleet.existingStacks();
  const cells = fleet.select(selector).filter((cell) => stacks.has(fleet.stackOf(cell)));
  const found = await checkDrift(fleet, cells);
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : driftInWords(found));

  const drifted = found.filter(({ resources = [] }) => resources.length > 0).map(({ cell }) => cell);
  if (fix && drifted.length > 0) await bringBack(fleet, drifted, signal);
  const unchecked = found.filter(({ error }) => error !== undefined);
  if (unchecked.length > 0)
    throw new Unreachable({
      what: `${String(unchecked.length)} of ${String(found.length)} cells could not be checked`,
      fix: "see above, and `clawfleet status`",
    });
  if (drifted.length > 0 && !fix)
    throw new Drifted({
      what: `${String(drifted.length)} of ${String(found.length)} cells have drifted`,
      fix: "bring them back with `clawfleet drift --fix`, or take the change over into the fleet's files",
    });
}

/** Checks cells, and writes down what was found for `status`. */
async function checkDrift(fleet: FleetCells, cells: readonly FleetCell[]): Promise<CellDrift[]> {
  progress(`checking ${String(cells.length)} cell(s)`);
  const found = await fleet.each(cells, async (cell): Promise<CellDrift> => {
    const stack = fleet.stackOf(cell);
    try {
      // A cluster that does not answer, or is another one, is no drift of everything that was on it.
      await fleet.reader(cell.cluster);
      const output = await fleet.must(["refresh", "--preview-only", "--json", ...fleet.stackArgs(stack)]);
      return { cell: cell.id, stack, resources: driftedResources(output) };
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      return { cell: cell.id, stack, error: error.what };
    }
  });
  const now = new Date();
  const checks = found.flatMap(({ cell, resources }) =>
    resources === undefined ? [] : [[cell, driftCheck(resources, now)] as const],
  );
  saveDriftChecks(fleet.pulumi.layout, Object.fromEntries(checks));
  return found;
}

/** Has the stacks see what is on the clusters, and then rolls the cells out. */
async function bringBack(fleet: FleetCells, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const cells = fleet.files.fleet.cells.filter(({ id }) => ids.includes(id));
  progress(`bringing back ${ids.join(", ")}`);
  await fleet.each(cells, (cell) =>
    fleet.must(["refresh", "--yes", "--skip-preview", ...fleet.stackArgs(fleet.stackOf(cell))]),
  );
  const { plan } = planFleet({ folder: fleet.files.folder, root: projectRoot, selector: ids });
  const env = { ...process.env, ...TAKE_BACK };
  await executeRun((options) => startRun(plan, "bring back what drifted", options), { env, previewAll: true }, signal);
  const now = new Date();
  saveDriftChecks(fleet.pulumi.layout, Object.fromEntries(ids.map((id) => [id, driftCheck([], now)])));
}
