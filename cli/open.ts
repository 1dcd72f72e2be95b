import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { NotFound, Unreachable, ValidationFailed } from "../components/errors";
import { mergedKubeconfig } from "../engine/clusters";
import { isContent, locateCluster } from "../stacks/cluster-connection";
import { cellById } from "../stacks/fleet/inventory";
import { FleetFiles } from "./fleet-files";
import { stackCells, type StackCell } from "./local";
import { openPulumi, stackArgs, type LocalPulumi } from "./pulumi";

const execute = promisify(execFile);

/** The port that the gateway's own config allows as an origin of port-forwards. */
const LOCAL_PORT = 18789;

export interface OpenOptions {
  /** The stack that has the cell. Default: the one that the fleet's files put it into; without a cell, `dev`. */
  stack?: string;
  /** The folder of fleet.yaml. Default: the one in use. */
  folder?: string;
}

/** Forwards a local port to a cell's gateway and prints the URL that logs in, until it is interrupted. */
export async function open(
  cellId: string | undefined,
  { stack: named, folder }: OpenOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const files = new FleetFiles(folder);
  const stack = named ?? (cellId === undefined ? "dev" : stackOfCell(files, cellId));
  const pulumi = await openPulumi(env);
  const cells = await stackCells(pulumi, stack);
  const [id, cell] = chooseCell(cells, cellId);
  const kubectl = kubectlArgs(pulumi, files, cell);

  const simulated = await simulatedPod(pulumi, kubectl, cell);
  if (simulated !== undefined) {
    throw new ValidationFailed({
      what: `the gateway's Pod ${simulated} runs on a simulated node: no process listens in it, so there is nothing to forward to`,
      where: `cell ${id}`,
      fix: "use a stack whose clusters are real (context instead of embedded) to open the Control UI",
    });
  }
  const token = await gatewayToken(pulumi, stack, id);
  // The token stands in the fragment, which browsers keep to themselves.
  process.stdout.write(
    `${cell.url}\nhttp://127.0.0.1:${String(LOCAL_PORT)}/${token === "" ? "" : `#token=${token}`}\n`,
  );
  if (token === "") process.stdout.write("the token is in a Secret of yours; paste it into the Control UI\n");
  await new Promise<void>((fulfil, reject) => {
    const child = spawn(
      "kubectl",
      [...kubectl, "port-forward", `service/${cell.service}`, `${String(LOCAL_PORT)}:http`],
      {
        stdio: ["ignore", "ignore", "inherit"],
        env: pulumi.env,
      },
    );
    let interrupted = false;
    process.once("SIGINT", () => {
      interrupted = true;
      child.kill("SIGTERM");
    });
    child.on("error", reject).on("close", (code) => {
      if (interrupted || code === 0) fulfil();
      else
        reject(
          new Unreachable({
            what: "the port-forward ended",
            where: `cell ${id}`,
            fix: "see kubectl's message above; is port 18789 free?",
          }),
        );
    });
  });
}

/**
 * The cell to open: the named one, or the only one.
 * @throws NotFound when there is none of that name, or several to choose from.
 */
export function chooseCell(cells: Record<string, StackCell>, cellId: string | undefined): [string, StackCell] {
  const ids = Object.keys(cells);
  const id = cellId ?? (ids.length === 1 ? ids[0] : undefined);
  const cell = id === undefined ? undefined : cells[id];
  if (id === undefined || cell === undefined) {
    throw new NotFound({
      what: id === undefined ? "which cell is meant is not clear" : `no cell ${id}`,
      where: "CELL",
      fix:
        ids.length === 0 ? "bring the stack up first: `make up`" : `name one: make open CELL=${ids.join(" or CELL=")}`,
    });
  }
  return [id, cell];
}

/**
 * The stack that the fleet's files put a cell into.
 * @throws NotFound for a cell that they do not have.
 */
export function stackOfCell(files: FleetFiles, id: string): string {
  const cell = cellById(files.fleet, id);
  return files.stackOf(cell) ?? cell.environment;
}

function kubectlArgs(pulumi: LocalPulumi, files: FleetFiles, cell: StackCell): string[] {
  return ["--kubeconfig", kubeconfigOf(pulumi, files, cell), "--context", cell.context, "-n", cell.namespace];
}

/** A file that kubectl reaches the cell's cluster with, as the inventory says. */
function kubeconfigOf(pulumi: LocalPulumi, { fleet, folder }: FleetFiles, cell: StackCell): string {
  const cluster = fleet.clusters.find(({ id }) => id === cell.cluster);
  if (cluster === undefined || cluster.embedded) return mergedKubeconfig(pulumi.layout.folder);
  const { kubeconfig } = locateCluster(cluster, folder);
  if (!isContent(kubeconfig)) return kubeconfig;
  const file = join(pulumi.layout.folder, `kubeconfig-${cluster.id}.json`);
  writeFileSync(file, kubeconfig, { mode: 0o600 });
  return file;
}

/** The name of the gateway's Pod when its node is one of kwok's. */
async function simulatedPod(pulumi: LocalPulumi, kubectl: string[], cell: StackCell): Promise<string | undefined> {
  const pod = await execute(
    "kubectl",
    [...kubectl, "get", "pod", `${cell.service}-0`, "-o", "jsonpath={.metadata.name} {.spec.nodeName}"],
    { env: pulumi.env },
  );
  const [name = "", node = ""] = pod.stdout.trim().split(" ");
  const annotation = "jsonpath={.metadata.annotations.kwok\\.x-k8s\\.io/node}";
  const { stdout } = await execute("kubectl", [...kubectl, "get", "node", node, "-o", annotation], { env: pulumi.env });
  return stdout === "" ? undefined : name;
}

async function gatewayToken(pulumi: LocalPulumi, stack: string, id: string): Promise<string> {
  const args = [
    "stack",
    "output",
    "tokens",
    "--json",
    "--show-secrets",
    "--non-interactive",
    ...stackArgs(pulumi, stack).slice(0, 2),
  ];
  const { stdout } = await pulumi.run(args, { capture: true });
  return (JSON.parse(stdout) as Record<string, string>)[id] ?? "";
}
