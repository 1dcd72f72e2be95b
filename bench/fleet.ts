import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { stringify } from "yaml";
import { eachOf } from "../cli/each-of";
import { policyArgs } from "../cli/local";
import { createStack } from "../cli/pulumi";
import { projectRoot, withSalt } from "../cli/workspace";
import { Environment } from "../components/environment";
import { FleetError } from "../components/errors";
import { mergedKubeconfig } from "../engine/clusters/index";
import { ensureTools } from "../engine/toolchain/index";
import { readFleet, type FleetCell } from "../stacks/fleet/inventory";
import { render } from "../stacks/render";
import { TestFleet } from "../test/support/fleet";
import { writePackages } from "./chart";
import { measure } from "./measure";
import { report } from "./report";
import { summarize, type Cost, type Verdict } from "./statistics";

/*
 * A fleet of small cells (a gateway each, as tenants on a few clusters), rolled out by `clawfleet up` and by what one would
 * write instead: the same pulumi commands with xargs and in a shell loop, and helm. Each once: what is measured takes
 * minutes. Each has tenants of its own, so that all of them begin with nothing; Pulumi's stacks are there before.
 */

interface Options {
  clusters: number;
  cells: number;
  concurrency: number;
  loopCells: number;
  json?: boolean;
}

/** Seconds that one of the measured commands may take. */
const TIMEOUT_SECONDS = 3600;
const PER_CELL = { environments: [{ id: "dev", stacks: "cell" }] };
const TARGETS = { overhead: 1.05, unchanged: 0.2 };
/** What is measured, in this order: what the targets are about comes first. */
const NAMES = {
  up: "clawfleet up: preview, policies, up, health",
  unchanged: "clawfleet up again, nothing changed",
  previews: "xargs: preview",
  xargs: "xargs: preview with policies, up",
  helm: "xargs: helm upgrade --install --wait",
  loop: "shell loop: preview with policies, up",
};
type Contestant = keyof typeof NAMES;
/** What was measured so far, and how many cells it was measured with. */
type Measured = Partial<Record<Contestant, { cost: Cost; cells: number }>>;

async function main(): Promise<void> {
  const options = new Command("bench-fleet")
    .description(
      "Measures rollouts of a whole fleet on local clusters. Ends with 1 when a target is missed.\n" +
        "Ctrl-C ends it with what has been measured so far.",
    )
    .option("--clusters <n>", "how many local clusters", whole, 4)
    .option("--cells <n>", "how many cells, spread over the clusters as tenants", whole, 50)
    .option("--concurrency <n>", "how many cells at once", whole, cpus().length)
    .option("--loop-cells <n>", "how many of the cells the shell loop goes through: it is the slowest", whole, 10)
    .option("--json", "print verdicts instead of tables")
    .parse()
    .opts<Options>();
  const interruption = new AbortController();
  const interrupt = () => {
    process.exitCode = 130;
    interruption.abort(new FleetError({ what: "interrupted" }));
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const names = Array.from({ length: options.clusters }, (_, index) => `bench-${String(index)}`);
  const fleet = await TestFleet.start(names, interruption.signal);
  const contest = new FleetContest(fleet, options, interruption.signal);
  // At once: what was just being measured may take long to end.
  const printSoFar = () => {
    print(contest.measured, options);
  };
  interruption.signal.addEventListener("abort", printSoFar);
  try {
    await contest.run();
    print(contest.measured, options);
  } finally {
    await fleet.stop();
  }
}

/** Prints what there is: all of it, or what was measured before an interruption. */
function print(measured: Measured, { cells, clusters, concurrency, json }: Options): void {
  const verdicts = judge(measured);
  const rows = (Object.keys(NAMES) as Contestant[]).flatMap((key) => {
    const result = measured[key];
    if (result === undefined) return [];
    const perCell = `${(result.cost.wall / result.cells).toFixed(2)} s a cell`;
    return [{ name: `${NAMES[key]} (${String(result.cells)} cells, ${perCell})`, summary: summarize([result.cost]) }];
  });
  const head = `${String(cells)} cells on ${String(clusters)} clusters, ${String(concurrency)} at once\n\n`;
  process.stdout.write(json ? `${JSON.stringify(verdicts)}\n` : head + report(rows, verdicts));
  if (verdicts.some(({ ok }) => !ok)) process.exitCode ??= 1;
}

function judge({ up, unchanged, xargs, previews }: Measured): Verdict[] {
  const verdict = (name: string, ours: Measured["up"], theirs: Measured["up"], target: number): Verdict[] => {
    if (ours === undefined || theirs === undefined) return [];
    const ratio = ours.cost.wall / theirs.cost.wall;
    return [{ name, ratio, target, ok: ratio <= target }];
  };
  return [
    ...verdict("clawfleet up / the same with xargs", up, xargs, TARGETS.overhead),
    ...verdict("nothing changed / previews with xargs", unchanged, previews, TARGETS.unchanged),
  ];
}

/** A fleet's files and its cells. */
interface Cells {
  folder: string;
  cells: readonly FleetCell[];
}

/** The same cells, rolled out in several ways, one after the other. */
class FleetContest {
  readonly measured: Measured = {};

  constructor(
    private readonly fleet: TestFleet,
    private readonly options: Options,
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    const { concurrency, loopCells } = this.options;
    const own = this.writeFleet("t");
    await this.createStacks(own);
    const up = [join(projectRoot, "dist", "cli", "main.js"), "up", "--all", "--folder", own.folder];
    await this.measure("up", own.cells.length, process.execPath, up);
    await this.measure("unchanged", own.cells.length, process.execPath, up);
    this.configure(own);
    await this.shell("previews", idsOf(own), concurrency, `${this.pulumi("preview")} --expect-no-changes`);

    const both = `${this.pulumi("preview", true)} && ${this.pulumi("up --yes --skip-preview", true)}`;
    const xargs = this.writeFleet("x");
    await this.createStacks(xargs);
    this.configure(xargs);
    await this.shell("xargs", idsOf(xargs), concurrency, both);

    const charts = await this.writeCharts(this.writeFleet("h", {}));
    const { helm } = await ensureTools(["helm"], { signal: this.signal });
    const install =
      `'${helm.path}' upgrade --install --wait --timeout 300s --kubeconfig '${mergedKubeconfig(this.fleet.folder)}'` +
      ` --kube-context $(cat '${charts}'/{}/context) --namespace default {} '${charts}'/{}/chart`;
    await this.shell("helm", readdirSync(charts), concurrency, install);

    const loop = this.writeFleet("l", PER_CELL, loopCells);
    await this.createStacks(loop);
    this.configure(loop);
    await this.shell("loop", idsOf(loop), 1, both);
  }

  /** Writes a fleet's files: the cells are tenants whose names begin with a letter, as many on each cluster. */
  private writeFleet(letter: string, inventory: object = PER_CELL, atMost = Infinity): Cells {
    const { clusters, concurrency } = this.options;
    const cells = Math.min(this.options.cells, atMost);
    const folder = join(this.fleet.folder, `fleet-${letter}`);
    const ids = this.fleet.clusters.map((cluster) => cluster.name);
    const tenants = Array.from({ length: Math.ceil(cells / clusters) }, (_, index) => `${letter}${String(index)}`);
    const placed = ids.map((id, index) => {
      const count = Math.floor(cells / clusters) + (index < cells % clusters ? 1 : 0);
      return { environment: "dev", clusters: [id], tenants: tenants.slice(0, count) };
    });
    const files: Record<string, object> = {
      "fleet.yaml": {
        clusters: ids.map((id) => ({ id, region: "local", embedded: true })),
        tenants: tenants.map((id) => ({ id })),
        cells: placed.filter((each) => each.tenants.length > 0),
        strategies: { default: { waves: [{ name: "all", selector: {}, maxConcurrency: concurrency }] } },
        ...inventory,
      },
      "overlays/base.yaml": {},
    };
    for (const [file, value] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), stringify(value));
    }
    return { folder, cells: readFleet(folder).cells };
  }

  /** A cell with a stack of its own gives it its name. */
  private async createStacks(cells: Cells): Promise<void> {
    await eachOf(idsOf(cells), this.options.concurrency, async (stack) => {
      this.signal.throwIfAborted();
      await createStack(this.fleet.pulumi, stack);
    });
  }

  /** Writes the stacks' config files, for plain Pulumi. */
  private configure({ folder, cells }: Cells): void {
    for (const { id } of cells) {
      const config = { "clawfleet:folder": folder, "clawfleet:cells": [id] };
      writeFileSync(this.fleet.configFile(id), withSalt(this.fleet.pulumi.layout, id, stringify({ config })));
    }
  }

  /** A command of Pulumi in a shell, on the stack `{}`. */
  private pulumi(command: string, policy = false): string {
    const { fleet } = this;
    const pack = policy ? policyArgs(Environment.Dev).map((arg) => `'${arg}'`) : [];
    const file = fleet.configFile("{}");
    return [`'${fleet.pulumi.cli}' ${command} --stack {} --config-file '${file}' --non-interactive`, ...pack].join(" ");
  }

  /** Runs a script for each cell, whose id is in the place of `{}`. */
  private shell(name: Contestant, ids: readonly string[], concurrency: number, script: string): Promise<void> {
    const { folder } = this.fleet;
    const file = join(folder, `${name}-cells`);
    writeFileSync(file, `${ids.join("\n")}\n`);
    const log = `'${folder}/${name}-{}.log'`;
    const each = `{ ${script}; } > ${log} 2>&1 || { tail -n 40 ${log}; exit 1; }`;
    const args = ["-a", file, "-P", String(concurrency), "-I", "{}", "sh", "-c", each];
    return this.measure(name, ids.length, "xargs", args);
  }

  /** Writes a chart of each cell, with the objects that Pulumi would make. */
  private async writeCharts({ folder, cells }: Cells): Promise<string> {
    process.env.CLAWFLEET_STATE = this.fleet.folder; // where the program looks for local clusters
    const objects = await render("dev", undefined, { folder });
    const charts = join(this.fleet.folder, "charts");
    for (const { id, cluster } of cells) {
      mkdirSync(join(charts, id), { recursive: true });
      const own = objects.filter(({ cell }) => cell === id).map(({ manifest }) => manifest);
      writePackages(join(charts, id), own, new Map());
      writeFileSync(join(charts, id, "context"), cluster.id);
    }
    return charts;
  }

  private async measure(name: Contestant, cells: number, program: string, args: readonly string[]): Promise<void> {
    process.stderr.write(`${new Date().toISOString()} ${NAMES[name]}: ${String(cells)} cells ...\n`);
    const { env } = this.fleet.pulumi;
    const cost = await measure({ program, args, cwd: projectRoot, env, timeoutSeconds: TIMEOUT_SECONDS }, this.signal);
    this.measured[name] = { cost, cells };
    process.stderr.write(`${new Date().toISOString()} ${NAMES[name]}: ${cost.wall.toFixed(1)} s\n`);
  }
}

function idsOf({ cells }: Cells): string[] {
  return cells.map(({ id }) => id);
}

function whole(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("use a whole number from 1 up.");
  return number;
}

main().catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof FleetError ? error.message : String(error)}\n`);
  process.exitCode ??= 1;
});
