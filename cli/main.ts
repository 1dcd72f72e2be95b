#!/usr/bin/env node
import { Command } from "commander";
import {
  AuthExpired,
  Conflict,
  FleetError,
  NotFound,
  PolicyViolation,
  RateLimited,
  Timeout,
  Unreachable,
  ValidationFailed,
} from "../components/errors";

/** Exit codes by error class; 1 is everything else, and 130 an interruption. */
const EXIT_CODES = [
  [ValidationFailed, 2],
  [NotFound, 3],
  [Conflict, 4],
  [AuthExpired, 5],
  [Unreachable, 6],
  [Timeout, 7],
  [RateLimited, 8],
  [PolicyViolation, 9],
] as const;

const interruption = new AbortController();
process.once("SIGINT", () => {
  interruption.abort(new Error("interrupted"));
});

const program = new Command("clawfleet")
  .description("Rolls the OpenClaw agent stack out to Kubernetes clusters with Pulumi")
  .showHelpAfterError();

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
  .command("render")
  .description("write the objects of every cell of a stack as YAML, one file each; Secrets without their data")
  .option("-s, --stack <stack>", "the Pulumi stack", "dev")
  .requiredOption("--out <dir>", "the folder to write to")
  .action(async ({ stack, out }: { stack: string; out: string }) =>
    (await import("./render.js")).renderStack(stack, out, interruption.signal),
  );
program
  .command("open")
  .description("forward a port to a cell's gateway and print the URL that logs in")
  .argument("[cell]", "the cell; not needed when there is only one")
  .option("-s, --stack <stack>", "the Pulumi stack", "dev")
  .action(async (cell: string | undefined, { stack }: { stack: string }) =>
    (await import("./open.js")).open(stack, cell),
  );
program
  .command("images")
  .description("check every tag of components/images.json against its registry")
  .action(async () => {
    if (!(await (await import("./images.js")).checkImages())) process.exitCode = 1;
  });

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
