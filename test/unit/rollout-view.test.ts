import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { openRolloutView } from "../../cli/rollout-view";
import { eventSchema } from "../../stacks/fleet/rollout/events";
import { plainLine } from "../../stacks/fleet/rollout/view/lines";
import { cellsOf, phaseOf, recordOf, remainingMs } from "../../stacks/fleet/rollout/view/record";
import { tableLines } from "../../stacks/fleet/rollout/view/table";
import { duration } from "../../stacks/fleet/rollout/view/words";
import { eventsOf, failedRun, HOSTILE, planOf, RUN, START } from "../support/rollout-run";

const cellOf = (events: ReturnType<typeof failedRun>, id: string) => {
  const cell = cellsOf(recordOf(events)).find((candidate) => candidate.id === id);
  assert.ok(cell);
  return cell;
};
const at = (seconds: number) => START + seconds * 1000;
const SIZE = { columns: 100, rows: 30, colour: false };

describe("the record of a rollout", () => {
  it("is of events as the schema has them", () => {
    for (const event of failedRun()) assert.deepEqual(eventSchema.parse(event), event);
  });

  it("knows waves, cells, phases, attempts, changes, findings and how each ended", () => {
    const record = recordOf(failedRun());
    assert.equal(record.status, "failed");
    assert.deepEqual(
      record.waves.map(({ name, status, approvals }) => [name, status, approvals.map(({ by }) => by)]),
      [
        ["canary", "done", ["grace@desk"]],
        ["rest", "failed", []],
      ],
    );
    const acme = cellOf(failedRun(), "eu-acme");
    assert.deepEqual(
      acme.phases.map(({ phase, startedAt, endedAt = 0 }) => [phase, endedAt - startedAt]),
      [
        ["identity", 1000],
        ["preview", 4000],
        ["up", 10_000],
        ["health", 5000],
      ],
    );
    const globex = cellOf(failedRun(), "eu-globex");
    assert.equal(globex.attempt, 2);
    assert.deepEqual([globex.retries.length, globex.findings.length], [1, 1]);
    assert.deepEqual(
      globex.phases.map(({ phase, attempt, endedAt }) => [phase, attempt, endedAt]),
      [
        ["identity", 1, at(27)],
        ["policy", 2, at(32)],
      ],
    );
    assert.equal(cellOf(failedRun(), "us-acme").finished?.outcome, "skipped");
  });

  it("ends what was under way when a killed run is resumed, and goes on from there", () => {
    const events = eventsOf(
      [0, { type: "runStarted", plan: planOf({ all: ["a"] }), by: "ada@desk" }],
      [0, { type: "waveStarted", wave: "all" }],
      [0, { type: "cellStarted", cell: "a", attempt: 1 }],
      [1, { type: "cellPhase", cell: "a", phase: "up" }],
      [4, { type: "cellProgress", cell: "a", done: 1, total: 9 }],
      [500, { type: "resumed", by: "ada@desk" }],
      [501, { type: "cellStarted", cell: "a", attempt: 2 }],
      [501, { type: "cellPhase", cell: "a", phase: "preview" }],
    );
    const cell = cellOf(events, "a");
    assert.equal(cell.phases[0]?.endedAt, at(4));
    assert.equal(phaseOf(cell)?.phase, "preview");
    assert.equal(cell.progress, undefined);
  });

  it("never goes back in time with a clock that was set back", () => {
    const events = failedRun().map((event, index) =>
      index < 12 ? event : { ...event, at: new Date(START - 3_600_000).toISOString() },
    );
    for (const cell of cellsOf(recordOf(events)))
      for (const { startedAt, endedAt = 0 } of cell.phases) assert.ok(endedAt >= startedAt);
  });

  it("estimates what is left from the cells that are done and the waves' concurrency", () => {
    const plan = planOf({ first: ["a"], second: ["b", "c", "d", "e"] });
    const started = eventsOf(
      [0, { type: "runStarted", plan, by: "ada@desk" }],
      [0, { type: "waveStarted", wave: "first" }],
      [0, { type: "cellStarted", cell: "a", attempt: 1 }],
    );
    assert.equal(remainingMs(recordOf(started), at(30)), undefined, "nothing to judge by");
    const done = [...started, ...eventsOf([60, { type: "cellFinished", cell: "a", outcome: "done", seconds: 60 }])];
    assert.equal(remainingMs(recordOf(done), at(60)), 120_000, "four cells, two at a time, a minute each");
    const half = [...done, ...eventsOf([60, { type: "cellStarted", cell: "b", attempt: 1 }])];
    assert.equal(remainingMs(recordOf(half), at(90)), 105_000);
  });
});

describe("the live table", () => {
  it("shows the whole, each wave, and the cells that are under way or failed", () => {
    const running = failedRun().slice(0, 10);
    assert.deepEqual(tableLines(recordOf(running), at(15), SIZE), [
      `rollout ${RUN} running · 0/3 cells · 15s`,
      "wave canary   running   0/1            10s",
      "  eu-acme     up        2/4            10s",
      "wave rest     waiting   0/2",
    ]);
    const lines = tableLines(recordOf(failedRun()), at(60), SIZE);
    assert.equal(lines[0], `rollout ${RUN} failed · 3/3 cells · 33s`);
    assert.match(lines[3] ?? "", /^ {2}eu-globex {3}failed .* attempt 2 PolicyViolation: /);
    assert.doesNotMatch(lines.join("\n"), /us-acme/, "what was skipped is in the wave's numbers");
  });

  it("says which wave waits for an approval", () => {
    const lines = tableLines(recordOf(failedRun().slice(0, 2)), at(1), SIZE);
    assert.match(lines[1] ?? "", /waits for an approval$/);
  });

  it("is never wider or longer than the terminal, however many cells there are, and hides no cell silently", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 3, max: 60 }),
        fc.integer({ min: 10, max: 120 }),
        (sizes, rows, columns) => {
          const waves = sizes.map((size, wave) =>
            Array.from({ length: size }, (_, cell) => `c${String(wave)}-${String(cell)}`),
          );
          const plan = planOf(Object.fromEntries(waves.map((cells, wave) => [`w${String(wave)}`, cells])));
          const events = eventsOf(
            [0, { type: "runStarted", plan, by: "ada@desk" }],
            ...waves
              .flat()
              .map((cell): [number, { type: "cellStarted"; cell: string; attempt: number }] => [
                1,
                { type: "cellStarted", cell, attempt: 1 },
              ]),
          );
          const lines = tableLines(recordOf(events), at(9), { rows, columns, colour: false });
          assert.ok(lines.length < rows, `${String(lines.length)} lines in ${String(rows)} rows`);
          for (const line of lines) assert.ok([...line].length <= columns, line);
          const coloured = tableLines(recordOf(events), at(9), { rows, columns, colour: true });
          assert.deepEqual(coloured.map(stripVTControlCharacters), lines);
          const shown = lines.filter((line) => /^ {2}c/.test(line)).length;
          const room = rows - 2 - sizes.length;
          const all = sizes.reduce((sum, size) => sum + size, 0);
          if (shown < all && room > 0) assert.ok(lines.some((line) => line.includes("… and")));
        },
      ),
    );
  });
});

describe("plain lines", () => {
  it("tell each event in one line, and leave progress out", () => {
    const events = failedRun();
    const lines = events.map(plainLine);
    assert.equal(lines[0], `18:30:00Z rollout ${RUN} by ada@desk: 3 cells in 2 waves`);
    assert.equal(lines[2], "18:30:05Z wave canary: approved by grace@desk");
    assert.equal(lines[7], "18:30:10Z eu-acme: changes: 3 added, 1 updated");
    assert.equal(lines[16], "18:30:27Z eu-globex: Unreachable: no answer; again in 3s");
    assert.equal(lines.filter((line) => line === undefined).length, 1);
  });

  it("let no message break out of its line or reach the terminal's controls", () => {
    const text = failedRun().map(plainLine).join("\n") + tableLines(recordOf(failedRun()), at(60), SIZE).join("\n");
    assert.ok(HOSTILE.includes("\u001b"));
    // eslint-disable-next-line no-control-regex -- that is what it is about
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f]/);
  });

  it("write durations for people", () => {
    assert.deepEqual([0, 850, 59_400, 245_000, 7_500_000].map(duration), ["0s", "1s", "59s", "4m 05s", "2h 05m"]);
  });
});

describe("the view of a rollout", () => {
  /** A terminal, or what takes its place, that keeps what was written to it. */
  class Screen extends Writable {
    readonly columns = 80;
    readonly rows = 24;
    text = "";
    constructor(readonly isTTY: boolean) {
      super();
    }
    hasColors(): boolean {
      return false;
    }
    override _write(chunk: Buffer, _: string, done: () => void): void {
      this.text += chunk.toString();
      done();
    }
  }
  const show = async (isTTY: boolean, env: NodeJS.ProcessEnv) => {
    const screen = new Screen(isTTY);
    const view = await openRolloutView(false, screen as unknown as NodeJS.WriteStream, env);
    for (const event of failedRun()) view.listener(event);
    view.close();
    return screen.text;
  };

  it("is a table on a terminal, whose last picture stays", async () => {
    const text = await show(true, {});
    assert.match(stripVTControlCharacters(text), /failed · 3\/3 cells · 33s\nwave canary[^]*wave rest[^]*eu-globex/);
  });

  it("is plain lines in CI and without a terminal, with nothing for terminals in them", async () => {
    const lines = failedRun().flatMap((event) => plainLine(event) ?? []);
    for (const [isTTY, env] of [
      [false, {}],
      [true, { CI: "true" }],
      [true, { TERM: "dumb" }],
    ] as const)
      assert.equal(await show(isTTY, env), lines.map((line) => `${line}\n`).join(""));
  });

  it("is the events themselves with --json, a line each", async () => {
    const written: string[] = [];
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = (chunk: string | Uint8Array) => written.push(chunk.toString()) > 0;
    try {
      const view = await openRolloutView(true);
      for (const event of failedRun()) view.listener(event);
      view.close();
    } finally {
      process.stdout.write = write;
    }
    assert.deepEqual(
      written.map((line) => JSON.parse(line) as unknown),
      failedRun(),
    );
  });
});
