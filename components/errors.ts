/** What every error of this package tells: what happened, where, and what to do about it. */
export interface Problem {
  /** What happened, in one sentence without a full stop. */
  what: string;
  /** Where: an option's path, a file, a cluster, an object. */
  where?: string;
  /** What to do: names the option or the command that fixes it. */
  fix?: string;
}

/**
 * An error with a class that callers can act on and a message that users can act on. It carries no secret, and is
 * meant to be printed as its message alone: the stack is for us.
 */
export class FleetError extends Error {
  /** Pulumi's mark (see its RunError) for an error whose message says it all: the engine then prints no stack. */
  readonly __pulumiRunError = true;
  readonly what: string;
  readonly where: string | undefined;
  readonly fix: string | undefined;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(describe(problem), options);
    this.name = new.target.name;
    this.what = problem.what;
    this.where = problem.where;
    this.fix = problem.fix;
    // Pulumi's runtime colours every error's stack with util.inspect, which takes 20 s for frames in node_modules on
    // Node 20 (pulumi/pulumi#21326). The message says it all; CLAWFLEET_DEBUG brings the stack back.
    if (process.env.CLAWFLEET_DEBUG === undefined) this.stack = undefined;
  }
}

/** Credentials were accepted once and are not any more. */
export class AuthExpired extends FleetError {}
/** The other side asked us to slow down. */
export class RateLimited extends FleetError {}
/** Something that was named does not exist. */
export class NotFound extends FleetError {}
/** What was asked for is wrong; nothing was written. */
export class ValidationFailed extends FleetError {}
/** Someone else holds or owns what we need. */
export class Conflict extends FleetError {}
/** No answer from the other side. */
export class Unreachable extends FleetError {}
/** An answer, but not within the time allowed. */
export class Timeout extends FleetError {}
/** What is on a cluster is not what was put there. */
export class Drifted extends FleetError {}
/** A policy forbids it. */
export class PolicyViolation extends FleetError {}
/** It is there and does not do its work. */
export class Unhealthy extends FleetError {}

function describe({ what, where, fix }: Problem): string {
  return [where === undefined ? what : `${where}: ${what}`, ...(fix === undefined ? [] : [`Fix: ${fix}`])].join("\n  ");
}
