import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { SAVE_AT_END } from "../cli/saved-at-end";
import { projectRoot } from "../cli/workspace";
import { mergedKubeconfig } from "../engine/clusters/index";
import { ensureTools } from "../engine/toolchain/index";
import { mergeSettings, type YamlMap } from "../stacks/fleet/merge";
import { readYaml } from "../stacks/fleet/yaml-file";
import { render, type Manifest } from "../stacks/render";
import type { FleetOfOneStack, TestFleet } from "../test/support/fleet";
import { writePackages, type Packages, type SecretData } from "./chart";
import { measure } from "./measure";
import { inSequence, type Cost } from "./statistics";

/** What is measured; one round measures each of them once. */
export const contestants = [
  "upOne",
  "upTwo",
  "upOneStepByStep",
  "previewOne",
  "previewTwo",
  "upFlat",
  "previewFlat",
  "previewEmpty",
  "kubectl",
  "helm",
] as const;
export type Contestant = (typeof contestants)[number];

/** The costs of one round. */
export type Round = Record<Contestant, Cost>;

const WAIT = "120s";
const WARM_UP = "warm-up";
/** What every object of a cell is labelled with. */
const PARTS = "app.kubernetes.io/part-of=agent-stack";

/** Brings the same cell up by Pulumi, kubectl and helm, again and again on the same two clusters. */
export class Contest {
  private constructor(
    private readonly fleet: TestFleet,
    private readonly helm: string,
    private readonly projects: { empty: string; flat: string },
    /** The objects of one cell, of the stack WARM_UP. */
    private readonly manifests: readonly Manifest[],
    private readonly secrets: SecretData,
    /** Kubernetes objects that one cell and two cells register. */
    readonly objects: { one: number; two: number },
    private readonly signal: AbortSignal,
  ) {}

  /** Prepares what is not to be measured, and warms up what reads files or compiles on its first run. */
  static async prepare(fleet: TestFleet, signal: AbortSignal): Promise<Contest> {
    const { helm } = await ensureTools(["helm"], { signal });
    const [first] = clusterNames(fleet);
    const empty = project(fleet, "empty", "");
    for (const args of [
      ["stack", "init", "empty"],
      ["up", "--yes", "--skip-preview", "--stack", "empty"],
    ])
      await runIn(fleet, empty, args);
    const warmUpTwo = `${WARM_UP}-two`;
    await fleet.configure(WARM_UP, stackConfig(WARM_UP, [first]));
    await fleet.configure(warmUpTwo, stackConfig(warmUpTwo, clusterNames(fleet)));
    await fleet.up(WARM_UP);
    const one = registeredObjects(fleet, WARM_UP);
    const secrets = await secretData(fleet, first);
    await destroy(fleet, WARM_UP);
    await fleet.up(warmUpTwo);
    const two = registeredObjects(fleet, warmUpTwo);
    await destroy(fleet, warmUpTwo);
    process.env.CLAWFLEET_STATE = fleet.folder; // where the program looks for local clusters
    const rendered = await render(WARM_UP, fleet.configFile(WARM_UP));
    const manifests = rendered.map(({ manifest }) => manifest);
    const flat = project(fleet, "flat", flatProgram(mergedKubeconfig(fleet.folder)));
    return new Contest(fleet, helm.path, { empty, flat }, manifests, secrets, { one, two }, signal);
  }

  /** Measures each once, one after the other, so that a slower or busier machine is so for all. */
  async round(id: string): Promise<Round> {
    const [first] = clusterNames(this.fleet);
    const one = await this.#pulumi(`one-${id}`, [first], SAVE_AT_END);
    const helm = await this.#helmInstall(`helm-${id}`, first);
    const two = await this.#pulumi(`two-${id}`, clusterNames(this.fleet), SAVE_AT_END);
    const oneStepByStep = await this.#pulumi(`one-by-step-${id}`, [first]);
    const kubectl = await this.#kubectlApply(`kubectl-${id}`, first);
    const flat = await this.#flat(`flat-${id}`, first);
    const previewEmpty = await this.#previewEmpty();
    return {
      upOne: one.up,
      previewOne: one.preview,
      upTwo: two.up,
      previewTwo: two.preview,
      upOneStepByStep: oneStepByStep.up,
      upFlat: flat.up,
      previewFlat: flat.preview,
      previewEmpty,
      kubectl,
      helm,
    };
  }

  #previewEmpty(): Promise<Cost> {
    const args = ["preview", "--expect-no-changes", "--stack", "empty", "--non-interactive"];
    return this.#measure(this.fleet.pulumi.cli, args, this.projects.empty);
  }

  /** A new stack, and a preview of what is up. */
  async #pulumi(
    stack: string,
    clusters: string[],
    upEnv: NodeJS.ProcessEnv = {},
  ): Promise<{ up: Cost; preview: Cost }> {
    const { fleet } = this;
    await fleet.configure(stack, stackConfig(stack, clusters));
    const run = (args: string[], env?: NodeJS.ProcessEnv) =>
      this.#measure(fleet.pulumi.cli, fleet.onStack(stack, args), projectRoot, env);
    const up = await run(["up", "--yes", "--skip-preview"], upEnv);
    const preview = await run(["preview", "--expect-no-changes"]);
    await destroy(fleet, stack);
    return { up, preview };
  }

  /** The flat program in a new stack, whose objects then go with their Namespaces. */
  async #flat(stack: string, cluster: string): Promise<{ up: Cost; preview: Cost }> {
    const folder = this.projects.flat;
    const { objects } = this.#packages(stack, cluster);
    await runIn(this.fleet, folder, ["stack", "init", stack]);
    const run = (...args: string[]) =>
      this.#measure(this.fleet.pulumi.cli, [...args, "--stack", stack, "--non-interactive"], folder, {
        ...SAVE_AT_END,
        FLAT_CONTEXT: cluster,
        FLAT_OBJECTS: objects,
      });
    const up = await run("up", "--yes", "--skip-preview");
    const preview = await run("preview", "--expect-no-changes");
    await this.#deleteNamespace(stack, cluster);
    return { up, preview };
  }

  async #kubectlApply(name: string, cluster: string): Promise<Cost> {
    const { manifest } = this.#packages(name, cluster);
    const namespace = namespaceOf(name, cluster);
    const run = (...args: string[]) => this.#measure("kubectl", [...this.#cluster(cluster), ...args], projectRoot);
    const cost = inSequence([
      await run("apply", "--server-side", "--filename", manifest),
      await run(
        "rollout",
        "status",
        "--namespace",
        namespace,
        "deployment,statefulset",
        "--selector",
        PARTS,
        "--timeout",
        WAIT,
      ),
      await run(
        "wait",
        "--namespace",
        namespace,
        "--for=jsonpath={.status.phase}=Bound",
        "pvc",
        "--all",
        "--timeout",
        WAIT,
      ),
    ]);
    await this.#deleteNamespace(name, cluster);
    return cost;
  }

  async #helmInstall(name: string, cluster: string): Promise<Cost> {
    const { chart } = this.#packages(name, cluster);
    const { kubeconfig, context } = this.#clusterFlags(cluster);
    // The release is not in the cell's Namespace, which is one of the objects here as it is with kubectl.
    const options = ["--kubeconfig", kubeconfig, "--kube-context", context, "--namespace", "default"];
    const install = ["install", "cell", chart, "--wait", "--timeout", WAIT, ...options];
    const cost = await this.#measure(this.helm, install, projectRoot);
    await this.#measure(this.helm, ["uninstall", "cell", ...options], projectRoot);
    await this.#deleteNamespace(name, cluster);
    return cost;
  }

  /** The same objects in a namespace of their own. */
  #packages(name: string, cluster: string): Packages {
    const objects = JSON.stringify(this.manifests).replaceAll(
      namespaceOf(WARM_UP, cluster),
      namespaceOf(name, cluster),
    );
    return writePackages(join(this.fleet.folder, name), JSON.parse(objects) as Manifest[], this.secrets);
  }

  async #deleteNamespace(name: string, cluster: string): Promise<void> {
    const namespace = namespaceOf(name, cluster);
    await this.fleet.kubectl(cluster, "delete", "namespace", namespace, "--ignore-not-found", "--wait");
  }

  #clusterFlags(cluster: string): { kubeconfig: string; context: string } {
    return { kubeconfig: mergedKubeconfig(this.fleet.folder), context: cluster };
  }

  #cluster(cluster: string): string[] {
    const { kubeconfig, context } = this.#clusterFlags(cluster);
    return ["--kubeconfig", kubeconfig, "--context", context];
  }

  #measure(program: string, args: readonly string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<Cost> {
    return measure({ program, args, cwd, env: { ...this.fleet.pulumi.env, ...env } }, this.signal);
  }
}

/** Removes a stack's objects, which is not measured and need not survive a crash. */
async function destroy(fleet: TestFleet, stack: string): Promise<void> {
  const { code, output } = await fleet.run(stack, ["destroy", "--yes", "--skip-preview"], SAVE_AT_END);
  if (code !== 0) throw new Error(`pulumi destroy ended with ${String(code)}:\n${output}`);
}

/**
 * The objects of FLAT_OBJECTS on the cluster that FLAT_CONTEXT names, registered one by one, without a component, a secret or a check:
 * what of a cell's cost is the engine's and the provider's alone.
 */
function flatProgram(kubeconfig: string): string {
  return `
const { CustomResource } = require("@pulumi/pulumi");
const { Provider } = require("@pulumi/kubernetes/provider");
const context = process.env.FLAT_CONTEXT;
const provider = new Provider(context, { kubeconfig: ${JSON.stringify(kubeconfig)}, context, clusterIdentifier: context });
let dependsOn = []; // everything else is in the Namespace, which is the first
for (const object of require(process.env.FLAT_OBJECTS)) {
  const name = [object.kind, object.metadata.name].join("-");
  const group = object.apiVersion === "v1" ? "core/v1" : object.apiVersion;
  const resource = new CustomResource(\`kubernetes:\${group}:\${object.kind}\`, name, object, { provider, dependsOn });
  if (object.kind === "Namespace") dependsOn = [resource];
}
`;
}

/** A project like ours with a program of its own. */
function project(fleet: TestFleet, name: string, program: string): string {
  const folder = join(fleet.folder, name);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "Pulumi.yaml"),
    stringify({ name, runtime: { name: "nodejs", options: { typescript: false } }, main: "index.js" }),
  );
  writeFileSync(join(folder, "index.js"), program);
  symlinkSync(join(projectRoot, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Runs Pulumi in a project's folder, which is not measured. */
async function runIn({ pulumi }: TestFleet, cwd: string, args: string[]): Promise<void> {
  await measure({ program: pulumi.cli, args: [...args, "--non-interactive"], cwd, env: pulumi.env });
}

function clusterNames(fleet: TestFleet): [string, ...string[]] {
  return fleet.clusters.map(({ name }) => name) as [string, ...string[]];
}

/** The dev stack's settings, every part on. */
const CELL = mergeSettings(
  ["base", "environment/dev"].map((name) => {
    const { value } = readYaml(join(projectRoot, "stacks", "overlays", `${name}.yaml`));
    return { name, settings: value as YamlMap };
  }),
);

/**
 * A namespace of its own for everything that is brought up: for half a minute after one was deleted, an API server reads the
 * namespace of every object that is created from etcd (NamespaceLifecycle), which took it half as much time again.
 */
function namespaceOf(name: string, cluster: string): string {
  return `${cluster}-${name}`;
}

/** The cell of the dev stack that has an Ingress, on each of some local clusters. */
function stackConfig(stack: string, clusters: string[]): FleetOfOneStack {
  return {
    environment: "dev",
    clusters: clusters.map((id) => ({
      id,
      region: "local",
      embedded: true,
      cell: { namespace: namespaceOf(stack, id), entry: { host: `${id}.example.com`, ingress: {} } },
    })),
    cell: CELL,
  };
}

function registeredObjects(fleet: TestFleet, stack: string): number {
  const { checkpoint } = JSON.parse(fleet.state(stack)) as {
    checkpoint: { latest: { resources: { type: string }[] } };
  };
  return checkpoint.latest.resources.filter(({ type }) => type.startsWith("kubernetes:")).length;
}

async function secretData(fleet: TestFleet, cluster: string): Promise<SecretData> {
  const secrets = await fleet.objects(cluster, namespaceOf(WARM_UP, cluster), "secrets");
  return new Map([...secrets.values()].map(({ metadata, data = {} }) => [metadata.name, data]));
}
