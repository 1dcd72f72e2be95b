import {
  AuthExpired,
  Conflict,
  FleetError,
  NotFound,
  PolicyViolation,
  RateLimited,
  Timeout,
  Unhealthy,
  Unreachable,
  ValidationFailed,
} from "../../../components/errors";
import type { ErrorClass } from "./events";

/** Another process holds the stack's lock, which it may give back: the only conflict that waiting can end. */
export class Locked extends Conflict {}

/** How often a class of errors is tried again, and how long to wait before. */
interface RetryRule {
  /** Retries, within those that the plan allows. */
  retries: number;
  /** Seconds before the first retry; doubled for each further one. */
  firstSeconds: number;
}

const NEVER: RetryRule = { retries: 0, firstSeconds: 0 };
/** Never to wait longer than this for the next attempt, in seconds. */
const LONGEST_SECONDS = 120;

/** As docs/rollout.md has them. What is not of the moment is not tried again: it would fail again, or do harm. */
export const RETRY_RULES: Readonly<Record<ErrorClass, RetryRule>> = {
  RateLimited: { retries: Infinity, firstSeconds: 10 },
  Unreachable: { retries: Infinity, firstSeconds: 5 },
  // Once: what takes too long twice will take too long again.
  Timeout: { retries: 1, firstSeconds: 5 },
  AuthExpired: NEVER,
  NotFound: NEVER,
  ValidationFailed: NEVER,
  Conflict: NEVER,
  PolicyViolation: NEVER,
  Unhealthy: NEVER,
  Error: NEVER,
};
const LOCKED: RetryRule = { retries: Infinity, firstSeconds: 5 };

/** A failure as the events tell it. */
export interface Failure {
  class: ErrorClass;
  message: string;
  fix?: string;
}

const CLASSES = [
  [AuthExpired, "AuthExpired"],
  [RateLimited, "RateLimited"],
  [NotFound, "NotFound"],
  [ValidationFailed, "ValidationFailed"],
  [Conflict, "Conflict"],
  [Unreachable, "Unreachable"],
  [Timeout, "Timeout"],
  [PolicyViolation, "PolicyViolation"],
  [Unhealthy, "Unhealthy"],
] as const;

/** What an error is to the events. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof FleetError))
    return { class: "Error", message: error instanceof Error ? error.message : String(error) };
  const { what, where, fix } = error;
  return {
    class: CLASSES.find(([type]) => error instanceof type)?.[1] ?? "Error",
    message: where === undefined ? what : `${where}: ${what}`,
    ...(fix !== undefined && { fix }),
  };
}

/** The error that a failure was, for a command to end with. */
export function errorOf(failure: Failure): FleetError {
  const type = CLASSES.find(([, name]) => name === failure.class)?.[0] ?? FleetError;
  return new type({ what: failure.message, fix: failure.fix });
}

/**
 * Seconds to wait before a failed cell is tried again.
 * @param retries how many retries this cell has had.
 * @param random from 0 to 1: spreads cells that failed together over a quarter of the wait.
 * @returns undefined when it is not to be.
 */
export function retryDelay(error: unknown, retries: number, random: number): number | undefined {
  const rule = error instanceof Locked ? LOCKED : RETRY_RULES[failureOf(error).class];
  if (retries >= rule.retries) return undefined;
  const wait = Math.min(LONGEST_SECONDS, rule.firstSeconds * 2 ** retries);
  return wait * (1 + random / 4);
}
