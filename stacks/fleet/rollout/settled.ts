import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "../../zod";
import { FleetError } from "../../../components/errors";
import type { ClusterReader } from "../../cluster-connection";
import { checkpointFile } from "../../project";
import type { Frozen, PlannedCell } from "./plan-schema";
import { readRecord } from "./record-file";
import { privateFolder } from "./run-folder";
import { writeWhole } from "./whole-file";

/*
 * A cell that was found healthy is not previewed again while nothing about it has changed: what it is made from, what Pulumi
 * recorded of it, and the objects themselves. All three have to agree, since each of them can change without the others.
 */

/** A cell as it was when it was last found healthy, in hashes. */
const settledSchema = z.strictObject({
  run: z.string(),
  /** The cell's settings, the program, the policies, and the day: exemptions from policies expire. */
  inputs: z.string(),
  /** Pulumi's checkpoint. */
  state: z.string(),
  /** The objects on the cluster, without their status. */
  objects: z.string(),
});
type Settled = z.infer<typeof settledSchema>;

/** An object of the checkpoint. `id` is `namespace/name`, or `name` where there is no namespace. */
const recordedObject = z.object({
  type: z.string(),
  id: z.string(),
  inputs: z.object({ apiVersion: z.string(), kind: z.string() }),
});
type RecordedObject = z.infer<typeof recordedObject>;

const checkpointSchema = z.object({
  checkpoint: z.object({
    latest: z.object({
      resources: z.array(z.looseObject({ type: z.string() })).default([]),
      pending_operations: z.array(z.unknown()).nullish(),
    }),
  }),
});

const resourceList = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});
const liveObject = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });
const liveList = z.object({ items: z.array(liveObject) });

export interface SettledOptions {
  /** The folder of the state. */
  stateFolder: string;
  /** The folder of the project's own backend; undefined for one that only Pulumi can read, and then every cell is previewed. */
  backend: string | undefined;
  frozen: Frozen;
  /** The run's id. */
  run: string;
  /** Today, as ISO has it. */
  today: string;
}

/** What is remembered of cells from run to run. */
export class SettledCells {
  constructor(private readonly options: SettledOptions) {}

  /** The run since which nothing about a cell has changed; undefined when anything has, or when it cannot be told. */
  async since(cell: PlannedCell, reader: ClusterReader): Promise<string | undefined> {
    const before = this.read(cell);
    if (before === undefined || before.inputs !== this.inputs(cell)) return undefined;
    const now = await this.look(cell, reader);
    return now?.state === before.state && now.objects === before.objects ? before.run : undefined;
  }

  /** Remembers a cell that is healthy now. */
  async remember(cell: PlannedCell, reader: ClusterReader): Promise<void> {
    const now = await this.look(cell, reader);
    if (now === undefined) return;
    const settled: Settled = { run: this.options.run, inputs: this.inputs(cell), ...now };
    privateFolder(join(this.options.stateFolder, "rollouts", "settled"));
    writeWhole(this.file(cell), JSON.stringify(settled));
  }

  private async look(
    cell: PlannedCell,
    reader: ClusterReader,
  ): Promise<Pick<Settled, "state" | "objects"> | undefined> {
    const { backend } = this.options;
    if (backend === undefined) return undefined;
    const file = checkpointFile(backend, cell.stack);
    if (!existsSync(file)) return undefined;
    const text = readFileSync(file, "utf8");
    const { resources, pending_operations: pending } = checkpointSchema.parse(JSON.parse(text)).checkpoint.latest;
    // What an interrupted update was at is not known: a preview says so.
    if ((pending ?? []).length > 0) return undefined;
    const recorded = z.array(recordedObject).safeParse(resources.filter(({ type }) => type.startsWith("kubernetes:")));
    if (!recorded.success) return undefined;
    try {
      const objects = await hashOfObjects(recorded.data, reader);
      return objects === undefined ? undefined : { state: hash(text), objects };
    } catch (error) {
      // Credentials that may not list everything, for example: then a preview has to tell.
      if (error instanceof FleetError) return undefined;
      throw error;
    }
  }

  private inputs({ configHash, stack }: PlannedCell): string {
    const { frozen, today } = this.options;
    return hash(
      [stack, configHash, frozen.lockHash, frozen.policyHash, today.slice(0, "2026-01-01".length)].join("\n"),
    );
  }

  private read(cell: PlannedCell): Settled | undefined {
    return readRecord(this.file(cell), settledSchema);
  }

  private file({ id }: PlannedCell): string {
    return join(this.options.stateFolder, "rollouts", "settled", `${id}.json`);
  }
}

/**
 * The hash of a stack's objects as they are on the cluster. Lists each kind in each namespace once; what else is there is
 * not looked at.
 * @returns undefined when one of them is gone.
 */
export async function hashOfObjects(
  recorded: readonly RecordedObject[],
  reader: ClusterReader,
): Promise<string | undefined> {
  const versions = [...new Set(recorded.map(({ inputs }) => inputs.apiVersion))];
  const kinds = new Map(
    await Promise.all(
      versions.map(async (version) => {
        const known = resourceList.safeParse(await reader.get(apiPath(version)));
        return [version, known.success ? known.data.resources : []] as const;
      }),
    ),
  );
  const lists = new Map<string, Promise<Map<string, string>>>();
  const found = await Promise.all(
    recorded.map(async ({ id, inputs: { apiVersion, kind } }) => {
      const resource = kinds.get(apiVersion)?.find((each) => each.kind === kind && !each.name.includes("/"));
      if (resource === undefined) return undefined;
      const [name = "", namespace] = id.split("/").reverse();
      const within = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
      const path = `${apiPath(apiVersion)}${within}/${resource.name}`;
      // Of what has no namespace there may be thousands, and one is ours.
      if (within === "") return hashOfObject(await reader.get(`${path}/${name}`));
      const list = lists.get(path) ?? hashesByName(path, reader);
      lists.set(path, list);
      return (await list).get(name);
    }),
  );
  if (found.some((each) => each === undefined)) return undefined;
  return hash(
    recorded
      .map(({ type, id }, index) => `${type} ${id} ${found[index] ?? ""}`)
      .sort()
      .join("\n"),
  );
}

async function hashesByName(path: string, reader: ClusterReader): Promise<Map<string, string>> {
  const { success, data } = liveList.safeParse(await reader.get(path));
  return new Map((success ? data.items : []).map((item) => [item.metadata.name, hashOfObject(item) ?? ""]));
}

/** What changes by itself: the status, and the bookkeeping of writes. */
const VOLATILE = ["status", "kind", "apiVersion", "managedFields", "resourceVersion", "generation"];

function hashOfObject(object: unknown): string | undefined {
  const { success, data } = liveObject.safeParse(object);
  if (!success) return undefined;
  const lasting = (value: Record<string, unknown>) =>
    Object.entries(value).filter(([key]) => !VOLATILE.includes(key) && key !== "metadata");
  return hash(JSON.stringify([lasting(data.metadata), lasting(data)]));
}

function apiPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
