import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse, parseAllDocuments } from "yaml";
import { escapeTemplate, sameSize, writePackages } from "../../bench/chart";
import { CommandFailed, measure } from "../../bench/measure";
import { report, table } from "../../bench/report";
import { inSequence, median, summarize, verdicts, type Cost } from "../../bench/statistics";

describe("bench: statistics", () => {
  it("takes the middle value, and the mean of two", () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 2, 9]), 3);
    assert.throws(() => median([]), RangeError);
  });

  it("has as many values below the median as above", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        assert.ok(below <= values.length / 2 && above <= values.length / 2);
      }),
    );
  });

  it("summarizes each figure for itself, and leaves out what one run did not tell", () => {
    const cost = (wall: number, cpu: number | undefined, memory: number): Cost => ({
      wall,
      cpu,
      memory,
      busy: wall / 4,
    });
    assert.deepEqual(summarize([cost(3, 1, 10), cost(1, 2, 30), cost(2, 3, 20)]), {
      wall: { median: 2, min: 1, max: 3 },
      cpu: 2,
      memory: 20,
      busy: 0.5,
    });
    assert.equal(summarize([cost(1, 1, 1), cost(1, undefined, 1)]).cpu, undefined);
  });

  it("adds commands up, but not their memory", () => {
    const costs = [
      { wall: 1, cpu: 0.5, memory: 10, busy: 1 },
      { wall: 2, cpu: 0.25, memory: 30, busy: 0.25 },
    ];
    assert.deepEqual(inSequence(costs), { wall: 3, cpu: 0.75, memory: 30, busy: 0.5 });
  });
});

describe("bench: targets", () => {
  const walls = { upOne: 4, upTwo: 6, previewOne: 1.2, previewTwo: 1.5, previewEmpty: 1, helm: 1 };

  it("compares up with helm, previews with an empty one and 12 ms per object, and the second cluster with the first", () => {
    const [up, one, two, second] = verdicts(walls, { one: 17, two: 34 });
    assert.deepEqual([up?.ratio, up?.ok], [4, true]);
    assert.deepEqual([one?.ratio.toFixed(4), one?.ok], [(1.2 / 1.204).toFixed(4), true]);
    assert.deepEqual([two?.ratio.toFixed(4), two?.ok], [(1.5 / 1.408).toFixed(4), false]);
    assert.deepEqual([second?.ratio, second?.ok], [0.5, true]);
  });

  it("tells a miss", () => {
    const [up, , , second] = verdicts({ ...walls, upOne: 4.1, upTwo: 7 }, { one: 17, two: 34 });
    assert.equal(up?.ok, false);
    assert.equal(second?.ok, false);
  });
});

describe("bench: report", () => {
  it("aligns columns", () => {
    assert.deepEqual(
      table(
        ["", "ratio"],
        [
          ["one", "10.00"],
          ["eleven", "1.00"],
        ],
      ),
      ["        ratio", "one     10.00", "eleven   1.00"],
    );
  });

  it("shows a dash for what the system does not tell, and says ok or miss", () => {
    const summary = { wall: { median: 1, min: 0.5, max: 2 }, cpu: undefined, memory: 3 * 2 ** 20, busy: 0.954 };
    const text = report([{ name: "helm", summary }], [{ name: "up", ratio: 5, target: 4, ok: false }]);
    assert.match(text, /^helm +1\.00 s \(0\.50 s-2\.00 s\) +- +3 MiB +95 %$/m);
    assert.match(text, /^up +5\.00 +<= 4 +miss$/m);
  });
});

describe("bench: what kubectl and helm get", () => {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "cell" } };
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "token", namespace: "cell" } };
  const encoded = Buffer.from("0123456789").toString("base64");

  it("is every object, the Namespace first, with Secrets of the same size and other content", () => {
    const folder = mkdtempSync(join(tmpdir(), "clawfleet-bench-"));
    try {
      const secrets = new Map([["token", { TOKEN: encoded }]]);
      const { manifest, chart } = writePackages(folder, [secret, namespace], secrets);
      const objects = parseAllDocuments(readFileSync(manifest, "utf8")).map((document) => document.toJS() as unknown);
      assert.deepEqual(objects[0], namespace);
      const { data } = objects[1] as { data: Record<string, string> };
      assert.equal(data.TOKEN?.length, encoded.length);
      assert.notEqual(data.TOKEN, encoded);
      assert.deepEqual(parse(readFileSync(join(chart, "templates", "secret-token.yaml"), "utf8")), objects[1]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("has random data of the same number of bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const original = Buffer.from(bytes).toString("base64");
        assert.equal(Buffer.from(sameSize(original), "base64").length, bytes.length);
      }),
    );
  });

  it("is text to Helm", () => {
    assert.equal(escapeTemplate("a {{ b }} c"), 'a {{ "{{" }} b }} c');
  });
});

describe("bench: measuring", () => {
  const node = (script: string) =>
    measure({ program: process.execPath, args: ["-e", script], cwd: tmpdir(), env: process.env });

  it("counts a grandchild's time and memory", async function () {
    if (process.platform !== "linux") this.skip();
    const burn = "const b = Buffer.alloc(2e8, 1); const end = Date.now() + 500; while (Date.now() < end); b.at(0)";
    const cost = await node(`require("child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(burn)}])`);
    assert.ok(cost.wall >= 0.5 && cost.wall < 20);
    assert.ok((cost.cpu ?? 0) > 0.1);
    assert.ok((cost.memory ?? 0) > 2e8);
    assert.ok(cost.busy > 0 && cost.busy <= 1);
  });

  it("fails with the command's output", async () => {
    await assert.rejects(node("console.error('the cause'); process.exit(3)"), (error: unknown) => {
      assert.ok(error instanceof CommandFailed);
      assert.match(error.message, /ended with 3\nthe cause/);
      return true;
    });
  });

  it("stops a command that is interrupted", async () => {
    const interruption = new AbortController();
    setTimeout(() => interruption.abort(new Error("interrupted")), 200);
    const command = {
      program: process.execPath,
      args: ["-e", "setTimeout(() => {}, 60000)"],
      cwd: tmpdir(),
      env: process.env,
    };
    await assert.rejects(measure(command, interruption.signal), /interrupted/);
  });
});
