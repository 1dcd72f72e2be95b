import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { stringify } from "yaml";
import { policyArgs } from "../cli/local";
import { ensureStack } from "../cli/pulumi";
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
 * write instead: the same pulumi commands in a shell loop, one after the other and with xargs, and helm. Each once: what is
 * measured takes minutes.
 */

interface Options {
  clusters: number;
  cells: number;
  concurrency: number;
  json?: boolean;
}

/** Seconds that one of the measured commands may take. */
const TIMEOUT_SECONDS = 3600;
const TARGETS = { overhead: 1.05, unchanged: 0.2 };
const NAMES = {
  up: "clawfleet up: preview, policies, up, health",
  unchanged: "clawfleet up again, nothing changed",
  loop: "shell loop: preview with policies, up",
  xargs: "xargs: preview with policies, up",
  previews: "xargs: preview",
  helm: "xargs: helm upgrade --install --wait",
};
type Measured = Record<keyof typeof NAMES, Cost>;

async function main(): Promise<void> {
  const options = new Command("bench-fleet")
    .description("Measures rollouts of a whole fleet on local clusters. Ends with 1 when a target is missed.")
    .option("--clusters <n>", "how many local clusters", whole, 4)
    .option("--cells <n>", "how many cells, spread over the clusters as tenants", whole, 50)
    .option("--concurrency <n>", "how many cells at once", whole, cpus().length)
    .option("--json", "print verdicts instead of tables")
    .parse()
    .opts<Options>();
  const interruption = new AbortController();
  process.once("SIGINT", () => {
    interruption.abort(new FleetError({ what: "interrupted" }));
  });
  const names = Array.from({ length: options.clusters }, (_, index) => `bench-${String(index)}`);
  const fleet = await TestFleet.start(names, interruption.signal);
  try {
    const measured = await new FleetContest(fleet, options, interruption.signal).run();
    const verdicts = judge(measured);
    const rows = Object.entries(NAMES).map(([key, name]) => ({
      name,
      summary: summarize([measured[key as keyof Measured]]),
    }));
    const head = `${String(options.cells)} cells on ${String(options.clusters)} clusters, ${String(options.concurrency)} at once\n\n`;
    process.stdout.write(options.json ? `${JSON.stringify(verdicts)}\n` : head + report(rows, verdicts));
    if (verdicts.some(({ ok }) => !ok)) process.exitCode = 1;
  } finally {
    await fleet.stop();
  }
}

function judge({ up, unchanged, xargs, previews }: Measured): Verdict[] {
  const verdict = (name: string, ratio: number, target: number) => ({ name, ratio, target, ok: ratio <= target });
  return [
    verdict("clawfleet up / the same with xargs", up.wall / xargs.wall, TARGETS.overhead),
    verdict("nothing changed / previews with xargs", unchanged.wall / previews.wall, TARGETS.unchanged),
  ];
}

/** The same cells, rolled out in several ways, one after the other. */
class FleetContest {
  private readonly cells: readonly FleetCell[];
  private readonly folder: string;

  constructor(
    private readonly fleet: TestFleet,
    private readonly options: Options,
    private readonly signal: AbortSignal,
  ) {
    this.folder = this.writeFleet("fleet", { environments: [{ id: "dev", stacks: "cell" }] });
    this.cells = readFleet(this.folder).cells;
  }

  async run(): Promise<Measured> {
    const helmFiles = await this.writeCharts();
    const up = await this.clawfleet();
    const unchanged = await this.clawfleet();
    // A cell with a stack of its own gives it its name.
    const stacks = this.cells.map(({ id }) => id);
    for (const id of stacks) this.configure(id, id);
    const previews = await this.shell(
      stacks,
      this.options.concurrency,
      `${this.pulumi("preview")} --expect-no-changes`,
    );
    await this.destroy(stacks);
    const both = `${this.pulumi("preview", true)} && ${this.pulumi("up --yes --skip-preview", true)}`;
    const loop = await this.inStacks("loop", 1, both);
    const xargs = await this.inStacks("xargs", this.options.concurrency, both);
    const { helm: tool } = await ensureTools(["helm"], { signal: this.signal });
    const helm = await this.shell(
      helmFiles,
      this.options.concurrency,
      `'${tool.path}' upgrade --install --wait --timeout 300s --kubeconfig '${mergedKubeconfig(this.fleet.folder)}'` +
        ` --kube-context $(cat {}/context) --namespace default $(cat {}/name) {}/chart`,
    );
    return { up, unchanged, loop, xargs, previews, helm };
  }

  /** The fleet's files: the cells are tenants, as many on each cluster. */
  private writeFleet(name: string, inventory: object): string {
    const { clusters, cells } = this.options;
    const folder = join(this.fleet.folder, name);
    const ids = this.fleet.clusters.map((cluster) => cluster.name);
    const tenants = Array.from({ length: Math.ceil(cells / clusters) }, (_, index) => `t${String(index)}`);
    const placed = ids.map((id, index) => {
      const count = Math.floor(cells / clusters) + (index < cells % clusters ? 1 : 0);
      return { environment: "dev", clusters: [id], tenants: tenants.slice(0, count) };
    });
    const files: Record<string, object> = {
      "fleet.yaml": {
        clusters: ids.map((id) => ({ id, region: "local", embedded: true })),
        tenants: tenants.map((id) => ({ id })),
        cells: placed.filter((each) => each.tenants.length > 0),
        strategies: {
          default: {
            waves: [{ name: "all", selector: {}, maxConcurrency: this.options.concurrency }],
          },
        },
        ...inventory,
      },
      "overlays/base.yaml": {},
    };
    for (const [file, value] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), stringify(value));
    }
    return folder;
  }

  private clawfleet(): Promise<Cost> {
    const cli = join(projectRoot, "dist", "cli", "main.js");
    return this.measure(process.execPath, [cli, "up", "--all", "--folder", this.folder]);
  }

  /** The same in stacks of their own, from nothing; removed afterwards. */
  private async inStacks(prefix: string, concurrency: number, script: string): Promise<Cost> {
    const stacks = this.cells.map(({ id }) => `${prefix}-${id}`);
    for (const [index, { id }] of this.cells.entries()) {
      const stack = stacks[index] ?? "";
      await ensureStack(this.fleet.pulumi, stack);
      this.configure(stack, id);
    }
    const cost = await this.shell(stacks, concurrency, script);
    await this.destroy(stacks);
    return cost;
  }

  private configure(stack: string, cell: string): void {
    const config = { "clawfleet:folder": this.folder, "clawfleet:cells": [cell] };
    const text = withSalt(this.fleet.pulumi.layout, stack, stringify({ config }));
    writeFileSync(this.fleet.configFile(stack), text);
  }

  /** A command of Pulumi in a shell, on the stack `{}`. */
  private pulumi(command: string, policy = false): string {
    const { fleet } = this;
    const pack = policy ? policyArgs(Environment.Dev).map((arg) => `'${arg}'`) : [];
    const file = fleet.configFile("{}");
    return [`'${fleet.pulumi.cli}' ${command} --stack {} --config-file '${file}' --non-interactive`, ...pack].join(" ");
  }

  private async destroy(stacks: readonly string[]): Promise<void> {
    const script = `PULUMI_SKIP_CHECKPOINTS=true ${this.pulumi("destroy --yes --skip-preview")}`;
    await this.shell(stacks, this.options.concurrency, script);
  }

  /** Runs a script for each word, in the place of `{}`. */
  private shell(words: readonly string[], concurrency: number, script: string): Promise<Cost> {
    const file = join(this.fleet.folder, "words");
    writeFileSync(file, `${words.join("\n")}\n`);
    const each = `{ ${script}; } > '${this.fleet.folder}/xargs-{}.log' 2>&1 || { tail -n 40 '${this.fleet.folder}/xargs-{}.log'; exit 1; }`;
    const quiet = words.some((word) => word.includes("/")) ? `{ ${script}; } > /dev/null` : each;
    return this.measure("xargs", ["-a", file, "-P", String(concurrency), "-I", "{}", "sh", "-c", quiet]);
  }

  /** A chart of each cell, with the objects that Pulumi would make. */
  private async writeCharts(): Promise<string[]> {
    const together = this.writeFleet("rendered", {});
    process.env.CLAWFLEET_STATE = this.fleet.folder; // where the program looks for local clusters
    const objects = await render("dev", undefined, { folder: together });
    return this.cells.map(({ id, cluster }) => {
      const folder = join(this.fleet.folder, "charts", id);
      mkdirSync(folder, { recursive: true });
      const own = objects.filter(({ cell }) => cell === id).map(({ manifest }) => manifest);
      writePackages(folder, own, new Map());
      writeFileSync(join(folder, "context"), cluster.id);
      writeFileSync(join(folder, "name"), id);
      return folder;
    });
  }

  private async measure(program: string, args: readonly string[]): Promise<Cost> {
    const started = Date.now();
    const { env } = this.fleet.pulumi;
    const cost = await measure({ program, args, cwd: projectRoot, env, timeoutSeconds: TIMEOUT_SECONDS }, this.signal);
    process.stderr.write(
      `${String(Math.round((Date.now() - started) / 1000))} s: ${program} ${args.slice(0, 3).join(" ")}\n`,
    );
    return cost;
  }
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
