// Its index loads Helm and YAML support as well.
import { Provider } from "@pulumi/kubernetes/provider";
import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as tls from "@pulumi/tls";
import { AgentStack, planAgentStack } from "../components/agent-stack";
import { cellArgs } from "./cell-args";
import { CellResources, cellState, recordedStates, type CellState, type RecordedState } from "./cell-state";
import { locateCluster, openCluster, type ClusterAddress, type ClusterReader } from "./cluster-connection";
import { cellsOf, defaultFolder, type Cell } from "./config";
import { FleetError } from "../components/errors";
import type { Cluster } from "./fleet/inventory";
import { localCluster } from "./local-clusters";
import { PROJECT } from "./project";
import { preflight, type ClusterIdentity } from "./preflight";

/** A cell with the cluster that it goes to. */
interface PlacedCell {
  cell: Cell;
  address: ClusterAddress;
  podCidrs: string[];
  /** Undefined when it goes without the cluster, as both of these. */
  identity?: ClusterIdentity;
  reader?: ClusterReader;
}

const NOTHING_RECORDED: Record<string, RecordedState> = {};

/** What the stack tells of a cell, as its output `cells`. */
interface CellOutput extends CellState {
  cluster: string;
  context: string;
  uid: string | undefined;
  namespace: pulumi.Output<string>;
  service: pulumi.Output<string>;
  url: pulumi.Output<string>;
}

/** A run that only tells what would be asked for: it needs no cluster, and no secret of the stack's. */
export interface Rendering {
  /** The cell to render; undefined for all of the stack's. */
  cell: string | undefined;
  /** The Pod CIDRs of an embedded cluster whose inventory does not say. */
  podCidrs: (cluster: string) => string[];
}

/**
 * The program of every stack: the cells that the inventory puts into it. All clusters are checked before the
 * first object exists, so nothing is written to any when one of them is wrong.
 */
export async function program(rendering?: Rendering): Promise<Record<string, unknown>> {
  const values = readConfig();
  const folder = typeof values.folder === "string" ? values.folder : defaultFolder(process.cwd());
  const cells = cellsOf(pulumi.getStack(), values, folder);
  // Explicit, as every provider: a default one would follow whatever version and settings happen to be around. Both write
  // nothing outside of the state, so their plugins start while the clusters are being checked.
  const localProviders = [new random.Provider("random"), new tls.Provider("tls")];
  const [placed, recorded] =
    rendering === undefined
      ? await Promise.all([placeAll(cells, folder), pulumi.runtime.isDryRun() ? recordedStates() : NOTHING_RECORDED])
      : [renderedPlaces(cells, rendering), NOTHING_RECORDED];

  const outputs: Record<string, CellOutput> = {};
  const tokens: Record<string, pulumi.Output<string>> = {};
  const certificates: Record<string, pulumi.Output<string>> = {};
  const secrets = new pulumi.Config("secrets");
  // Cells that share a cluster share its provider.
  const providers = new Map<string, Provider>();
  const planned = placed.map((place) => ({
    ...place,
    provider: providerOf(place, providers),
    args: cellArgs(place.cell, place.podCidrs, (key) =>
      rendering === undefined ? secrets.requireSecret(key) : pulumi.secret(""),
    ),
  }));
  // The plugins start while the cells are planned and put together.
  await requestsSent();
  // All of them before the first object exists: one cell's mistake leaves the others untouched.
  for (const { cell, args } of planned) planAgentStack(cell.id, args);

  for (const { cell, args, address, identity, provider, reader } of planned) {
    const resources = new CellResources();
    const opts = { providers: [provider, ...localProviders], transformations: [resources.observe] };
    const stack = new AgentStack(cell.id, args, opts);
    const before = recorded[cell.id] ?? {};
    const { namespace, service, url } = stack;
    outputs[cell.id] = {
      cluster: cell.cluster.id,
      context: address.context,
      uid: identity?.uid ?? before.uid,
      namespace,
      service,
      url,
      ...cellState({ id: cell.id, settings: cell.config, namespace, resources, reader, recorded: before }),
    };
    tokens[cell.id] = stack.token;
    certificates[cell.id] = stack.caCertificate;
    await requestsSent();
  }
  return { cells: outputs, tokens, certificates };
}

/** Lets the requests out that wait for this program to do nothing: the engine then works beside it. */
async function requestsSent(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
}

function providerOf({ cell: { cluster }, address }: PlacedCell, providers: Map<string, Provider>): Provider {
  const provider = providers.get(cluster.id) ?? clusterProvider(cluster.id, address);
  providers.set(cluster.id, provider);
  return provider;
}

function clusterProvider(id: string, address: ClusterAddress): Provider {
  return new Provider(id, {
    ...address,
    clusterIdentifier: id,
    // Said explicitly so that a later major version of the provider changes nothing here.
    enableServerSideApply: true,
    enableConfigMapMutable: false,
    enableSecretMutable: true,
  });
}

/** How often Pulumi's SDK waits for something until a resource's request is sent. */
const TURNS = 3;

/** Every value below `clawfleet:`. Pulumi hands maps and lists over as JSON. */
function readConfig(): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    const [namespace, name = ""] = key.split(":");
    if (namespace === PROJECT) values[name] = /^[[{]/.test(value) ? (JSON.parse(value) as unknown) : value;
  }
  return values;
}

function renderedPlaces(cells: Cell[], { cell: only, podCidrs }: Rendering): PlacedCell[] {
  return cells
    .filter(({ id }) => only === undefined || id === only)
    .map((cell) => ({
      cell,
      address: { kubeconfig: "", context: cell.cluster.context ?? cell.cluster.id },
      podCidrs: cell.cluster.podCidrs ?? (cell.cluster.embedded === true ? podCidrs(cell.cluster.id) : []),
    }));
}

/** A cluster as all of the stack's cells on it find it: it is opened once. */
interface ReachedCluster {
  address: ClusterAddress;
  podCidrs: string[];
  expectedUid: string | undefined;
  /** Undefined when it goes without the cluster. */
  reader?: ClusterReader;
}

async function placeAll(cells: Cell[], folder: string): Promise<PlacedCell[]> {
  const reached = new Map<string, Promise<ReachedCluster>>();
  const reachOnce = (cluster: Cluster) => {
    const known = reached.get(cluster.id) ?? reach(cluster, folder);
    reached.set(cluster.id, known);
    return known;
  };
  const results = await Promise.allSettled(cells.map(async (cell) => place(cell, await reachOnce(cell.cluster))));
  const errors = results.filter((result) => result.status === "rejected").map(({ reason }) => reason as unknown);
  const [first] = errors;
  if (first instanceof FleetError) {
    const messages = new Set(errors.map((error) => (error instanceof Error ? error.message : String(error))));
    messages.delete(first.message);
    if (messages.size > 0) await pulumi.log.error([...messages].join("\n"));
  }
  if (first !== undefined)
    throw first instanceof Error ? first : new Error("a cluster's check failed", { cause: first });
  const placed = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const unchecked = new Map(
    placed.flatMap(({ cell: { cluster }, identity }) =>
      identity === undefined || cluster.embedded || cluster.uid !== undefined ? [] : [[cluster.id, identity.uid]],
    ),
  );
  for (const [id, uid] of unchecked)
    await pulumi.log.warn(`cluster ${id}: no uid in its config, so its identity is unchecked. Fix: add uid: ${uid}`);
  return placed;
}

async function reach(cluster: Cluster, folder: string): Promise<ReachedCluster> {
  const local = cluster.embedded ? localCluster(cluster.id) : undefined;
  const address = local ? { kubeconfig: local.kubeconfig, context: local.context } : locateCluster(cluster, folder);
  const podCidrs = cluster.podCidrs ?? (local ? [local.podCidr] : []);
  const reached = { address, podCidrs, expectedUid: local?.uid ?? cluster.uid };
  if (pulumi.runtime.isDryRun() && process.env.CLAWFLEET_OFFLINE_PREVIEW === "1") {
    await pulumi.log.warn(
      `cluster ${cluster.id}: previewed without the cluster, its identity is unchecked (CLAWFLEET_OFFLINE_PREVIEW=1)`,
    );
    return reached;
  }
  return { ...reached, reader: await openCluster(address, cluster.id) };
}

async function place(cell: Cell, { address, podCidrs, expectedUid, reader }: ReachedCluster): Promise<PlacedCell> {
  if (reader === undefined) return { cell, address, podCidrs };
  return { cell, address, podCidrs, reader, identity: await preflight(cell, reader, expectedUid) };
}
