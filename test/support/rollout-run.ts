import { Environment } from "../../components/environment";
import type { EventBody, RolloutEvent } from "../../stacks/fleet/rollout/events";
import type { Plan } from "../../stacks/fleet/rollout/plan-schema";

/** The run's id in these events. */
export const RUN = "20261121t183000-1";
/** When it starts. */
export const START = Date.parse("2026-11-21T18:30:00.000Z");

/** A plan with the given cells in each wave. */
export function planOf(waves: Record<string, string[]>): Plan {
  return {
    folder: "/fleet",
    waves: Object.entries(waves).map(([name, cells]) => ({
      name,
      cells: cells.map((id) => ({ id, stack: id, environment: Environment.Prod, configHash: `hash-of-${id}` })),
      maxConcurrency: 2,
      maxFailures: 0,
      minSuccessTime: 0,
      progressDeadline: 600,
      approval: [],
    })),
    maxRetries: 3,
    budgets: { time: 3600, retries: 20, pendingApproval: 3600 },
    frozen: { gitRevision: "0123abc", configHash: "c0", lockHash: "10", policyHash: "90" },
  };
}

/** Events of one run, each at a number of seconds after its start. */
export function eventsOf(...bodies: [seconds: number, body: EventBody][]): RolloutEvent[] {
  return bodies.map(([seconds, body]) => ({ at: new Date(START + seconds * 1000).toISOString(), run: RUN, ...body }));
}

/** What a message could do if it were taken for more than text. */
export const HOSTILE = `<script>document.title="owned"</script><img src=x onerror="document.title='owned'">"'&\u001b[31m`;

/** A run of two waves: a cell that is done, one that fails after a retry with a hostile message, one that is skipped. */
export function failedRun(): RolloutEvent[] {
  const plan = planOf({ canary: ["eu-acme"], rest: ["eu-globex", "us-acme"] });
  const urn = "urn:pulumi:eu-globex::clawfleet::kubernetes:apps/v1:StatefulSet::eu-globex-gateway";
  return eventsOf(
    [0, { type: "runStarted", plan, by: "ada@desk", intent: "OpenClaw 2026.9.6" }],
    [0, { type: "approvalNeeded", wave: "canary", when: "before" }],
    [5, { type: "approved", wave: "canary", when: "before", by: "grace@desk" }],
    [5, { type: "waveStarted", wave: "canary" }],
    [5, { type: "cellStarted", cell: "eu-acme", attempt: 1 }],
    [5, { type: "cellPhase", cell: "eu-acme", phase: "identity" }],
    [6, { type: "cellPhase", cell: "eu-acme", phase: "preview" }],
    [10, { type: "cellChanges", cell: "eu-acme", adds: 3, updates: 1, replaces: 0, deletes: 0 }],
    [10, { type: "cellPhase", cell: "eu-acme", phase: "up" }],
    [12, { type: "cellProgress", cell: "eu-acme", done: 2, total: 4 }],
    [20, { type: "cellPhase", cell: "eu-acme", phase: "health" }],
    [25, { type: "cellFinished", cell: "eu-acme", outcome: "done", seconds: 20 }],
    [25, { type: "waveFinished", wave: "canary", outcome: "done" }],
    [25, { type: "waveStarted", wave: "rest" }],
    [25, { type: "cellStarted", cell: "eu-globex", attempt: 1 }],
    [25, { type: "cellPhase", cell: "eu-globex", phase: "identity" }],
    [27, { type: "cellRetried", cell: "eu-globex", class: "Unreachable", message: "no answer", afterSeconds: 3 }],
    [30, { type: "cellStarted", cell: "eu-globex", attempt: 2 }],
    [30, { type: "cellPhase", cell: "eu-globex", phase: "policy" }],
    [
      31,
      { type: "policyFinding", cell: "eu-globex", policy: "images-pinned", level: "mandatory", urn, message: HOSTILE },
    ],
    [
      32,
      {
        type: "cellFinished",
        cell: "eu-globex",
        outcome: "failed",
        class: "PolicyViolation",
        message: HOSTILE,
        fix: "pin the image <b>by digest</b>",
        seconds: 7,
      },
    ],
    [32, { type: "cellFinished", cell: "us-acme", outcome: "skipped", seconds: 0 }],
    [32, { type: "waveFinished", wave: "rest", outcome: "failed" }],
    [
      33,
      {
        type: "runFinished",
        outcome: "failed",
        done: 1,
        unchanged: 0,
        failed: 1,
        cancelled: 0,
        skipped: 1,
        seconds: 33,
      },
    ],
  );
}
