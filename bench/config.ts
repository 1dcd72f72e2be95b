import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { projectRoot } from "../cli/workspace";
import { cellsOf } from "../stacks/config";
import { table } from "./report";

const CLUSTERS = 50;
const TENANTS = 20;
const TARGETS = { seconds: 2, mebibytes: 300, startMilliseconds: 250 };
const STARTS = 11;

/** Times 1,000 cells in a process of its own, and the start of `clawfleet config show`. Ends with 1 when a target is missed. */
function main(): void {
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-bench-"));
  try {
    writeFleet(folder);
    const child = spawnSync(process.execPath, [__filename, folder], { encoding: "utf8" });
    if (child.status !== 0) throw new Error(child.stderr);
    const { cells, seconds, processor, mebibytes } = JSON.parse(child.stdout) as ReturnType<typeof load>;
    const show = [join(projectRoot, "dist", "cli", "main.js"), "config", "show", "dev-eu"];
    const starts = Array.from({ length: STARTS }, () => [milliseconds(show), milliseconds(["-e", "0"])] as const);
    const [start, node] = [0, 1].map((index) => Math.min(...starts.map((pair) => pair[index] ?? 0))) as [
      number,
      number,
    ];
    const rows = [
      row(`${String(cells)} cells: load, merge, validate`, seconds, TARGETS.seconds, "s", 2),
      row(`${String(cells)} cells: memory of the process`, mebibytes, TARGETS.mebibytes, "MiB", 0),
      row("config show: start to end, best of 11", start, TARGETS.startMilliseconds, "ms", 0),
    ];
    process.stdout.write(`${table(["", "measured", "target", ""], rows).join("\n")}\n`);
    // On a machine with other work, the walls above say little without these.
    process.stdout.write(
      `the cells took ${processor.toFixed(2)} s of processor time; node itself starts in ${node.toFixed(0)} ms here\n`,
    );
    if (rows.some((cells) => cells.at(-1) === "miss")) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(name: string, value: number, target: number, unit: string, digits: number): string[] {
  return [name, `${value.toFixed(digits)} ${unit}`, `<= ${String(target)} ${unit}`, value <= target ? "ok" : "miss"];
}

function milliseconds(args: string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return performance.now() - start;
}

/** What the child does. Its memory is what the kernel saw at most. */
function load(folder: string): { cells: number; seconds: number; processor: number; mebibytes: number } {
  const start = performance.now();
  const before = process.cpuUsage();
  const cells = cellsOf("prod", {}, folder).length;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { cells, seconds, processor: (user + system) / 1e6, mebibytes: process.resourceUsage().maxRSS / 1024 };
}

/** A fleet in which every layer says something, for every cell. */
function writeFleet(folder: string): void {
  const write = (name: string, value: object) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), stringify(value));
  };
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));
  const model = { model: "openai/gpt-4o", apiBase: "https://models.example.com/v1" };
  write("fleet.yaml", {
    clusters: numbers(CLUSTERS).map((n) => ({
      id: `cluster-${n}`,
      region: `region-${String(Number(n) % 5)}`,
      context: n,
    })),
    tenants: numbers(TENANTS).map((n) => ({ id: `tenant-${n}`, labels: { plan: "business" } })),
    cells: [
      {
        environment: "prod",
        clusters: numbers(CLUSTERS).map((n) => `cluster-${n}`),
        tenants: { matchLabels: { plan: "business" } },
      },
    ],
  });
  write("overlays/base.yaml", {
    gateway: { openclaw: { models: { primary: "litellm/chat" } }, resources: { requestsCpu: "1", limitsCpu: "2" } },
    modelProxy: { models: Object.fromEntries(numbers(20).map((n) => [`model-${n}`, model])) },
    browser: {},
    search: { embeddingModel: "model-1" },
    messaging: {},
    telemetry: {},
  });
  write("overlays/environment/prod.yaml", {
    retain: true,
    externalSecrets: { store: "prod" },
    dnsFilter: { replicas: 3 },
  });
  for (const n of numbers(5))
    write(`overlays/region/region-${n}.yaml`, { scheduling: { nodeSelector: { region: n } } });
  for (const n of numbers(TENANTS))
    write(`overlays/tenant/tenant-${n}.yaml`, {
      entry: { host: `t${n}.example.com` },
      tenancy: { appTeamGroups: [`group-${n}`], quota: { pods: 50 } },
      modelProxy: { agents: { main: { rpm: 60 } } },
    });
  for (const n of numbers(CLUSTERS))
    write(`overlays/cluster/cluster-${n}.yaml`, {
      entry: { ingress: { preset: "alb-internal" }, proxy: { cidrs: ["10.0.0.0/20"] } },
      gateway: { egress: numbers(10).map((m) => ({ cidr: `203.0.113.${m}/32`, ports: [443] })) },
    });
}

const [folder] = process.argv.slice(2);
if (folder === undefined) main();
else process.stdout.write(JSON.stringify(load(folder)));
