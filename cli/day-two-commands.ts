import type { Command } from "commander";
import type { DecommissionOptions } from "./decommission";
import type { EmitOperatorOptions, EmitOptions } from "./emit";

interface FleetOptions {
  folder?: string;
  json?: boolean;
}

/** Adds the commands that look after a fleet and hand it over to others. Each loads its modules when it runs. */
export function addDayTwoCommands(program: Command, signal: AbortSignal): void {
  const onFleet = (command: Command) =>
    command
      .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project")
      .option("--json", "machine-readable output");
  const SELECTOR = "which cells: labels like environment=prod, or a cell's id; all by default";

  onFleet(program.command("status").argument("[selector]", SELECTOR))
    .description(
      "show the cells at a glance: health, versions, drift, last rollout; ends with 6 or 10 when not all is well",
    )
    .action(async (selector: string | undefined, { folder, json = false }: FleetOptions) => {
      process.exitCode = await (await import("./status.js")).printStatus(selector, { folder, json }, signal);
    });
  onFleet(program.command("drift").argument("[selector]", SELECTOR))
    .description("find what was changed or deleted on the clusters by others; ends with 11 when something was")
    .option("--fix", "roll out the cells that drifted")
    .action(
      async (selector: string | undefined, { folder, json = false, fix = false }: FleetOptions & { fix?: boolean }) =>
        (await import("./drift.js")).drift(selector, { folder, json, fix }, signal),
    );
  program
    .command("history")
    .description("show past rollouts, or those that a cell was in")
    .argument("[cell]", "a cell's id")
    .option("--json", "machine-readable output")
    .action(async (cell: string | undefined, { json = false }: FleetOptions) => {
      (await import("./history.js")).printHistory(cell, json);
    });
  program
    .command("report")
    .description("write the report of a run as one HTML file")
    .argument("[run]", "the run's id; the last one by default")
    .option("--out <file>", "where to; by default into the run's folder")
    .option("--json", "machine-readable output")
    .action(async (run: string | undefined, { out, json = false }: { out?: string; json?: boolean }) => {
      (await import("./report.js")).report(run, { out, json });
    });
  onFleet(program.command("decommission").argument("<cell>", "the cell's id"))
    .description("delete a cell and list what stays; asks for its id")
    .option("--yes", "do not ask")
    .option("--unreachable", "the cluster is gone for good: remove what is known of the cell, and touch no cluster")
    .action(async (cell: string, options: Partial<DecommissionOptions>) => {
      const { folder, json = false, yes = false, unreachable = false } = options;
      const { ownTerminal } = await import("./confirm.js");
      const { decommission } = await import("./decommission.js");
      await decommission(cell, { folder, json, yes, unreachable }, ownTerminal(), signal);
    });

  const emit = program.command("emit").description("hand a plan over to something that runs elsewhere");
  const planned = (command: Command) =>
    onFleet(command.argument("[selector]", "which cells, as for `plan`"))
      .option("--all", "every cell of the fleet")
      .option("--strategy <strategy>", "a strategy of fleet.yaml by its name, or a file");
  planned(emit.command("operator"))
    .description(
      "write Stack resources of the Pulumi Kubernetes Operator, one for each cell, with waves as prerequisites",
    )
    .requiredOption("--out <dir>", "the folder to write to")
    .option("--repository <url>", "the git repository; by default the remote origin")
    .option("--commit <sha>", "the commit to roll out; by default the current one")
    .option("--backend <url>", "Pulumi's backend; by default Pulumi Cloud")
    .option("--organization <name>", "the stacks' organization", "organization")
    .option("--namespace <name>", "the namespace of the resources", "default")
    .option("--within <duration>", "how recently the wave before has to have succeeded", "24h")
    .action(async (selector: string | undefined, options: EmitOperatorOptions) => {
      (await import("./emit.js")).emitOperator(selector, options);
    });
  planned(emit.command("github"))
    .description("write a workflow of GitHub Actions: a matrix for each wave, a job for each cell")
    .requiredOption("--out <file>", "the file to write, such as .github/workflows/roll-out.yaml")
    .action(async (selector: string | undefined, options: EmitOptions) => {
      (await import("./emit.js")).emitGithub(selector, options);
    });
}
