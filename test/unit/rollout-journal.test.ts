import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { NotFound, ValidationFailed } from "../../components/errors";
import type { RolloutEvent } from "../../stacks/fleet/rollout/events";
import { Journal, readJournal } from "../../stacks/fleet/rollout/journal";

const events: RolloutEvent[] = ["wave 1", "wäve 2", "wave 3"].map((wave, index) => ({
  at: `2026-11-21T18:00:0${String(index)}.000Z`,
  run: "r00001",
  type: "waveStarted",
  wave,
}));

describe("the journal of a run", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-journal-"));
    file = join(folder, "journal.jsonl");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (list: readonly RolloutEvent[]) => {
    const { journal } = Journal.open(file);
    for (const event of list) journal.append(event);
    journal.close();
  };

  it("gives back what was written", () => {
    write(events);
    assert.deepEqual(readJournal(file).events, events);
  });

  it("goes on behind the last whole line, wherever the process was killed", () => {
    write(events);
    const whole = readFileSync(file);
    fc.assert(
      fc.property(fc.nat(whole.length), (length) => {
        writeFileSync(file, whole.subarray(0, length));
        const { journal, events: left } = Journal.open(file);
        assert.deepEqual(left, events.slice(0, left.length), "what is left is a beginning");
        const lines = whole.subarray(0, length).toString("latin1").split("\n").length - 1;
        assert.equal(left.length, lines, "no whole line is lost");
        for (const event of events.slice(left.length)) journal.append(event);
        journal.close();
        assert.deepEqual(readFileSync(file), whole);
      }),
    );
  });

  it("refuses damage in the middle, with its line and what to do", () => {
    write(events);
    const lines = readFileSync(file, "utf8").split("\n");
    for (const damage of ["{", '{"type":"waveStarted"}', "\u0000\u0000"]) {
      writeFileSync(file, [lines[0], damage, ...lines.slice(2)].join("\n"));
      assert.throws(
        () => readJournal(file),
        (error) =>
          error instanceof ValidationFailed &&
          /journal\.jsonl:2: the journal is damaged/.test(error.message) &&
          error.fix !== undefined,
      );
    }
  });

  it("names a journal that is not there", () => {
    assert.throws(() => readJournal(file), NotFound);
  });

  it("leaves the event out that the disk did not take", () => {
    write(events.slice(0, 1));
    const { journal } = Journal.open(file);
    journal.close(); // a descriptor that cannot be written to
    assert.throws(() => {
      journal.append(events[1] as RolloutEvent);
    }, /journal\.jsonl: cannot be written \(EBADF\)\n {2}Fix: make room/);
    assert.deepEqual(readJournal(file).events, events.slice(0, 1));
  });
});
