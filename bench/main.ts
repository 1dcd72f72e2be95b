import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { FleetError } from "../components/errors";
import { projectRoot } from "../cli/workspace";
import { TestFleet } from "../test/support/fleet";
import { Contest, contestants, type Contestant, type Round } from "./contest";
import { report } from "./report";
import { summarize, verdicts, type Summary, type Verdict } from "./statistics";

const names: Record<Contestant, string> = {
  upOne: "pulumi up as make up runs it, 1 cell",
  upTwo: "pulumi up as make up runs it, 2 cells on 2 clusters",
  upOneStepByStep: "pulumi up, 1 cell, state saved with each step",
  previewOne: "pulumi preview, 1 cell",
  previewTwo: "pulumi preview, 2 cells on 2 clusters",
  upFlat: "pulumi up, the objects of 1 cell without components",
  previewFlat: "pulumi preview, the objects of 1 cell without components",
  previewEmpty: "pulumi preview, empty program",
  kubectl: "kubectl apply --server-side, wait",
  helm: "helm install --wait",
};

const LATEST = join(projectRoot, "bench", "latest.json");

async function main(): Promise<void> {
  const options = new Command("bench")
    .description(
      "Measures pulumi, kubectl and helm with the same cell on the same local clusters.\n" +
        "Writes bench/latest.json. Ends with 1 when a target is missed.",
    )
    .option("--runs <n>", "how often each is measured; medians are of these", parseRuns, 5)
    .option("--json", "print what bench/latest.json gets instead of tables")
    .parse()
    .opts<{ runs: number; json?: boolean }>();

  const interruption = new AbortController();
  const interrupt = () => {
    process.exitCode = 130;
    interruption.abort(new FleetError({ what: "interrupted" }));
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const results = await bench(options.runs, interruption.signal);
  writeFileSync(LATEST, `${JSON.stringify(results.verdicts, null, 2)}\n`);
  process.stdout.write(options.json ? `${JSON.stringify(results.verdicts)}\n` : results.text);
  const missed = results.verdicts.filter(({ ok }) => !ok);
  if (missed.length > 0) {
    process.stderr.write(`error: over target: ${missed.map(({ name }) => name).join("; ")}\n`);
    process.exitCode = 1;
  }
}

async function bench(runs: number, signal: AbortSignal): Promise<{ verdicts: Verdict[]; text: string }> {
  const fleet = await TestFleet.start(["bench-a", "bench-b"], signal);
  try {
    const contest = await Contest.prepare(fleet, signal);
    const rounds: Round[] = [];
    for (let round = 0; round <= runs; round += 1) {
      const costs = await contest.round(String(round));
      const name = round === 0 ? "warm-up" : `${String(round)} of ${String(runs)}`;
      const walls = contestants.map((contestant) => `${contestant} ${costs[contestant].wall.toFixed(2)}`);
      process.stderr.write(`${name}: ${walls.join(", ")}\n`);
      if (round > 0) rounds.push(costs);
    }
    const summaries = Object.fromEntries(
      contestants.map((contestant) => [contestant, summarize(rounds.map((round) => round[contestant]))]),
    ) as Record<Contestant, Summary>;
    const walls = Object.fromEntries(
      contestants.map((contestant) => [contestant, summaries[contestant].wall.median]),
    ) as Record<Contestant, number>;
    const judged = verdicts(walls, contest.objects);
    const rows = contestants.map((contestant) => ({ name: names[contestant], summary: summaries[contestant] }));
    const { one, two } = contest.objects;
    const text = `${String(runs)} runs; 1 cell has ${String(one)} Kubernetes objects, 2 have ${String(two)}\n\n`;
    return { verdicts: judged, text: `${text}${report(rows, judged)}` };
  } finally {
    await fleet.stop();
  }
}

function parseRuns(value: string): number {
  const runs = Number(value);
  if (!Number.isInteger(runs) || runs < 1) throw new InvalidArgumentError("use a whole number from 1 up.");
  return runs;
}

main().catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof FleetError ? error.message : String(error)}\n`);
  process.exitCode ??= 1;
});
