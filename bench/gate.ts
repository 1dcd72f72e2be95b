import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { stringify } from "yaml";
import { FleetFiles } from "../cli/fleet-files";
import { eachOf } from "../cli/each-of";
import { runChild } from "../cli/gate/child";
import { ThrowAway } from "../cli/gate/throw-away";
import { processEnv, projectRoot, stateLayout } from "../cli/workspace";
import { FleetError } from "../components/errors";
import { measure } from "./measure";
import { table } from "./report";
import { summarize, type Cost } from "./statistics";

/** How many times the plain previews' time the gate may take. */
const TARGET = 1.5;
const BRANCH = "main";
const TIMEOUT_SECONDS = 1800;
/** What every Pulumi that clawfleet starts runs with. */
const GOGC = processEnv(stateLayout()).GOGC ?? "";

interface Options {
  cells: number;
  concurrency: number;
  rounds: number;
}

/**
 * Measures `clawfleet check` of a change that touches every cell of a fleet, each cell the full stack in a stack of its own,
 * against the same previews without policies, comparison and report, as many at a time. Ends with 1 when it takes longer than
 * the target.
 */
async function main(options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-bench-gate-"));
  const stopped = new AbortController();
  process.once("SIGINT", () => {
    stopped.abort(new FleetError({ what: "interrupted" }));
  });
  try {
    writeChange(folder, options.cells);
    const concurrency = String(options.concurrency);
    const cli = join(projectRoot, "dist", "cli", "main.js");
    const contestants = {
      plain: [__filename, "--plain", folder, "--concurrency", concurrency],
      gate: [cli, "check", "--folder", folder, "--changed-since", BRANCH, "--concurrency", concurrency, "--json"],
    };
    const costs: Record<keyof typeof contestants, Cost[]> = { plain: [], gate: [] };
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const name of ["plain", "gate"] as const) {
        const command = {
          program: process.execPath,
          args: contestants[name],
          cwd: projectRoot,
          env: process.env,
          timeoutSeconds: TIMEOUT_SECONDS,
        };
        const cost = await measure(command, stopped.signal);
        costs[name].push(cost);
        process.stderr.write(`round ${String(round)}: ${name} ${cost.wall.toFixed(1)} s\n`);
      }
    }
    report(options, costs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report({ cells, concurrency }: Options, costs: Record<"plain" | "gate", Cost[]>): void {
  const [plain, gate] = [summarize(costs.plain), summarize(costs.gate)];
  const rows = (["plain", "gate"] as const).map((name) => {
    const { wall, cpu } = name === "plain" ? plain : gate;
    const label = name === "plain" ? "plain previews" : "clawfleet check";
    return [label, `${wall.median.toFixed(1)} s`, cpu === undefined ? "-" : `${cpu.toFixed(1)} s`];
  });
  const ratio = gate.wall.median / plain.wall.median;
  const ofProcessor =
    gate.cpu === undefined || plain.cpu === undefined ? "" : `, ${(gate.cpu / plain.cpu).toFixed(2)} of processor time`;
  process.stdout.write(
    [
      `${String(cells)} cells of the full stack, ${String(concurrency)} at a time, medians; on both sides GOGC=${GOGC}`,
      ...table(["", "wall", "processors"], rows),
      `${ratio.toFixed(2)} times the plain previews${ofProcessor}; target <= ${String(TARGET)}: ${ratio <= TARGET ? "ok" : "miss"}`,
      "",
    ].join("\n"),
  );
  if (ratio > TARGET) process.exitCode = 1;
}

/** A fleet whose cells are the shipped full stack, in a git repository, with a change to all of them. */
function writeChange(folder: string, cells: number): void {
  const ids = Array.from({ length: cells }, (_, index) => `cell-${String(index)}`);
  const overlays = join(projectRoot, "stacks", "overlays");
  mkdirSync(join(folder, "overlays", "environment"), { recursive: true });
  for (const file of ["base.yaml", join("environment", "dev.yaml")])
    cpSync(join(overlays, file), join(folder, "overlays", file));
  const write = (file: string, value: object) => {
    writeFileSync(join(folder, file), stringify(value));
  };
  write("fleet.yaml", {
    clusters: ids.map((id) => ({ id, region: "eu-west", context: id })),
    environments: [{ id: "dev", stacks: "cell" }],
    cells: [{ environment: "dev", clusters: ids }],
  });
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, stdio: "pipe" });
  git("init", "--quiet", "--initial-branch", BRANCH);
  git("add", "--all");
  git("-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "--message", "base");
  mkdirSync(join(folder, "overlays", "region"));
  write("overlays/region/eu-west.yaml", { gateway: { resources: { requestsMemory: "1280Mi" } } });
}

/** The same previews as the gate's, of the same stacks in the same kind of backend, and nothing else. */
async function plainPreviews(folder: string, concurrency: number): Promise<void> {
  const { signal } = new AbortController();
  const files = new FleetFiles(folder);
  const throwAway = await ThrowAway.open(signal);
  try {
    const { pulumi, offlineState } = throwAway;
    const fleet = throwAway.copyFleet(folder, files.fleet, files.files.keys(), "head");
    throwAway.listUnreachable(files.fleet);
    await eachOf([...files.stacks.keys()], concurrency, async (stack) => {
      throwAway.createStack(stack);
      const configFile = throwAway.writeConfig(stack, join(folder, `Pulumi.${stack}.yaml`), fleet);
      const env = { ...pulumi.env, CLAWFLEET_STATE: offlineState, CLAWFLEET_OFFLINE_PREVIEW: "1" };
      const args = ["preview", "--stack", stack, "--config-file", configFile, "--non-interactive"];
      const { code, stdout, stderr } = await runChild(pulumi.cli, args, { cwd: projectRoot, env, signal });
      if (code !== 0) throw new FleetError({ what: `the preview of ${stack} failed: ${stdout}${stderr}` });
    });
  } finally {
    throwAway.close();
  }
}

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("use a whole number from 1 up.");
  return number;
}

const { plain, ...options } = new Command("bench:gate")
  .description(
    "Measures clawfleet check against plain previews of the same cells. Ends with 1 when the target is missed.",
  )
  .option("--cells <n>", "how many cells, each a stack of its own", positive, 20)
  .option("--concurrency <n>", "previews at a time", positive, availableParallelism())
  .option("--rounds <n>", "how often each is measured; medians are of these", positive, 1)
  .option("--plain <folder>", "run the plain previews of a fleet and nothing else")
  .parse()
  .opts<Options & { plain?: string }>();
(plain === undefined ? main(options) : plainPreviews(plain, options.concurrency)).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
