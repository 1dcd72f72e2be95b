import * as z from "../../zod";
import { planSchema } from "./plan-schema";

/*
 * What happens in a run, in the order in which it happens. The executor hands every event to its listeners, and its journal
 * stores them, one JSON line each. Clocks jump: order is the order of the lines, never that of `at`.
 */

/** What a cell goes through. */
export const PHASES = ["identity", "preview", "policy", "up", "health", "soak"] as const;
/** How a cell ends: rolled out, rolled out before with nothing to change, or not. */
export const CELL_OUTCOMES = ["done", "unchanged", "failed", "cancelled", "skipped"] as const;
/** How a wave or a run ends; a run that was interrupted has not ended, and can be resumed. */
export const OUTCOMES = ["done", "failed", "aborted"] as const;
/** The classes of components/errors.ts; `Error` is every other failure. */
export const ERROR_CLASSES = [
  "AuthExpired",
  "RateLimited",
  "NotFound",
  "ValidationFailed",
  "Conflict",
  "Unreachable",
  "Timeout",
  "PolicyViolation",
  "Unhealthy",
  "Error",
] as const;

const count = z.int().min(0);
const seconds = z.number().min(0);
const cell = z.string();
const wave = z.string();
/** `user@host`. */
const by = z.string();
const errorClass = z.enum(ERROR_CLASSES);

/** @param type the event's name. */
const event = <T extends string, S extends z.core.$ZodLooseShape>(type: T, shape: S) =>
  z.strictObject({
    /** ISO time, of this machine's clock. */
    at: z.iso.datetime(),
    /** The run's id. */
    run: z.string(),
    type: z.literal(type),
    ...shape,
  });

export const eventSchema = z.discriminatedUnion("type", [
  /** The first event of a run. `intent` is what the one who started it says that it is for. */
  event("runStarted", { plan: planSchema, by, intent: z.string().optional() }),
  /** A rollback is a run of its own: the first event, in the place of runStarted. `of` is the run that it undoes. */
  event("rollbackStarted", { plan: planSchema, by, of: z.string() }),
  event("waveStarted", { wave }),
  event("approvalNeeded", { wave, when: z.enum(["before", "after"]) }),
  event("approved", { wave, when: z.enum(["before", "after"]), by }),
  /** `attempt` counts from 1, over resumes as well. */
  event("cellStarted", { cell, attempt: z.int().min(1) }),
  event("cellPhase", { cell, phase: z.enum(PHASES) }),
  /** Resources done, of those that the preview counted. */
  event("cellProgress", { cell, done: count, total: count }),
  /** What the preview found. */
  event("cellChanges", { cell, adds: count, updates: count, replaces: count, deletes: count }),
  event("policyFinding", {
    cell,
    policy: z.string(),
    level: z.enum(["advisory", "mandatory", "remediate"]),
    urn: z.string(),
    message: z.string(),
  }),
  /** Something that the reader should know and that fails nothing: a warning, what could not be checked. */
  event("cellNotice", { cell, message: z.string() }),
  /** The attempt failed, and there is another one after this many seconds. */
  event("cellRetried", { cell, class: errorClass, message: z.string(), afterSeconds: seconds }),
  /** `seconds` is from the cell's first attempt in this process to its end. */
  event("cellFinished", {
    cell,
    outcome: z.enum(CELL_OUTCOMES),
    class: errorClass.optional(),
    message: z.string().optional(),
    fix: z.string().optional(),
    seconds,
  }),
  event("waveFinished", { wave, outcome: z.enum(OUTCOMES) }),
  /** No further cell is started until `resumed`. */
  event("paused", { by }),
  /** Goes on after a pause, or in a new process after an interruption. */
  event("resumed", { by }),
  /** The process ends and the run can be resumed: Ctrl-C. */
  event("interrupted", { by }),
  /** Somebody gave the run up. */
  event("aborted", { by }),
  /** The last event of a run. */
  event("runFinished", {
    outcome: z.enum(OUTCOMES),
    done: count,
    unchanged: count,
    failed: count,
    cancelled: count,
    skipped: count,
    seconds,
    message: z.string().optional(),
  }),
]);

export type RolloutEvent = z.infer<typeof eventSchema>;
/** An event without what the journal adds to each: when, and in which run. */
export type EventBody = RolloutEvent extends infer E ? (E extends RolloutEvent ? Omit<E, "at" | "run"> : never) : never;
/** Whoever wants to know of events. It must not throw, and nobody waits for it. */
export type Listener = (event: RolloutEvent) => void;
export type Phase = (typeof PHASES)[number];
export type ErrorClass = (typeof ERROR_CLASSES)[number];
export type CellOutcome = (typeof CELL_OUTCOMES)[number];
export type Outcome = (typeof OUTCOMES)[number];
