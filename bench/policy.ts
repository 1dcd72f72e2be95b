import { policyArgs } from "../cli/local";
import { projectRoot } from "../cli/workspace";
import { Environment } from "../components/environment";
import { everyPart } from "../test/policy/cell";
import { inspectedCell } from "../test/policy/pack";
import { TestFleet } from "../test/support/fleet";
import { everythingOn } from "../test/support/whole-stack";
import { PolicyServer } from "./policy-server";
import { measure } from "./measure";
import { table } from "./report";
import { median, summarize, type Cost } from "./statistics";

/** The part of a preview that the evaluation of the policies may take. */
const SHARE = 0.15;
const RUNS = 3;
const CLUSTER = "bench-policy";

/** Measures the pack beside previews of a full cell on a real API server. Ends with 1 when the target is missed. */
async function main(): Promise<void> {
  const resources = await inspectedCell(everyPart());
  const starts: number[] = [];
  const walls: number[] = [];
  const processor: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    // A process for each, as each preview has one: it never gets warm.
    const server = await PolicyServer.run();
    try {
      const cost = await server.evaluate(resources);
      starts.push(server.start);
      walls.push(cost.wall);
      processor.push(cost.processor);
    } finally {
      server.stop();
    }
  }
  const previews = await timedPreviews();

  // Beside other work a wall says little of a part of another; processor time does.
  const evaluation = median(processor);
  const share = evaluation / previews.plain.cpu;
  const each = (seconds: number) => `${((seconds / resources.length) * 1000).toFixed(2)} ms`;
  const rows = [
    ["pack: start to listening", text(median(starts)), "", ""],
    [`pack: ${String(resources.length)} resources`, text(median(walls)), text(evaluation), each(evaluation)],
    ["pulumi preview of a full cell", text(previews.plain.wall), text(previews.plain.cpu), ""],
    ["the same with the pack", text(previews.policed.wall), text(previews.policed.cpu), ""],
  ];
  process.stdout.write(`${table(["median", "wall", "CPU", "CPU per resource"], rows).join("\n")}\n`);
  const verdict = share <= SHARE ? "ok" : "miss";
  process.stdout.write(
    `evaluation is ${(share * 100).toFixed(1)} % of a preview's processor time; target <= ${String(SHARE * 100)} %: ${verdict}\n`,
  );
  if (verdict === "miss") process.exitCode = 1;
}

interface Previews {
  wall: number;
  cpu: number;
}

/** What a preview of a cell that is not there yet costs, without the pack and with it, in turn. */
async function timedPreviews(): Promise<{ plain: Previews; policed: Previews }> {
  const fleet = await TestFleet.start([CLUSTER]);
  try {
    const clusters = [{ id: CLUSTER, region: "eu", embedded: true }];
    await fleet.configure("bench", { environment: Environment.Dev, clusters, cell: everythingOn() });
    const costs: Record<"plain" | "policed", Cost[]> = { plain: [], policed: [] };
    for (let run = 0; run < RUNS; run += 1) {
      costs.plain.push(await preview(fleet, []));
      costs.policed.push(await preview(fleet, policyArgs(Environment.Dev)));
    }
    const medians = (all: Cost[]) => {
      const { wall, cpu } = summarize(all);
      return { wall: wall.median, cpu: cpu ?? NaN };
    };
    return { plain: medians(costs.plain), policed: medians(costs.policed) };
  } finally {
    await fleet.stop();
  }
}

function preview(fleet: TestFleet, args: string[]): Promise<Cost> {
  const { cli, env } = fleet.pulumi;
  return measure({ program: cli, args: fleet.onStack("bench", ["preview", ...args]), cwd: projectRoot, env });
}

function text(seconds: number): string {
  return `${seconds.toFixed(2)} s`;
}

main().catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
