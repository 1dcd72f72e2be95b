import * as z from "../../zod";
import { Unhealthy } from "../../../components/errors";
import { cellHealth, readWorkloads, type Pod } from "../../cell-health";
import type { ClusterConnection } from "../../cluster-connection";
import type { Clock } from "./clock";
import { grownQueue, queueLength } from "./queue";
import { askThroughProxy, parsed } from "./service-proxy";

/*
 * Our own gate: what Pulumi waited for is what it wrote, once. This looks at all workloads of the cell, as they are now.
 */

/** A cell on its cluster. */
export interface CellLocation {
  cell: string;
  namespace: string;
  /** The gateway's Service. */
  service: string;
}

/** What a look at a cell found. */
export interface Health {
  /** What is not as it has to be, in words; empty when the cell is healthy. */
  problems: string[];
  /** Restarts so far, by Pod and container. */
  restarts: Map<string, number>;
}

/**
 * Looks at a cell's workloads.
 * @throws what ClusterConnection throws.
 */
export async function look(reader: ClusterConnection, { cell, namespace }: CellLocation): Promise<Health> {
  const workloads = await readWorkloads(reader, namespace, cell);
  const names = [...workloads.controllers.keys()];
  const problems = names.flatMap((name) =>
    cellHealth([name], workloads).problems.map((problem) => {
      const prefix = `${name.split(" ")[1] ?? name}-`;
      return `${problem}${waitingOf(workloads.pods.filter(({ metadata }) => metadata.name.startsWith(prefix)))}`;
    }),
  );
  const none = names.length === 0 ? [`namespace ${namespace} has no workload of the cell`] : [];
  return { problems: [...none, ...problems], restarts: restartsOf(workloads.pods) };
}

function waitingOf(pods: readonly Pod[]): string {
  const reasons = pods.flatMap(
    ({ metadata: { name }, status: { initContainerStatuses = [], containerStatuses = [] } = {} }) =>
      [...initContainerStatuses, ...containerStatuses].flatMap(({ name: container, state }) =>
        state?.waiting === undefined ? [] : [`${name}/${container}: ${state.waiting.reason ?? "waiting"}`],
      ),
  );
  const pending = pods
    .filter(({ status }) => status?.phase === "Pending")
    .map(({ metadata }) => `${metadata.name} is Pending`);
  const [reason = pods.length === 0 ? "there is no Pod" : undefined] = [...reasons, ...pending];
  return reason === undefined ? "" : ` (${reason})`;
}

function restartsOf(pods: readonly Pod[]): Map<string, number> {
  return new Map(
    pods.flatMap(({ metadata: { name, uid }, status: { containerStatuses = [] } = {} }) =>
      containerStatuses.map(
        ({ name: container, restartCount = 0 }) => [`${name} ${uid} ${container}`, restartCount] as const,
      ),
    ),
  );
}

/** The containers that restarted between two looks. */
export function restartedSince(before: Health, now: Health): string[] {
  return [...now.restarts].flatMap(([key, restarts]) => {
    const [name = "", , container = ""] = key.split(" ");
    return restarts > (before.restarts.get(key) ?? 0) ? [`${name}/${container} restarted`] : [];
  });
}

/** How the gateway's own health endpoint answered. */
export type GatewayHealth =
  | { state: "healthy" }
  | { state: "unhealthy"; detail: string }
  /** As askThroughProxy says. */
  | { state: "unchecked"; why: string };

/**
 * Asks the gateway itself, through the API server's proxy. An answer that is not of the gateway's health endpoint is
 * unhealthy: OpenClaw answers 200 with a page for any path that it does not know.
 */
export async function gatewayHealth(
  reader: ClusterConnection,
  { cell, namespace, service }: CellLocation,
): Promise<GatewayHealth> {
  const answer = await askThroughProxy(reader, {
    cell,
    namespace,
    component: "gateway",
    service: `${service}:http`,
    path: "/startupz",
  });
  if (answer.state === "unchecked") return answer;
  const { status, body } = answer;
  if (status === 200 && saysStarted(body)) return { state: "healthy" };
  return { state: "unhealthy", detail: `/startupz answered ${String(status)}, without "status": "started"` };
}

function saysStarted(body: string): boolean {
  const { success, data } = z.object({ status: z.string() }).safeParse(parsed(body));
  return success && data.status === "started";
}

/** Seconds between looks. */
const LOOK_SECONDS = 0.5;

export interface GateOptions {
  clock: Clock;
  signal: AbortSignal;
  /** Takes what could not be checked. */
  notice: (message: string) => void;
}

/**
 * Waits until a cell is healthy.
 * @throws Unhealthy when the signal is aborted while it is not; the signal's reason when it is interrupted before a look.
 */
export async function waitUntilHealthy(
  reader: ClusterConnection,
  location: CellLocation,
  { clock, signal, notice }: GateOptions,
): Promise<Health> {
  for (;;) {
    signal.throwIfAborted();
    const health = await look(reader, location);
    const gateway: GatewayHealth =
      health.problems.length === 0 ? await gatewayHealth(reader, location) : { state: "healthy" };
    if (gateway.state === "unhealthy") health.problems.push(`gateway: ${gateway.detail}`);
    if (health.problems.length === 0) {
      if (gateway.state === "unchecked") notice(`the gateway's health endpoint was not asked: ${gateway.why}`);
      return health;
    }
    await clock.sleep(LOOK_SECONDS, signal);
    if (signal.aborted) throw unhealthy(location.cell, health.problems);
  }
}

/**
 * Watches a healthy cell for some time. Its queue of outbound messages is counted at the beginning and at the end.
 * @throws Unhealthy at the first problem.
 */
export async function soak(
  reader: ClusterConnection,
  location: CellLocation,
  healthy: Health,
  seconds: number,
  { clock, signal, notice }: GateOptions,
): Promise<void> {
  const count = async () => {
    const length = await queueLength(reader, location);
    if (length.state === "unchecked") notice(`the queue of outbound messages was not counted: ${length.why}`);
    return length;
  };
  const queue = await count();
  for (const since = clock.seconds(); clock.seconds() - since < seconds;) {
    await clock.sleep(Math.min(LOOK_SECONDS, seconds), signal);
    signal.throwIfAborted();
    const now = await look(reader, location);
    const problems = [...now.problems, ...restartedSince(healthy, now)];
    if (problems.length > 0) throw unhealthy(location.cell, problems);
  }
  if (queue.state !== "counted") return;
  const grown = grownQueue(queue, await count());
  if (grown.length > 0) throw unhealthy(location.cell, grown);
}

/** The error of a cell that has problems. */
export function unhealthy(cell: string, problems: readonly string[]): Unhealthy {
  return new Unhealthy({
    what: problems.join("; "),
    where: `cell ${cell}`,
    fix: "look at it with `kubectl describe`; `clawfleet rollback` re-applies what was healthy before",
  });
}
