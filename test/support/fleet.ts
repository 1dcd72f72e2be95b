import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { ensureStack, openPulumi, type LocalPulumi } from "../../cli/pulumi";
import { SAVE_AT_END } from "../../cli/saved-at-end";
import { projectRoot } from "../../cli/workspace";
import { accessOf } from "../../engine/clusters/cluster";
import type { AdminAccess } from "../../engine/clusters/credentials";
import { ClusterFolder } from "../../engine/clusters/state";
import { mergedKubeconfig, startClusters, stopClusters, type Cluster } from "../../engine/clusters";
import { clusterPrograms } from "./tools";

const execute = promisify(execFile);

/** How a Pulumi command ended, with everything that it printed. */
export interface Outcome {
  code: number;
  output: string;
}

/** A Kubernetes object, as far as the tests look. */
export interface KubernetesObject {
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    ownerReferences?: { kind: string; name: string }[];
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  data?: Record<string, string>;
}

/** A step of a preview: what happens to a resource. */
export interface Step {
  op: string;
  urn: string;
  /** What the resource is so far. */
  oldState?: { inputs: Record<string, unknown> };
}

/** What a stack of a test consists of: a cell on each of its clusters, none of them for a tenant. */
export interface FleetOfOneStack {
  environment: string;
  clusters: { id: string; cell?: object; [key: string]: unknown }[];
  /** Settings of every cell. */
  cell?: object;
  /** Further config, by its full key. */
  [key: `${string}:${string}`]: unknown;
}

/** Local clusters with a real Pulumi, in a folder of their own, for one test file. */
export class TestFleet {
  /** Everything that Pulumi printed, for the canary. */
  readonly transcript: string[] = [];

  private constructor(
    readonly folder: string,
    readonly clusters: Cluster[],
    readonly pulumi: LocalPulumi,
  ) {}

  static async start(names: string[], signal?: AbortSignal): Promise<TestFleet> {
    const folder = mkdtempSync(join(tmpdir(), "clawfleet-engine-"));
    const log = (line: string): void => void process.stderr.write(`    ${line}\n`);
    // A backend of the developer's own is none of the tests' business.
    const env = { ...process.env, CLAWFLEET_STATE: folder, PULUMI_BACKEND_URL: "" };
    try {
      const pulumi = await openPulumi(env);
      const clusters = await startClusters(names, { stateDir: folder, binaries: await clusterPrograms(), log, signal });
      return new TestFleet(folder, clusters, pulumi);
    } catch (error) {
      await stopClusters(folder);
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async stop(): Promise<void> {
    await stopClusters(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Has Pulumi save the state at the end of each command, as `make up` does. Not for a test that kills Pulumi. */
  saveAtEnd(): void {
    Object.assign(this.pulumi.env, SAVE_AT_END);
  }

  /** Writes a fleet of a stack's own, and its config file with the salt that Pulumi needs, and creates the stack. */
  async configure(stack: string, { environment, clusters, cell = {}, ...config }: FleetOfOneStack): Promise<void> {
    await ensureStack(this.pulumi, stack);
    const folder = join(this.folder, "fleets", stack);
    mkdirSync(join(folder, "overlays", "cluster"), { recursive: true });
    const write = (file: string, value: unknown) => {
      writeFileSync(join(folder, file), stringify(value));
    };
    write("fleet.yaml", {
      clusters: clusters.map((cluster) => ({ ...cluster, cell: undefined })),
      cells: [{ environment, clusters: clusters.map(({ id }) => id) }],
    });
    write("overlays/base.yaml", cell);
    for (const cluster of clusters) write(`overlays/cluster/${cluster.id}.yaml`, cluster.cell ?? {});
    const values = { ...config, "clawfleet:folder": folder, "clawfleet:cells": clusters.map(({ id }) => id) };
    const salt = readFileSync(join(this.folder, "stacks", `${stack}.salt`), "utf8");
    writeFileSync(this.configFile(stack), `${salt}${stringify({ config: values })}`);
  }

  /** The config file of a stack of the tests. */
  configFile(stack: string): string {
    return join(this.folder, `Pulumi.${stack}.yaml`);
  }

  /** A command's arguments with those that make it work on a stack. */
  onStack(stack: string, args: string[]): string[] {
    const withConfig = /^(up|preview|refresh|destroy|config)$/.test(args[0] ?? "")
      ? ["--config-file", this.configFile(stack)]
      : [];
    return [...args, "--stack", stack, ...withConfig, "--non-interactive"];
  }

  /** Runs Pulumi on a stack. */
  async run(stack: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const outcome = await execute(this.pulumi.cli, this.onStack(stack, args), {
      cwd: projectRoot,
      env: { ...this.pulumi.env, ...env },
      maxBuffer: 64 * 2 ** 20,
      timeout: 300_000,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      (error: { code?: number; stdout?: string; stderr?: string }) => ({
        code: error.code ?? 1,
        output: `${error.stdout ?? ""}${error.stderr ?? ""}`,
      }),
    );
    this.transcript.push(outcome.output);
    return outcome;
  }

  /** Runs Pulumi and expects it to succeed. */
  async must(stack: string, args: string[]): Promise<string> {
    const { code, output } = await this.run(stack, args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${String(code)}:\n${output}`);
    return output;
  }

  up(stack: string): Promise<string> {
    return this.must(stack, ["up", "--yes", "--skip-preview"]);
  }

  /** What a preview would do to resources (components have no life of their own): every step but `same`. */
  async steps(stack: string): Promise<Step[]> {
    const output = await this.must(stack, ["preview", "--json"]);
    const { steps } = JSON.parse(output.slice(output.indexOf("{"))) as { steps?: Step[] };
    return (steps ?? []).filter(({ op, urn }) => op !== "same" && !/[:$]clawfleet:index:[A-Za-z]+::[^:]*$/.test(urn));
  }

  /** The same as `OP TYPE NAME`, sorted. */
  async plan(stack: string): Promise<string[]> {
    return (await this.steps(stack))
      .map(({ op, urn }) => `${op} ${urn.split("::").slice(-2).join(" ").replace(/^.*\$/, "")}`)
      .sort();
  }

  /** The state as Pulumi keeps it, secrets encrypted. */
  state(stack: string): string {
    return readFileSync(join(this.folder, "backend", ".pulumi", "stacks", "clawfleet", `${stack}.json`), "utf8");
  }

  /** How to reach a cluster's API server as administrator. */
  access(name: string): AdminAccess {
    const cluster = this.clusters.find((candidate) => candidate.name === name);
    const access = cluster && accessOf(new ClusterFolder(this.folder, name), Number(new URL(cluster.server).port));
    if (access === undefined) throw new Error(`the cluster ${name} does not run`);
    return access;
  }

  /** Runs kubectl and returns what it prints. */
  async kubectl(context: string, ...args: string[]): Promise<string> {
    const { stdout } = await execute(
      "kubectl",
      ["--kubeconfig", mergedKubeconfig(this.folder), "--context", context, ...args],
      {
        env: this.pulumi.env,
        maxBuffer: 64 * 2 ** 20,
      },
    );
    return stdout;
  }

  /** Asks the API server, without effect, to create an object; prints what it would store. */
  async dryRun(context: string, namespace: string, manifest: Record<string, unknown>): Promise<string> {
    const file = join(this.folder, "dry-run.json");
    writeFileSync(file, JSON.stringify(manifest));
    return this.kubectl(context, "-n", namespace, "create", "--dry-run=server", "-o", "json", "-f", file);
  }

  /** Every object of some kinds in a namespace, by `kind/name`. */
  async objects(context: string, namespace: string, kinds: string): Promise<Map<string, KubernetesObject>> {
    const { items } = JSON.parse(await this.kubectl(context, "get", kinds, "-n", namespace, "-o", "json")) as {
      items: KubernetesObject[];
    };
    return new Map(items.map((item) => [`${item.kind.toLowerCase()}/${item.metadata.name}`, item]));
  }
}
