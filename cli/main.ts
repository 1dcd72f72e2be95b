#!/usr/bin/env node
import { createRequire } from "node:module";
import { FleetError } from "../components/errors";
import { Command } from "./commander";
import type * as fleetCommandsModule from "./config";
import { addDayTwoCommands } from "./day-two-commands";
import { EXIT_CODES } from "./exit-codes";
import { registerGate } from "./gate-commands";
import { addRolloutCommands } from "./rollout-commands";
import type { InitOptions } from "./init";
import type { OpenOptions } from "./open";

function exitCodeHelp(): string {
  const codes = EXIT_CODES.map(([type, code]) => `${String(code)} ${type.name}`);
  return ["0 done", "1 any other error", ...codes, "130 interrupted"].join(", ");
}

const interruption = new AbortController();
process.once("SIGINT", () => {
  interruption.abort(new Error("interrupted"));
});

const own = createRequire(__filename);
const program = new Command("clawfleet")
  .version((own("../../package.json") as { version: string }).version)
  .description("Rolls the OpenClaw agent stack out to Kubernetes clusters with Pulumi")
  .showHelpAfterError()
  .addHelpText("after", () => `\nExit codes: ${exitCodeHelp()}`);

// Each command loads its own modules: --help and completion should not wait for a Kubernetes client.
program
  .command("doctor")
  .description("show which programs were found, where and in which version, and what would be done for the others")
  .option("--json", "machine-readable output")
  .action(async ({ json = false }: { json?: boolean }) => (await import("./doctor.js")).printDoctor(json));

const local = program
  .command("local")
  .description("a stack on embedded clusters, with its state in the project's .clawfleet folder");
const withStack = (name: string, description: string) =>
  local.command(name).description(description).option("-s, --stack <stack>", "the Pulumi stack", "dev");

withStack("up", "start the clusters and bring the stack up").action(async ({ stack }: { stack: string }) =>
  (await import("./local.js")).up(stack, interruption.signal),
);
withStack("preview", "show what `up` would change")
  .option("--policy", "apply the policy pack, at the level of the stack's environment")
  .action(async ({ stack, policy = false }: { stack: string; policy?: boolean }) =>
    (await import("./local.js")).preview(stack, policy, interruption.signal),
  );
withStack("down", "destroy the stack, then stop the clusters").action(async ({ stack }: { stack: string }) =>
  (await import("./local.js")).down(stack, interruption.signal),
);
local
  .command("env")
  .description('print shell commands for plain pulumi and kubectl: eval "$(clawfleet local env)"')
  .action(async () => void process.stdout.write(await (await import("./local.js")).shellEnv()));
local
  .command("clusters")
  .description("list the local clusters")
  .option("--json", "machine-readable output")
  .action(async ({ json = false }: { json?: boolean }) => (await import("./doctor.js")).printClusters(json));
local
  .command("clusters-down")
  .description("stop the local clusters and nothing else")
  .action(async () => (await import("./local.js")).clustersDown());

program
  .command("open")
  .description("forward a port to a cell's gateway and print the URL that logs in")
  .argument("[cell]", "the cell; not needed when there is only one")
  .option("-s, --stack <stack>", "the Pulumi stack; by default the one that the fleet's files put the cell into")
  .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project")
  .action(async (cell: string | undefined, options: OpenOptions) => (await import("./open.js")).open(cell, options));
program
  .command("images")
  .description("check every tag of components/images.json against its registry")
  .action(async () => {
    if (!(await (await import("./images.js")).checkImages())) process.exitCode = 1;
  });

// What is told of files, without any cluster. By require: import() takes 15 ms to set up, of 250 that these may take.
const fleetCommands = () => own("./config.js") as typeof fleetCommandsModule;
const withFolder = (command: Command) =>
  command
    .option("--folder <dir>", "the folder of fleet.yaml; by default stacks/ of the project")
    .option("--json", "machine-readable output");
interface FolderOptions {
  folder?: string;
  json?: boolean;
}
interface RenderFlags {
  stack: string;
  out: string;
}
interface PromoteFlags {
  only?: string[];
  dryRun?: boolean;
}
const config = program.command("config").description("the settings of cells, from the inventory and the overlays");
withFolder(config.command("show"))
  .description("show the settings that a cell comes to")
  .argument("<cell>")
  .option("--origin", "with the file and line that each is from")
  .action((cell: string, { folder, json = false, origin = false }: FolderOptions & { origin?: boolean }) =>
    fleetCommands().showConfig(cell, { folder, json, origin }),
  );
withFolder(config.command("diff"))
  .description("show what differs, setting by setting; of an environment, what base and environment say")
  .argument("<from>", "a cell or an environment")
  .argument("<to>", "a cell or an environment")
  .action((from: string, to: string, { folder, json = false }: FolderOptions) =>
    fleetCommands().diffConfig(from, to, { folder, json }),
  );
withFolder(config.command("check"))
  .description("check every file, cell and stack, and name all that is wrong; ends with 2 when something is")
  .action(({ folder, json = false }: FolderOptions) => {
    if (!fleetCommands().printCheck({ folder, json })) process.exitCode = 2;
  });
config
  .command("schema")
  .description("print the JSON Schema of the overlays, for editors")
  .option("--overlay", "of the overlays (the default)")
  .option("--inventory", "of fleet.yaml instead")
  .option("--out <dir>", "write all of them to this folder instead")
  .action(({ inventory = false, out }: { inventory?: boolean; out?: string }) =>
    fleetCommands().printSchema({ which: inventory ? "fleet" : "overlay", out }),
  );
withFolder(program.command("stacks").description("the stacks of the fleet").command("list"))
  .description("list the stacks with their cells")
  .action(({ folder, json = false }: FolderOptions) => fleetCommands().printStacks({ folder, json }));
const collect = (value: string, before: string[] = []) => [...before, value];
withFolder(program.command("render"))
  .description("write every object as YAML, one file each, without asking a cluster; Secrets without their data")
  .argument("[cell]", "the cell; by default every cell of the stack")
  .option("-s, --stack <stack>", "the Pulumi stack, when no cell is named", "dev")
  .requiredOption("--out <dir>", "the folder to write to")
  .action(async (cell: string | undefined, { json = false, ...options }: FolderOptions & RenderFlags) =>
    (await import("./render.js")).renderObjects({ cell, json, ...options }),
  );
withFolder(program.command("promote"))
  .description(
    "take images, config, agents' content and references to secrets over into the next environment's overlay",
  )
  .argument("<from>", "the environment that runs them, healthy")
  .argument("<to>", "the environment that gets them")
  .option("--only <kind>", "images, config, content or refs; can be repeated", collect)
  .option("--dry-run", "write nothing")
  .action(
    async (from: string, to: string, { folder, json = false, only, dryRun = false }: FolderOptions & PromoteFlags) =>
      (await import("./promote.js")).promote(from, to, { folder, json, only, dryRun }),
  );
registerGate(program, interruption.signal);
program
  .command("init")
  .description("write an inventory and overlays for clusters of your kubeconfig; asks on a terminal what no flag says")
  .option("--folder <dir>", "where to write; by default stacks/")
  .option("--kubeconfig <file>", "the kubeconfig; by default the first of $KUBECONFIG, else ~/.kube/config")
  .option("--context <name>", "a context of it, by default every one; can be repeated", collect)
  .option("--region <name>", "the region of these clusters")
  .option("--environment <name>", "dev, stage or prod")
  .option("--tenant <id>", "a tenant; can be repeated", collect)
  .option("--force", "write over files that exist")
  .action(async (options: InitOptions) => (await import("./init.js")).init(options, process.stdin.isTTY));
addRolloutCommands(program, interruption.signal);
addDayTwoCommands(program, interruption.signal);
program
  .command("completion")
  .description('print a completion script: eval "$(clawfleet completion bash)"')
  .argument("<shell>", "bash, zsh or fish")
  .action(
    async (shell: string) => void process.stdout.write((await import("./completion.js")).completion(program, shell)),
  );

program.parseAsync().catch((error: unknown) => {
  if (interruption.signal.aborted) {
    process.stderr.write("interrupted; run the command again to go on\n");
    process.exitCode = 130;
  } else if (error instanceof FleetError) {
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = EXIT_CODES.find(([type]) => error instanceof type)?.[1] ?? 1;
  } else {
    const detail =
      error instanceof Error
        ? process.env.CLAWFLEET_DEBUG === undefined
          ? error.message
          : error.stack
        : String(error);
    process.stderr.write(
      `error: ${detail ?? "unknown"}\n  Fix: this is a defect of clawfleet; CLAWFLEET_DEBUG=1 shows where\n`,
    );
    process.exitCode = 1;
  }
});
