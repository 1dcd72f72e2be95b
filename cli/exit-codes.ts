import {
  AuthExpired,
  Conflict,
  Drifted,
  NotFound,
  PolicyViolation,
  RateLimited,
  Timeout,
  Unhealthy,
  Unreachable,
  ValidationFailed,
} from "../components/errors";

/** Exit codes by error class, as docs/cli.md has them; 1 is everything else, and 130 an interruption. */
export const EXIT_CODES = [
  [ValidationFailed, 2],
  [NotFound, 3],
  [Conflict, 4],
  [AuthExpired, 5],
  [Unreachable, 6],
  [Timeout, 7],
  [RateLimited, 8],
  [PolicyViolation, 9],
  [Unhealthy, 10],
  [Drifted, 11],
] as const;

/** The exit code of an error of a class. */
export function exitCodeOf(wanted: (typeof EXIT_CODES)[number][0]): number {
  return EXIT_CODES.find(([type]) => type === wanted)?.[1] ?? 1;
}
