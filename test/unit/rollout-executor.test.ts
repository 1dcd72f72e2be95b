import assert from "node:assert/strict";
import fc from "fast-check";
import { Environment } from "../../components/environment";
import { AuthExpired, RateLimited, Unreachable } from "../../components/errors";
import { eventSchema, type EventBody, type RolloutEvent } from "../../stacks/fleet/rollout/events";
import { execute, MEMORY_PER_CELL, type Attempt, type RunResult } from "../../stacks/fleet/rollout/executor";
import type { Plan, PlannedWave } from "../../stacks/fleet/rollout/plan-schema";
import { applyEvent, runState } from "../../stacks/fleet/rollout/run-state";
import { VirtualClock } from "../support/virtual-clock";

const wave = (name: string, ids: string[], over: Partial<PlannedWave> = {}): PlannedWave => ({
  name,
  cells: ids.map((id) => ({ id, stack: id, environment: Environment.Dev, configHash: id })),
  maxConcurrency: 2,
  maxFailures: 0,
  minSuccessTime: 0,
  progressDeadline: 600,
  approval: [],
  ...over,
});
const planOf = (waves: PlannedWave[], over: Partial<Plan> = {}): Plan => ({
  folder: "/fleet",
  waves,
  maxRetries: 3,
  budgets: { time: 86_400, retries: 20, pendingApproval: 3_600 },
  frozen: { gitRevision: "", configHash: "", lockHash: "", policyHash: "" },
  ...over,
});

/** A run in memory: cells take a second each, and do what the test says. */
class Lab {
  readonly clock = new VirtualClock();
  readonly events: RolloutEvent[] = [];
  readonly running = new Set<string>();
  most = 0;
  /** Times that a cell's work was completed. */
  readonly completed = new Map<string, number>();
  readonly requests = {
    pause: undefined as string | undefined,
    abort: undefined as string | undefined,
    approvals: new Set<string>(),
  };
  freeMemory = Infinity;
  /** What a cell does after its second. */
  act: (cell: string, attempt: Attempt) => Promise<void> | void = () => undefined;
  /** Called with every event that is written down; a throw is a disk that takes no more. */
  onRecord: (event: EventBody) => void = () => undefined;

  constructor(readonly plan: Plan) {
    this.events.push({ at: this.at(), run: "r00001", type: "runStarted", plan, by: "me@here" });
  }

  at(): string {
    return this.clock.now().toISOString();
  }

  /** Executes the run from where the events say that it is. */
  execute(signal: AbortSignal = new AbortController().signal): Promise<RunResult> {
    const state = runState(this.events);
    assert.ok(state);
    return execute(state, {
      runCell: async ({ id }, attempt) => {
        this.running.add(id);
        this.most = Math.max(this.most, this.running.size);
        try {
          attempt.emit({ type: "cellPhase", cell: id, phase: "up" });
          await this.clock.sleep(1, attempt.signal);
          attempt.signal.throwIfAborted();
          await this.act(id, attempt);
          attempt.healthy();
          this.completed.set(id, (this.completed.get(id) ?? 0) + 1);
          return "done";
        } finally {
          this.running.delete(id);
        }
      },
      record: (body) => {
        this.onRecord(body);
        const event = eventSchema.parse({ at: this.at(), run: "r00001", ...body });
        this.events.push(event);
        applyEvent(state, event);
      },
      requests: {
        paused: () => this.requests.pause,
        aborted: () => this.requests.abort,
        approved: (name, when) => (this.requests.approvals.has(`${name} ${when}`) ? "boss@desk" : undefined),
      },
      clock: this.clock,
      freeMemory: () => this.freeMemory,
      random: () => 0,
      by: "me@here",
      signal,
    });
  }

  types(): string[] {
    return this.events.map(({ type }) => type);
  }

  outcomes(): Record<string, string> {
    return Object.fromEntries(
      this.events.flatMap((event) => (event.type === "cellFinished" ? [[event.cell, event.outcome]] : [])),
    );
  }
}

const ids = (count: number, prefix = "c") => Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);

describe("the execution of a run", () => {
  it("rolls wave after wave out, never more cells at once than may be", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 })), {
          minLength: 1,
          maxLength: 3,
        }),
        async (sizes) => {
          const waves = sizes.map(([cells, maxConcurrency], index) =>
            wave(`w${String(index)}`, ids(cells, `w${String(index)}c`), { maxConcurrency }),
          );
          const lab = new Lab(planOf(waves));
          lab.act = (cell) => {
            const index = Number(/^w(\d)/.exec(cell)?.[1]);
            assert.ok(lab.running.size <= (waves[index]?.maxConcurrency ?? 0));
            for (const other of lab.running) assert.equal(other.slice(0, 2), cell.slice(0, 2), "one wave at a time");
          };
          assert.deepEqual((await lab.execute()).outcome, "done");
          assert.deepEqual(
            [...lab.completed.values()],
            waves.flatMap(({ cells }) => cells.map(() => 1)),
          );
          assert.equal(lab.types().at(-1), "runFinished");
        },
      ),
      { numRuns: 25 },
    );
  });

  it("starts no cell after more have failed than may, and fails no other one", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(9)),
        fc.nat(3),
        fc.integer({ min: 1, max: 3 }),
        async (bad, maxFailures, maxConcurrency) => {
          const lab = new Lab(planOf([wave("one", ids(10), { maxFailures, maxConcurrency }), wave("two", ["last"])]));
          lab.act = (cell) => {
            if (bad.map((index) => `c${String(index)}`).includes(cell)) throw new AuthExpired({ what: "no" });
          };
          const { outcome, failure } = await lab.execute();
          const outcomes = Object.values(lab.outcomes());
          const failed = outcomes.filter((each) => each === "failed").length;
          assert.equal(outcomes.length, 11, "every cell has an end");
          assert.equal(outcome, bad.length > maxFailures ? "failed" : "done");
          assert.equal(failure?.class, failed > 0 ? "AuthExpired" : undefined);
          assert.ok(failed <= maxFailures + maxConcurrency, "those that ran when the budget was used up, at most");
          assert.equal(lab.outcomes().last, bad.length > maxFailures ? "skipped" : "done");
          for (const [cell, each] of Object.entries(lab.outcomes()))
            if (each === "failed") assert.ok(bad.includes(Number(cell.slice(1))));
        },
      ),
      { numRuns: 40 },
    );
  });

  it("killed after any event, goes on without repeating what had finished", async () => {
    const plan = planOf([
      wave("one", ids(4), { approval: ["before"] }),
      wave("two", ids(3, "d"), { approval: ["after"] }),
    ]);
    const fresh = () => {
      const lab = new Lab(plan);
      lab.requests.approvals = new Set(["one before", "two after"]);
      return lab;
    };
    const whole = fresh();
    await whole.execute();
    for (let kept = 1; kept < whole.events.length; kept += 1) {
      const lab = fresh();
      lab.events.splice(0, 1, ...whole.events.slice(0, kept));
      const finished = Object.keys(lab.outcomes());
      assert.equal((await lab.execute()).outcome, "done");
      for (const id of finished) assert.equal(lab.completed.get(id), undefined, `${id} after ${String(kept)} events`);
      assert.equal(finished.length + lab.completed.size, 7);
      assert.equal(lab.types().filter((type) => type === "cellFinished").length, 7);
      assert.equal(lab.types().filter((type) => type === "waveFinished").length, 2);
      assert.equal(lab.types().filter((type) => type === "approved").length, 2);
    }
  });

  it("tries again only what may go away, with longer and longer waits", async () => {
    const lab = new Lab(planOf([wave("one", ["a", "b"], { maxFailures: 2 })]));
    const failures = new Map([
      ["a", [new Unreachable({ what: "gone" }), new RateLimited({ what: "slow" }), new Unreachable({ what: "gone" })]],
      ["b", [new AuthExpired({ what: "expired", fix: "log in" })]],
    ]);
    lab.act = (cell) => {
      const error = failures.get(cell)?.shift();
      if (error !== undefined) throw error;
    };
    assert.equal((await lab.execute()).outcome, "done");
    const waits = lab.events.flatMap((event) =>
      event.type === "cellRetried" ? [[event.cell, event.class, event.afterSeconds]] : [],
    );
    assert.deepEqual(waits, [
      ["a", "Unreachable", 5],
      ["a", "RateLimited", 20],
      ["a", "Unreachable", 20],
    ]);
    assert.deepEqual(lab.outcomes(), { a: "done", b: "failed" });
    const b = lab.events.find((event) => event.type === "cellFinished" && event.cell === "b");
    assert.deepEqual(b?.type === "cellFinished" && [b.class, b.message, b.fix], ["AuthExpired", "expired", "log in"]);
  });

  it("keeps the budgets of retries", async () => {
    const budgets = { time: 86_400, retries: 3, pendingApproval: 60 };
    const lab = new Lab(planOf([wave("one", ["a", "b"], { maxFailures: 2 })], { maxRetries: 2, budgets }));
    lab.act = () => {
      throw new Unreachable({ what: "gone" });
    };
    await lab.execute();
    assert.equal(lab.types().filter((type) => type === "cellRetried").length, 3);
    assert.deepEqual(lab.outcomes(), { a: "failed", b: "failed" });
  });

  it("ends a cell that takes too long, and no other", async () => {
    const lab = new Lab(planOf([wave("one", ["hangs", "works"], { maxFailures: 1, progressDeadline: 30 })]));
    lab.act = async (cell, { signal }) => {
      if (cell !== "hangs") return;
      await lab.clock.sleep(1e6, signal);
      signal.throwIfAborted();
    };
    await lab.execute();
    const ended = lab.events.flatMap((event) =>
      event.type === "cellFinished" ? [[event.cell, event.outcome, event.class, Math.round(event.seconds)]] : [],
    );
    assert.deepEqual(ended, [
      ["works", "done", undefined, 1],
      ["hangs", "failed", "Timeout", 30],
    ]);
  });

  it("is not led astray by a clock that jumps", async () => {
    const lab = new Lab(planOf([wave("one", ids(4), { progressDeadline: 30 })]));
    lab.act = (cell) => {
      lab.clock.jump += cell === "c1" ? 86_400 : -172_800;
    };
    assert.equal((await lab.execute()).outcome, "done");
    assert.ok(lab.events.every((event) => event.type !== "cellFinished" || event.seconds <= 2));
  });

  it("starts nothing while it is paused", async () => {
    const lab = new Lab(planOf([wave("one", ids(3), { maxConcurrency: 1 })]));
    lab.act = async (cell) => {
      if (cell !== "c0") return;
      lab.requests.pause = "op@desk";
      void lab.clock.sleep(100).then(() => {
        lab.requests.pause = undefined;
      });
      await lab.clock.sleep(1);
    };
    assert.equal((await lab.execute()).outcome, "done");
    const at = (type: string) => lab.events.find((event) => event.type === type)?.at ?? "";
    assert.ok(Date.parse(at("resumed")) - Date.parse(at("paused")) >= 95_000);
    const between = lab.events.slice(lab.types().indexOf("paused"), lab.types().indexOf("resumed"));
    assert.ok(between.every(({ type }) => type !== "cellStarted"));
  });

  it("cancels what runs when it is aborted, and skips the rest", async () => {
    const lab = new Lab(planOf([wave("one", ids(3), { maxConcurrency: 1 })]));
    lab.act = async (cell, { signal }) => {
      if (cell !== "c1") return;
      lab.requests.abort = "op@desk";
      await lab.clock.sleep(100, signal);
      signal.throwIfAborted();
    };
    assert.equal((await lab.execute()).outcome, "aborted");
    assert.deepEqual(lab.outcomes(), { c0: "done", c1: "cancelled", c2: "skipped" });
  });

  it("is interrupted without an end, and can be gone on with", async () => {
    const lab = new Lab(planOf([wave("one", ids(3), { maxConcurrency: 1 })]));
    const interruption = new AbortController();
    lab.act = async (cell, { signal }) => {
      if (cell !== "c1" || lab.types().includes("interrupted")) return;
      interruption.abort(new Error("Ctrl-C"));
      await lab.clock.sleep(100, signal);
      signal.throwIfAborted();
    };
    assert.equal((await lab.execute(interruption.signal)).outcome, "interrupted");
    assert.deepEqual(lab.outcomes(), { c0: "done" });
    assert.equal((await lab.execute()).outcome, "done");
    assert.deepEqual(lab.outcomes(), { c0: "done", c1: "done", c2: "done" });
    assert.deepEqual([...lab.completed.values()], [1, 1, 1]);
  });

  it("ends what runs when the disk takes no event any more, and can be gone on with", async () => {
    const lab = new Lab(planOf([wave("one", ids(4))]));
    let room = 7;
    lab.onRecord = () => {
      if (room-- <= 0) throw new Error("ENOSPC");
    };
    await assert.rejects(lab.execute(), /ENOSPC/);
    assert.equal(lab.running.size, 0);
    const finished = Object.keys(lab.outcomes());
    lab.onRecord = () => undefined;
    lab.completed.clear();
    assert.equal((await lab.execute()).outcome, "done");
    for (const id of finished) assert.equal(lab.completed.get(id), undefined);
  });

  it("waits for an approval, but not for ever", async () => {
    const lab = new Lab(planOf([wave("one", ["a"], { approval: ["before"] })]));
    void lab.clock.sleep(50).then(() => lab.requests.approvals.add("one before"));
    assert.equal((await lab.execute()).outcome, "done");
    const approved = lab.events.find((event) => event.type === "approved");
    assert.equal(approved?.type === "approved" && approved.by, "boss@desk");

    const budgets = { time: 86_400, retries: 0, pendingApproval: 20 };
    const late = new Lab(planOf([wave("one", ["a"], { approval: ["before"] })], { budgets }));
    const { outcome, message } = await late.execute();
    assert.equal(outcome, "failed");
    assert.match(message ?? "", /nobody approved the wave one \(before\) within 20 s/);
    assert.deepEqual(late.outcomes(), { a: "skipped" });
  });

  it("starts another cell only where there is memory for it, but always one", async () => {
    const lab = new Lab(planOf([wave("one", ids(4), { maxConcurrency: 4 })]));
    lab.freeMemory = MEMORY_PER_CELL - 1;
    await lab.execute();
    assert.equal(lab.most, 1);
  });

  it("starts no cell when the run's time is over", async () => {
    const lab = new Lab(
      planOf([wave("one", ids(9), { maxConcurrency: 1 })], { budgets: { time: 4, retries: 1, pendingApproval: 1 } }),
    );
    const { outcome, message } = await lab.execute();
    assert.equal(outcome, "failed");
    assert.match(message ?? "", /longer than 4 s/);
    assert.ok(lab.completed.size < 9 && lab.completed.size >= 3);
  });
});
