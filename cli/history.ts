import { NotFound } from "../components/errors";
import { cellRolloutRows, pastCellRollouts, pastRollouts, rolloutRows } from "../stacks/fleet/history";
import { columns } from "./columns";
import { runsOf } from "./runs";
import { stateLayout } from "./workspace";

/** Prints the rollouts of this machine's state folder, or those that a cell was in, from the newest to the oldest. */
export function printHistory(cell: string | undefined, json: boolean): void {
  const runs = runsOf(stateLayout()).map(({ events }) => events);
  const print = <T>(past: T[], rows: (past: T[]) => string[][]) => {
    process.stdout.write(json ? `${JSON.stringify(past, null, 2)}\n` : columns(rows(past)));
  };
  if (cell === undefined) print(pastRollouts(runs), rolloutRows);
  else {
    const past = pastCellRollouts(runs, cell);
    if (past.length === 0)
      throw new NotFound({
        what: `the cell ${cell} was in no rollout`,
        where: stateLayout().folder,
        fix: `for updates by plain Pulumi see \`pulumi stack history --stack ${cell}\``,
      });
    print(past, cellRolloutRows);
  }
}
