import type { Command } from "commander";
import type { PlanOptions } from "./plan";
import type { ExecuteFlags } from "./up";

interface Json {
  json?: boolean;
}

/** Adds the commands that plan rollouts, execute and control them. Each loads its modules when it runs. */
export function addRolloutCommands(program: Command, signal: AbortSignal): void {
  const withCells = (command: Command) =>
    command
      .argument("[selector]", "which cells: labels like environment=prod,region in (eu-west,us-east), or a cell's id")
      .option("--all", "every cell of the fleet")
      .option("--strategy <strategy>", "a strategy of fleet.yaml by its name, or a file")
      .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project");
  const executing = (command: Command) =>
    command
      .option("--clear-locks", "remove locks that ended processes left on the stacks, also of others than clawfleet")
      .option("--preview-all", "preview every cell, also one that has not changed since it was last found healthy")
      .option("--json", "print every event as a line of JSON");

  withCells(program.command("plan"))
    .description("show in which waves cells would be rolled out, from which inputs; changes nothing")
    .option("--out <file>", "save the plan, for `up --plan`")
    .option("--json", "machine-readable output")
    .action(async (selector: string | undefined, options: PlanOptions & { out?: string; json?: boolean }) => {
      (await import("./plan.js")).printPlan(selector, options);
    });
  executing(withCells(program.command("up")))
    .description("roll cells out in waves; stops when more fail than may")
    .option("--plan <file>", "a saved plan, instead of a selector")
    .option("--intent <text>", "what it is for, for the record")
    .action(
      async (selector: string | undefined, options: PlanOptions & ExecuteFlags & { plan?: string; intent?: string }) =>
        (await import("./up.js")).up(selector, options, signal),
    );
  const onRun = (name: string, description: string) =>
    program.command(name).description(description).argument("<run>", "the run's id, for example r00012");
  const controlling = (name: string, description: string) =>
    onRun(name, description).option("--json", "machine-readable output");
  controlling("pause", "let a run finish what it is at, and start nothing else").action(
    async (run: string, { json = false }: Json) => {
      (await import("./rollout-control.js")).pause(run, json);
    },
  );
  executing(onRun("resume", "go on with a run that was paused, interrupted or killed")).action(
    async (run: string, flags: ExecuteFlags) => (await import("./up.js")).resume(run, flags, signal),
  );
  controlling("abort", "cancel what a run is at, and end it").action(async (run: string, { json = false }: Json) =>
    (await import("./rollout-control.js")).abort(run, json, signal),
  );
  controlling("approve", "approve a wave that waits for it")
    .argument("<wave>", "the wave's name")
    .action(async (run: string, wave: string, { json = false }: Json) => {
      (await import("./rollout-control.js")).approve(run, wave, json);
    });
  executing(
    onRun("rollback", "take a run back: its cells get what they were last healthy with, in reverse order"),
  ).action(async (run: string, flags: ExecuteFlags) =>
    (await import("./rollout-control.js")).rollback(run, flags, signal),
  );
}
