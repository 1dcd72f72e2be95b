import assert from "node:assert/strict";
import fc from "fast-check";
import { Environment } from "../../components/environment";
import { ValidationFailed } from "../../components/errors";
import { makePlan, type PlannableCell } from "../../stacks/fleet/rollout/plan";
import { planSchema } from "../../stacks/fleet/rollout/plan-schema";
import { selects, strategySchema, type Strategy } from "../../stacks/fleet/rollout/strategy";
import { parseSelector, selectCells } from "../../stacks/fleet/selector";

const FROZEN = { gitRevision: "abc", configHash: "c", lockHash: "l", policyHash: "p" };

function cell(id: string, labels: Record<string, string> = {}): PlannableCell {
  return { id, stack: id, environment: Environment.Dev, labels: { environment: "dev", ...labels }, configHash: id };
}

function planOf(cells: PlannableCell[], strategy?: Strategy, selected = cells) {
  return makePlan({ folder: "/fleet", fleet: cells, selected, strategy, frozen: FROZEN });
}

const value = fc.constantFrom("a", "b", "c");
const cells = fc
  .uniqueArray(fc.record({ n: fc.nat(60), tier: value, region: value }), { selector: ({ n }) => n, minLength: 1 })
  .map((list) => list.map(({ n, tier, region }) => cell(`cell-${String(n)}`, { tier, region })));
const limit = fc.oneof(
  fc.nat(9),
  fc.nat(100).map((share) => `${String(share)}%`),
);
const duration = fc.tuple(fc.nat(90), fc.constantFrom("s", "m", "h")).map(([count, unit]) => `${String(count)}${unit}`);
const selector = fc.record(
  {
    matchLabels: fc.dictionary(fc.constantFrom("tier", "region"), value, { noNullPrototype: true }),
    matchExpressions: fc.array(
      fc.record({
        key: fc.constantFrom("tier", "region", "other"),
        operator: fc.constantFrom("In" as const, "NotIn" as const),
        values: fc.array(value, { minLength: 1, maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);
const limits = {
  maxConcurrency: limit.filter((amount) => amount !== 0 && amount !== "0%"),
  maxFailures: limit,
  minSuccessTime: duration,
  progressDeadline: duration,
};
/** Waves at random, of which few fit, and waves by one label, which always do. */
const someWaves = fc
  .uniqueArray(
    fc.record(
      {
        name: fc.constantFrom("one", "two", "three"),
        selector,
        approval: fc.constantFrom("before" as const, "after" as const),
        canary: fc.integer({ min: 1, max: 3 }),
        ...limits,
      },
      { requiredKeys: ["name", "selector"] },
    ),
    { selector: ({ name }) => name, minLength: 1 },
  )
  .chain((waves) => fc.record({ waves: fc.constant(waves), ...limits }, { requiredKeys: ["waves"] }));

const byLabel = fc
  .record({ key: fc.constantFrom("tier", "region"), first: fc.subarray(["a", "b", "c"], { minLength: 1 }) })
  .map(({ key, first }): Strategy => {
    const expression = (operator: "In" | "NotIn") => ({ matchExpressions: [{ key, operator, values: first }] });
    return {
      waves: [
        { name: "first", selector: expression("In"), canary: 2 },
        { name: "rest", selector: expression("NotIn") },
      ],
    };
  });
const strategies = fc.oneof(someWaves, byLabel);

describe("the plan of a rollout", () => {
  it("puts every cell into exactly one wave, or names those it cannot", () => {
    let planned = 0;
    fc.assert(
      fc.property(cells, strategies, (fleet, strategy) => {
        const checked = strategySchema.parse(strategy);
        const wavesOf = (each: PlannableCell) => checked.waves.filter((wave) => selects(wave.selector, each.labels));
        const misfits = fleet.filter((each) => wavesOf(each).length !== 1);
        const useless = checked.waves.filter((wave) => !fleet.some((each) => selects(wave.selector, each.labels)));
        try {
          const plan = planOf(fleet, checked);
          planned += 1;
          assert.deepEqual([...misfits, ...useless], []);
          const ids = plan.waves.flatMap((wave) => wave.cells.map(({ id }) => id));
          assert.deepEqual([...ids].sort(), fleet.map(({ id }) => id).sort());
        } catch (error) {
          assert.ok(error instanceof ValidationFailed, String(error));
          assert.ok(misfits.length + useless.length > 0, error.message);
          if (useless.length === 0 && misfits.length <= 20)
            for (const { id } of misfits) assert.ok(error.message.includes(id), `${id}: ${error.message}`);
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(planned > 20, "some of the plans are possible");
  });

  it("keeps the waves' order, starts at least one cell at a time, and never lets all of a share fail", () => {
    fc.assert(
      fc.property(
        cells,
        limits.maxConcurrency,
        limit,
        fc.integer({ min: 1, max: 3 }),
        (fleet, some, failures, canary) => {
          const waves = ["c", "a", "b"].map((tier) => ({ name: tier, selector: { matchLabels: { tier } }, canary }));
          const used = waves.filter(({ name }) => fleet.some(({ labels }) => labels.tier === name));
          const plan = planOf(fleet, { waves: used, maxConcurrency: some, maxFailures: failures });
          const order = plan.waves.map(({ name }) => name.replace("-canary", ""));
          assert.deepEqual(
            [...new Set(order)],
            used.map(({ name }) => name),
          );
          for (const wave of plan.waves) {
            assert.ok(wave.maxConcurrency >= 1);
            if (typeof failures === "string" && failures !== "100%") assert.ok(wave.maxFailures < wave.cells.length);
            if (wave.name.endsWith("-canary")) assert.equal(wave.cells.length, canary);
          }
          planSchema.parse(JSON.parse(JSON.stringify(plan)));
        },
      ),
    );
  });

  it("is the same whatever the order of the inventory", () => {
    fc.assert(
      fc.property(cells, (fleet) => {
        const strategy = { waves: [{ name: "all", selector: {}, canary: 1 }] };
        assert.deepEqual(planOf([...fleet].reverse(), strategy), planOf(fleet, strategy));
      }),
    );
  });

  it("leaves out waves that have none of the selected cells", () => {
    const fleet = [cell("a", { tier: "a" }), cell("b", { tier: "b" })];
    const waves = ["a", "b"].map((tier) => ({ name: tier, selector: { matchLabels: { tier } } }));
    assert.deepEqual(
      planOf(fleet, { waves }, fleet.slice(1)).waves.map(({ name }) => name),
      ["b"],
    );
  });

  it("rolls dev out before stage and prod, and one cell of prod first, when nothing else is said", () => {
    const fleet = ["prod", "stage", "dev"].flatMap((environment) =>
      ["x", "y"].map((name) => cell(`${environment}-${name}`, { environment })),
    );
    assert.deepEqual(
      planOf(fleet).waves.map((wave) => [wave.name, wave.cells.map(({ id }) => id).join(" "), wave.maxConcurrency]),
      [
        ["dev", "dev-x dev-y", 4],
        ["stage", "stage-x stage-y", 4],
        ["prod-canary", "prod-x", 4],
        ["prod", "prod-y", 4],
      ],
    );
  });

  it("asks for approval before the canary, or after the rest", () => {
    const wave = { name: "all", selector: {}, canary: 1 };
    const approvals = (approval: "before" | "after") =>
      planOf([cell("a"), cell("b")], { waves: [{ ...wave, approval }] }).waves.map((each) => each.approval);
    assert.deepEqual(approvals("before"), [["before"], []]);
    assert.deepEqual(approvals("after"), [[], ["after"]]);
  });

  const refused: [string, unknown, RegExp][] = [
    ["no cell at a time", { waves: [{ name: "a", selector: {}, maxConcurrency: 0 }] }, /at least one cell/],
    ["a share above all", { waves: [{ name: "a", selector: {}, maxFailures: "101%" }] }, /share of the wave's cells/],
    ["a duration without a unit", { waves: [{ name: "a", selector: {}, minSuccessTime: "5" }] }, /90s, 30m or 2h/],
    ["two waves of one name", { waves: [1, 2].map(() => ({ name: "a", selector: {} })) }, /its own name/],
    ["an unknown key", { waves: [{ name: "a", selector: {}, maxParallel: 2 }] }, /maxParallel/],
    [
      "an operator without values",
      { waves: [{ name: "a", selector: { matchExpressions: [{ key: "tier", operator: "In" }] } }] },
      /In needs values/,
    ],
  ];
  for (const [what, strategy, message] of refused)
    it(`refuses ${what}`, () => {
      const { error } = strategySchema.safeParse(strategy);
      assert.match(JSON.stringify(error?.issues), message);
    });
});

describe("the selector of a command", () => {
  const fleet = ["eu", "us"].flatMap((region) =>
    ["acme", "globex"].map((tenant) => ({ id: `${region}-${tenant}`, labels: { region, tenant } })),
  ) as unknown as Parameters<typeof selectCells>[0];
  const ids = (text: string) =>
    selectCells(fleet, text)
      .map(({ id }) => id)
      .join(" ");

  it("reads kubectl's syntax", () => {
    assert.equal(ids("region=eu"), "eu-acme eu-globex");
    assert.equal(ids("region!=eu,tenant==acme"), "us-acme");
    assert.equal(ids("tenant in (acme, globex),region notin (us)"), "eu-acme eu-globex");
    assert.equal(ids("region,!canary,tenant=globex"), "eu-globex us-globex");
  });

  it("takes a cell's id", () => {
    assert.equal(ids("us-globex"), "us-globex");
  });

  it("says what it cannot read, and what selects nothing", () => {
    assert.throws(() => parseSelector("region=eu,=b"), /cannot be read at "=b"/);
    assert.throws(() => ids("region=asia"), /selects no cell/);
    assert.throws(() => ids("us-globx"), /did you mean us-globex\?/);
  });
});
