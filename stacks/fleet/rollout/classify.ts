import {
  AuthExpired,
  FleetError,
  NotFound,
  PolicyViolation,
  RateLimited,
  Timeout,
  Unhealthy,
  Unreachable,
} from "../../../components/errors";
import type { EngineReport } from "./engine-events";
import { Locked } from "./retry";
import { Unwritable } from "./unwritable";

/*
 * Pulumi tells kinds of errors by their texts alone; its own Automation API matches them as well. These are of the
 * engine 3.230 and the Kubernetes provider 4.27, and test/unit/rollout-classify.test.ts has the whole messages.
 */
const KINDS: readonly (readonly [
  RegExp,
  new (...args: ConstructorParameters<typeof FleetError>) => FleetError,
  string,
])[] = [
  [
    /the stack is currently locked by|Another update is currently in progress/i,
    Locked,
    "wait for the other process, or see `clawfleet resume --help` for a lock that was left behind",
  ],
  [
    /the credentials are not accepted|\bUnauthorized\b|must be logged in to the server|asked for the client to provide credentials|gave none within|for credentials, failed/,
    AuthExpired,
    "log in again, then roll the cell out again",
  ],
  [
    /Too Many Requests|\b429\b|rate limit/i,
    RateLimited,
    "the API server asks to slow down; a lower maxConcurrency helps",
  ],
  [
    /cannot be reached|cluster is unreachable|connection refused|ECONNREFUSED|ECONNRESET|no such host|network is unreachable|no route to host|connection reset by peer|unexpected EOF|TLS handshake timeout/i,
    Unreachable,
    "check the cluster and the network",
  ],
  [
    /no answer within|i\/o timeout|context deadline exceeded|Client\.Timeout/i,
    Timeout,
    "check the cluster's load and the network",
  ],
  [
    /failed to fully initialize or become live|timed out waiting to be Ready|ImagePullBackOff|CrashLoopBackOff/i,
    Unhealthy,
    "look at the workload with `kubectl describe`; `clawfleet rollback` re-applies what was healthy",
  ],
  [/there is no (stack|cell)|no stack named/i, NotFound, "see `clawfleet stacks list`"],
];

/** Longest text of Pulumi's that is repeated in a message. */
const LONGEST = 1500;

/** The error that a command of Pulumi failed with. */
export function failedCommand(command: string, cell: string, code: number | null, report: EngineReport): FleetError {
  const where = `cell ${cell}: pulumi ${command}`;
  const { violations } = report;
  if (violations.length > 0) {
    const named = violations
      .slice(0, 5)
      .map(({ policy, urn, message }) => `${policy}: ${urn.split("::").at(-1) ?? urn}: ${message}`);
    const more = violations.length - named.length;
    return new PolicyViolation({
      what: [
        `${String(violations.length)} mandatory policy violation(s)`,
        ...named,
        ...(more > 0 ? [`and ${String(more)} more`] : []),
      ].join("\n  "),
      where,
      fix: "correct the settings, or see docs for an exemption",
    });
  }
  const text = report.errors
    .filter((line, index, all) => all.indexOf(line) === index)
    .join("\n  ")
    .slice(0, LONGEST);
  const what = text === "" ? `ended with ${String(code ?? "a signal")} and said nothing` : text;
  const kind = KINDS.find(([pattern]) => pattern.test(what));
  // Messages of ours bring a fix along.
  const [said = "", fix] = what.split(/\n\s*Fix: /);
  if (/no space left on device|ENOSPC|disk quota exceeded/.test(what)) return new Unwritable(where, "ENOSPC");
  if (kind === undefined) return new FleetError({ what: said, where, fix: fix ?? "correct what is named above" });
  return new kind[1]({ what: said, where, fix: fix ?? kind[2] });
}
