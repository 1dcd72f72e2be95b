import { Conflict, FleetError, NotFound } from "../components/errors";
import { cellById, type FleetCell } from "../stacks/fleet/inventory";
import { stackResources, type StackResource } from "../stacks/fleet/retained";
import { confirmById, type Terminal } from "./confirm";
import { FleetCells } from "./fleet-cells";
import { progress } from "./local";

export interface DecommissionOptions {
  folder?: string;
  json: boolean;
  /** Whether it is confirmed already. */
  yes: boolean;
  /** Whether the cluster is gone for good, and only what is known of the cell is to be removed. */
  unreachable: boolean;
}

/**
 * Takes a cell down: deletes what its stack made, in the reverse order of its creation, and lists what stays.
 * @param terminal where somebody can be asked.
 * @throws NotFound for a cell that was not rolled out; Conflict when its stack has other cells, when something in it is
 * protected, and with `unreachable` when the cluster answers; ValidationFailed when it is not confirmed.
 */
export async function decommission(
  id: string,
  options: DecommissionOptions,
  terminal: Terminal | undefined,
  signal: AbortSignal,
): Promise<void> {
  const fleet = await FleetCells.open(options.folder, signal);
  const cell = cellById(fleet.files.fleet, id);
  const stack = await stackOfItsOwn(fleet, cell);
  await assertAnswers(fleet, cell, options.unreachable);
  const resources = stackResources(await fleet.must(["stack", "export", "--stack", stack]));
  assertUnprotected(resources, stack);

  const stays = options.unreachable ? resources.filter(isOnCluster) : resources.filter(({ retained }) => retained);
  const goes = resources.filter((resource) => !stays.includes(resource)).reverse();
  progress(describe(id, goes, stays, options.unreachable));
  if (!options.yes) await confirmById(id, terminal, signal);

  const env = options.unreachable ? { PULUMI_K8S_DELETE_UNREACHABLE: "true" } : {};
  await fleet.must(["destroy", "--yes", "--skip-preview", ...fleet.stackArgs(stack)], env);
  const result = { cell: id, stack, deleted: goes.map(inWords), kept: stays.map(inWords) };
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  progress(
    `${id} is decommissioned. Remove it from fleet.yaml, or the next rollout makes it again; \`pulumi stack rm ${stack}\` forgets its history`,
  );
}

/** A stack that is destroyed takes all of its cells with it. */
async function stackOfItsOwn(fleet: FleetCells, cell: FleetCell): Promise<string> {
  const stack = fleet.stackOf(cell);
  const outputs = (await fleet.existingStacks()).has(stack) ? await fleet.outputs(stack) : {};
  if (outputs[cell.id] === undefined)
    throw new NotFound({ what: "it was not rolled out", where: `cell ${cell.id}`, fix: "see `clawfleet status`" });
  const others = Object.keys(outputs).filter((id) => id !== cell.id);
  if (others.length > 0)
    throw new Conflict({
      what: `its stack ${stack} has other cells: ${others.join(", ")}`,
      where: `cell ${cell.id}`,
      fix: "remove it from fleet.yaml and update the stack, which deletes what is no longer there",
    });
  return stack;
}

async function assertAnswers(fleet: FleetCells, cell: FleetCell, unreachable: boolean): Promise<void> {
  const where = `cluster ${cell.cluster.id}`;
  let problem: FleetError | undefined;
  try {
    await fleet.reader(cell.cluster);
  } catch (error) {
    // That another cluster answers says nothing of this one.
    if (!(error instanceof FleetError) || error instanceof Conflict) throw error;
    problem = error;
  }
  if (unreachable && problem === undefined)
    throw new Conflict({
      what: "it answers, so nothing of it has to be given up",
      where,
      fix: "leave --unreachable out",
    });
  if (!unreachable && problem !== undefined)
    throw new Conflict({
      what: problem.what,
      where,
      fix: "bring it back; if it is gone for good, --unreachable removes what is known of the cell and touches no cluster",
    });
}

function assertUnprotected(resources: readonly StackResource[], stack: string): void {
  const blocked = resources.filter((resource) => resource.protected);
  if (blocked.length === 0) return;
  throw new Conflict({
    what: `protected against deletion: ${blocked.map(inWords).join(", ")}`,
    where: `stack ${stack}`,
    fix: `decide about each, then \`pulumi state unprotect URN --stack ${stack}\``,
  });
}

function isOnCluster({ type }: StackResource): boolean {
  return type.startsWith("kubernetes:");
}

function inWords({ type, id }: StackResource): string {
  return `${type.split(":").at(-1) ?? type} ${id}`;
}

function describe(
  id: string,
  goes: readonly StackResource[],
  stays: readonly StackResource[],
  unreachable: boolean,
): string {
  const list = (resources: readonly StackResource[]) => resources.map((resource) => `  ${inWords(resource)}`);
  return [
    unreachable
      ? `${id}: its cluster does not answer. Everything is removed from the state, nothing from the cluster.`
      : `${id}: deleted in this order:`,
    ...(unreachable ? [] : list(goes)),
    ...(stays.length === 0 ? ["nothing stays"] : ["stays on the cluster:", ...list(stays)]),
  ].join("\n");
}
