import { join } from "node:path";
import * as z from "../zod";
import { Environment } from "../../components/environment";
import { NotFound, ValidationFailed } from "../../components/errors";
import { nearest } from "../../components/openclaw/nearest";
import { cidr, name, region } from "../formats";
import { checked } from "./problems";
import { strategySchema, type Strategy } from "./rollout/strategy";
import { locateIn, readYaml, type YamlFile } from "./yaml-file";

/** The inventory's file, in the folder of the stacks. */
export const INVENTORY_FILE = "fleet.yaml";

const labels = z.record(z.string(), z.string());

/** How credentials are got: a program, as in a kubeconfig. */
const exec = z.strictObject({
  command: z.string().describe("The program, for example `aws`; one with a slash is a path, from this file's folder."),
  args: z.array(z.string()).optional().describe("Its arguments; never a secret. Default: none."),
  env: labels.optional().describe("Its environment on top of ours; never a secret. Default: none."),
  apiVersion: z
    .enum(["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"])
    .optional()
    .describe("What it is asked for. Default: v1beta1, which the clouds' own programs all answer."),
});

/** A cluster, and how it is reached: embedded, by a kubeconfig's context, or by its server with an exec plugin. */
const clusterSchema = z
  .strictObject({
    id: name.describe("Its name in the fleet, and the provider's clusterIdentifier: never change it."),
    region: region.describe("Its region: a label, and the overlay `region/NAME.yaml`."),
    labels: labels.optional().describe("What selectors go by. Default: none."),
    embedded: z.boolean().optional().describe("A local cluster that `make up` starts. Default: false."),
    kubeconfig: z
      .string()
      .optional()
      .describe("Path of its kubeconfig, from this file's folder. Default: $KUBECONFIG, else ~/.kube/config."),
    context: z.string().optional().describe("The kubeconfig's context. Default: the only one there is."),
    server: z
      .url({ protocol: /^https$/, error: "write a URL like https://203.0.113.1:6443" })
      .optional()
      .describe("The API server's URL; goes with exec, instead of a kubeconfig."),
    certificateAuthority: z
      .string()
      .optional()
      .describe(
        "Path of the PEM file that the server's certificate is checked with, from this file's folder; goes with server. Default: the authorities that this machine trusts.",
      ),
    exec: exec.optional().describe("The program that gets credentials; goes with server."),
    uid: z
      .uuid()
      .optional()
      .describe("The UID of its kube-system namespace. Without it the identity is unchecked, and a warning says so."),
    podCidrs: z
      .array(cidr)
      .optional()
      .describe(
        "The Pod CIDRs, which an entry's proxy in the cluster has its address from. Default: none; known for an embedded one.",
      ),
  })
  .superRefine((cluster, context) => {
    const ways = [
      cluster.embedded === true ? "embedded" : undefined,
      cluster.kubeconfig !== undefined || cluster.context !== undefined ? "kubeconfig and context" : undefined,
      cluster.server !== undefined || cluster.exec !== undefined ? "server and exec" : undefined,
    ].filter((way) => way !== undefined);
    if (ways.length > 1)
      context.addIssue({
        code: "custom",
        message: `is reached in one way, not by ${ways.join(" and by ")}: remove one`,
      });
    if ((cluster.server === undefined) !== (cluster.exec === undefined))
      context.addIssue({ code: "custom", message: "server and exec go together: give both, or a kubeconfig" });
    if (cluster.certificateAuthority !== undefined && cluster.server === undefined)
      context.addIssue({
        code: "custom",
        path: ["certificateAuthority"],
        message: "goes with server; a kubeconfig has its own",
      });
  });

const selector = z.union(
  [
    z.array(z.string()).min(1),
    z.strictObject({ matchLabels: labels.refine((map) => Object.keys(map).length > 0, "name a label") }),
  ],
  "list ids, or give matchLabels",
);

const cellRule = z.strictObject({
  environment: z.enum(Environment).describe("The environment of these cells."),
  clusters: selector.describe("The clusters that get a cell: their ids, or labels that they have; `region` is one."),
  tenants: selector
    .optional()
    .describe("The tenants that get a cell on each of these clusters. Default: one cell without a tenant."),
});

export const fleetSchema = z.strictObject({
  clusters: z.array(clusterSchema).min(1).describe("The clusters of the fleet."),
  tenants: z
    .array(z.strictObject({ id: name, labels: labels.optional() }))
    .optional()
    .describe("The tenants. Default: none."),
  environments: z
    .array(z.strictObject({ id: z.enum(Environment), stacks: z.enum(["environment", "cell"]).optional() }))
    .optional()
    .describe(
      "How an environment's cells make up stacks: one stack for all of them (`environment`), or one for each (`cell`). Default: `environment`.",
    ),
  cells: z.array(cellRule).min(1).describe("Which cells there are."),
  strategies: z
    .record(name, strategySchema)
    .optional()
    .describe(
      "How `clawfleet up` rolls the fleet out, by name; `default` is used when none is named. Default: dev, then stage, then prod with one cell first.",
    ),
});

export type Cluster = z.infer<typeof clusterSchema>;
type Selector = z.infer<typeof selector>;

/** A cell of the fleet: one tenant on one cluster. */
export interface FleetCell {
  /** The cluster's id, and the tenant's behind a hyphen. */
  id: string;
  environment: Environment;
  cluster: Cluster;
  tenant: string | undefined;
  /** What selectors go by: the labels of cluster and tenant, and `environment`, `region`, `tenant`, `cluster`. */
  labels: Record<string, string>;
}

/** What the inventory comes to. */
export interface Fleet {
  clusters: Cluster[];
  cells: FleetCell[];
  /** The environments of which each cell is a stack of its own. */
  perCell: Set<Environment>;
  /** How the fleet can be rolled out, by name. */
  strategies: Record<string, Strategy>;
}

/**
 * Reads the inventory and derives its cells.
 * @param folder the folder of the stacks.
 * @throws NotFound without the file; ValidationFailed with every problem's line.
 */
export function readFleet(folder: string): Fleet {
  return fleetOf(readYaml(join(folder, INVENTORY_FILE), INVENTORY_FILE));
}

/** The same for a document that is read already. */
export function fleetOf(document: YamlFile): Fleet {
  const locate = locateIn(document);
  const inventory = checked(fleetSchema, document.value, locate);
  const problems: string[] = [];
  const problem = (path: PropertyKey[], what: string) => problems.push(`${locate(path)}: ${what}`);
  for (const list of ["clusters", "tenants", "environments"] as const) {
    const ids = (inventory[list] ?? []).map(({ id }) => id);
    ids.forEach((id, index) => {
      if (ids.indexOf(id) !== index) problem([list, index, "id"], `${id} is listed twice; give each an id of its own`);
    });
  }

  const tenants = inventory.tenants ?? [];
  const cells = new Map<string, FleetCell>();
  inventory.cells.forEach((rule, index) => {
    const select = <T extends Labelled & { id: string }>(
      all: T[],
      wanted: Selector,
      list: "clusters" | "tenants",
    ): T[] => {
      if (!Array.isArray(wanted)) {
        const found = all.filter((item) => matches(item, wanted.matchLabels));
        if (found.length === 0)
          problem(["cells", index, list], `no one of the ${list} has these labels; correct them here or there`);
        return found;
      }
      const ids = all.map((item) => item.id);
      wanted.forEach((id, position) => {
        if (ids.includes(id)) return;
        const similar = nearest(id, ids);
        const hint = similar === undefined ? `there are: ${ids.join(", ") || "none"}` : `did you mean ${similar}?`;
        problem(["cells", index, list, position], `${id} is not among the ${list}; ${hint}`);
      });
      return all.filter((item) => wanted.includes(item.id));
    };
    const selectedTenants = rule.tenants === undefined ? [undefined] : select(tenants, rule.tenants, "tenants");
    for (const cluster of select(inventory.clusters, rule.clusters, "clusters")) {
      for (const tenant of selectedTenants) {
        const id = tenant === undefined ? cluster.id : `${cluster.id}-${tenant.id}`;
        if (!name.safeParse(id).success)
          problem(
            ["cells", index],
            `the cell ${id} has a name of more than 32 characters; shorten the cluster's or the tenant's id`,
          );
        if (cells.has(id))
          problem(["cells", index], `the cell ${id} is there twice; let one rule alone select this cluster and tenant`);
        cells.set(id, cellOf(id, rule.environment, cluster, tenant));
      }
    }
  });
  if (problems.length > 0)
    throw new ValidationFailed({ what: problems.join("\n  "), fix: "correct what is named above" });

  return {
    clusters: inventory.clusters,
    cells: [...cells.values()],
    strategies: inventory.strategies ?? {},
    perCell: new Set((inventory.environments ?? []).filter(({ stacks }) => stacks === "cell").map(({ id }) => id)),
  };
}

function cellOf(
  id: string,
  environment: Environment,
  cluster: Cluster,
  tenant: { id: string; labels?: Record<string, string> } | undefined,
): FleetCell {
  const place = { environment, region: cluster.region, cluster: cluster.id, ...(tenant && { tenant: tenant.id }) };
  return {
    id,
    environment,
    cluster,
    tenant: tenant?.id,
    labels: { ...cluster.labels, ...tenant?.labels, ...place },
  };
}

/** What a selector looks at: of a cluster its region, too. */
interface Labelled {
  labels?: Record<string, string>;
  region?: string;
}

function matches({ labels, region }: Labelled, wanted: Record<string, string>): boolean {
  const all: Record<string, string | undefined> = { ...labels, ...(region !== undefined && { region }) };
  return Object.entries(wanted).every(([key, value]) => all[key] === value);
}

/**
 * A cell by its id.
 * @throws NotFound with the nearest id.
 */
export function cellById(fleet: Fleet, id: string): FleetCell {
  const cell = fleet.cells.find((candidate) => candidate.id === id);
  if (cell !== undefined) return cell;
  throw unknown(
    "cell",
    id,
    fleet.cells.map((candidate) => candidate.id),
  );
}

/** What to say of a name that is not there. */
export function unknown(what: string, id: string, known: string[]): NotFound {
  const similar = nearest(id, known);
  return new NotFound({
    what: `there is no ${what} ${id}`,
    where: INVENTORY_FILE,
    fix: similar === undefined ? `use one of: ${known.join(", ")}` : `did you mean ${similar}?`,
  });
}
