import * as z from "../../zod";
import { Environment } from "../../../components/environment";

/** A wave of a plan, with everything resolved. */
const plannedWave = z.strictObject({
  name: z.string(),
  cells: z
    .array(
      z.strictObject({
        id: z.string(),
        stack: z.string(),
        environment: z.enum(Environment),
        /** The hash of the cell's whole settings, its place in the inventory and its stack's config. */
        configHash: z.string(),
      }),
    )
    .min(1),
  /** Cells at once. */
  maxConcurrency: z.int().min(1),
  /** Cells that may fail. */
  maxFailures: z.int().min(0),
  /** Seconds that a cell has to stay healthy. */
  minSuccessTime: z.int().min(0),
  /** Seconds until a cell has to be healthy. */
  progressDeadline: z.int().min(1),
  approval: z.array(z.enum(["before", "after"])),
});

/** What a plan was made from; a run refuses to start when any of it is another. */
const frozen = z.strictObject({
  /** The commit of the fleet's files, with `-dirty` behind it when there are changes; empty outside of a repository. */
  gitRevision: z.string(),
  /** Of every cell's configHash. */
  configHash: z.string(),
  /** Of the package's lock file and compiled program. */
  lockHash: z.string(),
  /** Of the policy pack and its configs. */
  policyHash: z.string(),
});

/** A validated plan: every cell in exactly one wave. */
export const planSchema = z.strictObject({
  /** The folder of the fleet's files, as an absolute path. */
  folder: z.string(),
  waves: z.array(plannedWave).min(1),
  /** Retries that a cell may have. */
  maxRetries: z.int().min(0),
  budgets: z.strictObject({
    /** Seconds that the run may take. */
    time: z.int().min(1),
    /** Retries of all cells together. */
    retries: z.int().min(0),
    /** Seconds to wait for an approval. */
    pendingApproval: z.int().min(1),
  }),
  frozen,
});

export type Plan = z.infer<typeof planSchema>;
export type PlannedWave = z.infer<typeof plannedWave>;
export type PlannedCell = PlannedWave["cells"][number];
export type Frozen = z.infer<typeof frozen>;
