import { Conflict, Drifted, FleetError, Unreachable } from "../components/errors";
import { driftedResources, driftInWords, type StackDrift } from "../stacks/fleet/drift";
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
 * @throws Unreachable when a stack could not be checked; Drifted when one has drifted and was not brought back; Conflict
 * for one that cannot be, since its cells share it.
 */
export async function drift(
  selector: string | undefined,
  { folder, json, fix }: { folder?: string; json: boolean; fix: boolean },
  signal: AbortSignal,
): Promise<void> {
  const fleet = await FleetCells.open(folder, signal);
  const existing = await fleet.existingStacks();
  const stacks = new Set(fleet.select(selector).map((cell) => fleet.stackOf(cell)));
  const found = await checkDrift(
    fleet,
    [...stacks].filter((stack) => existing.has(stack)),
  );
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : driftInWords(found));

  const drifted = found.filter(({ resources = [] }) => resources.length > 0);
  if (fix && drifted.length > 0) await bringBack(fleet, drifted, signal);
  const unchecked = found.filter(({ error }) => error !== undefined);
  const of = (part: readonly StackDrift[]) => `${String(part.length)} of ${String(found.length)} stacks`;
  if (unchecked.length > 0)
    throw new Unreachable({ what: `${of(unchecked)} could not be checked`, fix: "see above, and `clawfleet status`" });
  if (drifted.length > 0 && !fix)
    throw new Drifted({
      what: `${of(drifted)} have drifted`,
      fix: "bring them back with `clawfleet drift --fix`, or take the change over into the fleet's files",
    });
}

/** Checks stacks, and writes down what was found for `status`. */
async function checkDrift(fleet: FleetCells, stacks: readonly string[]): Promise<StackDrift[]> {
  progress(`checking ${String(stacks.length)} stack(s)`);
  const found = await fleet.each(stacks, async (stack): Promise<StackDrift> => {
    const cells = fleet.files.stacks.get(stack) ?? [];
    const ids = cells.map(({ id }) => id);
    try {
      // A cluster that does not answer, or is another one, is no drift of everything that was on it.
      for (const { cluster } of cells) await fleet.reader(cluster);
      const output = await fleet.must(["refresh", "--preview-only", "--json", ...fleet.stackArgs(stack)]);
      return { stack, cells: ids, resources: driftedResources(output) };
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      return { stack, cells: ids, error: error.what };
    }
  });
  save(fleet, found);
  return found;
}

function save(fleet: FleetCells, found: readonly StackDrift[]): void {
  const now = new Date();
  const checks = found.flatMap(({ cells, resources }) =>
    resources === undefined ? [] : cells.map((cell) => [cell, driftCheck(resources, now)] as const),
  );
  saveDriftChecks(fleet.pulumi.layout, Object.fromEntries(checks));
}

/** Has the stacks see what is on the clusters, and then rolls the cells out. */
async function bringBack(fleet: FleetCells, drifted: readonly StackDrift[], signal: AbortSignal): Promise<void> {
  const selector = drifted.flatMap(({ cells }) => cells);
  const { plan, shared } = planFleet({ folder: fleet.files.folder, root: projectRoot, selector });
  if (shared.length > 0)
    throw new Conflict({
      what: `${shared.join("; ")}, and are rolled out one by one`,
      fix: `bring it back with ${drifted.map(({ stack }) => `\`pulumi up --refresh --stack ${stack}\``).join(", ")}`,
    });
  progress(`bringing back ${selector.join(", ")}`);
  await fleet.each(drifted, ({ stack }) =>
    fleet.must(["refresh", "--yes", "--skip-preview", ...fleet.stackArgs(stack)]),
  );
  const env = { ...process.env, ...TAKE_BACK };
  await executeRun((options) => startRun(plan, "bring back what drifted", options), { env, previewAll: true }, signal);
  save(
    fleet,
    drifted.map((stack) => ({ ...stack, resources: [] })),
  );
}
