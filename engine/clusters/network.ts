import { createServer } from "node:net";
import { ValidationFailed } from "../../components/errors";

/** So many ranges fit between 10.96.0.0/16 and 10.160.0.0/16, and so many address a documentation range. */
export const MAX_CLUSTERS = 64;

/** The address ranges of a cluster; those of two clusters of one folder never overlap. */
export interface Ranges {
  serviceCidr: string;
  podCidr: string;
  /** Address of every Ingress and Gateway. Of TEST-NET-1 (RFC 5737), so that no packet ever leaves for it. */
  entryAddress: string;
}

/** Ranges by the cluster's place: Services in 10.96–10.159, Pods in 10.160–10.223, one /16 each. */
export function rangesOf(index: number): Ranges {
  return {
    serviceCidr: `10.${96 + index}.0.0/16`,
    podCidr: `10.${160 + index}.0.0/16`,
    entryAddress: `192.0.2.${index + 1}`,
  };
}

/** The Pod range of a node: a /23 of its cluster's range, so that 250 Pods come and go without running out. */
export function nodePodCidr(index: number, node: number): string {
  return `10.${160 + index}.${2 * node}.0/23`;
}

/**
 * The lowest place that no other cluster has.
 * @throws ValidationFailed when all are taken.
 */
export function freeIndex(taken: ReadonlySet<number>): number {
  for (let index = 0; index < MAX_CLUSTERS; index++) if (!taken.has(index)) return index;
  throw new ValidationFailed({
    what: `all ${MAX_CLUSTERS} address ranges are taken by local clusters`,
    fix: "stop some with `make clusters-down`",
  });
}

/** Whether a port of 127.0.0.1 can be listened on now; 0 asks for any and tells which. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

/** Gives each cluster its place, the one from before if there was one. */
export function planIndexes(names: readonly string[], previous: ReadonlyMap<string, number>): Map<string, number> {
  const taken = new Set(previous.values());
  const plan = new Map<string, number>();
  for (const name of names) {
    const index = previous.get(name) ?? freeIndex(taken);
    taken.add(index);
    plan.set(name, index);
  }
  return plan;
}

/**
 * Takes a free port of 127.0.0.1 that is not reserved, the preferred one if possible, and reserves it.
 * @throws ValidationFailed when there is none.
 */
export async function freePort(reserved: Set<number>, preferred?: number): Promise<number> {
  for (const wanted of [preferred ?? 0, ...Array<number>(20).fill(0)]) {
    const port = reserved.has(wanted) ? undefined : await tryPort(wanted);
    if (port === undefined || reserved.has(port)) continue;
    reserved.add(port);
    return port;
  }
  throw new ValidationFailed({ what: "no free port on 127.0.0.1", fix: "end programs that listen on many ports" });
}
