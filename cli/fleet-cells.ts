import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Conflict, FleetError, NotFound } from "../components/errors";
import { locateCluster, openCluster, type ClusterAddress, type ClusterConnection } from "../stacks/cluster-connection";
import type { Cluster, FleetCell } from "../stacks/fleet/inventory";
import { selectCells } from "../stacks/fleet/selector";
import { localCluster } from "../stacks/local-clusters";
import { eachOf } from "./each-of";
import { FleetFiles } from "./fleet-files";
import type { StackCell } from "./local";
import { openPulumi, stackArgs, type LocalPulumi } from "./pulumi";
import { projectRoot, usesLocalBackend } from "./workspace";

/** Stacks that are worked on at once: each is a process of Pulumi. */
const AT_ONCE = 4;

/** How a command of Pulumi ended. */
export interface PulumiResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The cells of a fleet with their stacks and clusters, for the commands that look after them. */
export class FleetCells {
  private constructor(
    readonly files: FleetFiles,
    readonly pulumi: LocalPulumi,
    private readonly signal: AbortSignal,
  ) {}

  /** @param folder the folder of fleet.yaml; by default the one in use. */
  static async open(folder: string | undefined, signal: AbortSignal): Promise<FleetCells> {
    return new FleetCells(new FleetFiles(folder), await openPulumi(), signal);
  }

  /** The cells that a selector means; all without one. */
  select(selector: string | undefined): FleetCell[] {
    const { cells } = this.files.fleet;
    return selector === undefined ? cells : selectCells(cells, selector);
  }

  /**
   * The stack of a cell.
   * @throws NotFound for a cell that is in none.
   */
  stackOf(cell: FleetCell): string {
    const stack = this.files.stackOf(cell);
    if (stack !== undefined) return stack;
    throw new NotFound({
      what: `the cell ${cell.id} is in no stack`,
      where: "fleet.yaml",
      fix: "list it below clawfleet:cells of one",
    });
  }

  /** The names of the stacks that exist in the backend. */
  async existingStacks(): Promise<Set<string>> {
    const stdout = await this.must(["stack", "ls", "--json"]);
    return new Set((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name.split("/").at(-1) ?? name));
  }

  /** What a stack tells of its cells. */
  async outputs(stack: string): Promise<Record<string, StackCell>> {
    const stdout = await this.must(["stack", "output", "--json", "--stack", stack]);
    return (JSON.parse(stdout) as { cells?: Record<string, StackCell> }).cells ?? {};
  }

  /** The arguments that make a command that needs the stack's config work on it. */
  stackArgs(stack: string): string[] {
    const args = stackArgs(this.pulumi, stack);
    const own = join(this.files.folder, `Pulumi.${stack}.yaml`);
    const needsOwn = !usesLocalBackend(this.pulumi.env) && existsSync(own);
    return needsOwn ? [...args, "--config-file", own] : args;
  }

  /** Where a cluster is. */
  address(cluster: Cluster): { address: ClusterAddress; uid: string | undefined } {
    if (cluster.embedded !== true) return { address: locateCluster(cluster, this.files.folder), uid: cluster.uid };
    const local = localCluster(cluster.id, this.pulumi.layout.folder);
    return { address: local, uid: local.uid };
  }

  /**
   * Opens a cluster for reading, when it answers and is the one that is meant.
   * @throws Conflict for another cluster; NotFound, AuthExpired, Unreachable or Timeout.
   */
  async reader(cluster: Cluster): Promise<ClusterConnection> {
    const { address, uid } = this.address(cluster);
    const reader = await openCluster(address, cluster.id);
    const system = (await reader.get("/api/v1/namespaces/kube-system")) as { metadata: { uid: string } } | undefined;
    if (uid !== undefined && system?.metadata.uid !== uid)
      throw new Conflict({
        what: `this is another cluster: its kube-system namespace has not the UID ${uid}`,
        where: `cluster ${cluster.id}`,
        fix: "point context at the right cluster, or correct the uid in fleet.yaml",
      });
    return reader;
  }

  /** Runs Pulumi and keeps what it prints. An interruption is passed on, so that it can finish what it is at. */
  async run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<PulumiResult> {
    this.signal.throwIfAborted();
    const child = spawn(this.pulumi.cli, [...args, "--non-interactive"], {
      cwd: projectRoot,
      env: { ...this.pulumi.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A terminal sends Ctrl-C to its whole process group, and a second one would make Pulumi stop at once.
      detached: true,
    });
    const interrupt = () => void child.kill("SIGINT");
    this.signal.addEventListener("abort", interrupt, { once: true });
    try {
      const [stdout, stderr, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "close") as Promise<[number | null]>,
      ]);
      this.signal.throwIfAborted();
      return { code: code ?? 1, stdout, stderr };
    } finally {
      this.signal.removeEventListener("abort", interrupt);
    }
  }

  /**
   * Runs Pulumi and expects it to succeed.
   * @throws FleetError with what it said.
   */
  async must(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, env);
    if (code === 0) return stdout;
    throw new FleetError({
      what: `pulumi ${args.slice(0, 2).join(" ")} ended with ${String(code)}: ${lastLines(`${stdout}\n${stderr}`)}`,
      fix: "correct the cause and run the command again",
    });
  }

  /** Does something for each of many, several at once; the results are in their order. */
  each<I, T>(items: readonly I[], work: (item: I) => Promise<T>): Promise<T[]> {
    return eachOf(items, AT_ONCE, (item) => {
      this.signal.throwIfAborted();
      return work(item);
    });
  }
}

/** What a program said last, which is most likely why it ended. */
function lastLines(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const errors = lines.filter((line) => /\berror:/.test(line));
  return (errors.length > 0 ? errors.slice(0, 3) : lines.slice(-3)).map((line) => line.trim()).join("; ");
}
