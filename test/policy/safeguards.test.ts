import assert from "node:assert/strict";
import { Environment } from "../../components/environment";
import { resourcePolicies, stackPolicies } from "../../policy/policies";
import { everyPart } from "./cell";
import { configOf, findingsIn, inspectedCell, verdictOn } from "./pack";
import { SAFEGUARDS, without } from "./safeguards";
import type { Inspected } from "./support";

/** What cannot be taken away from a cell: it has none of it. */
const NOT_OURS = ["apis-served", "objects-visible", "replicas-autoscaled", "preview-decided"];

/** The table for people: `PRINT_SAFEGUARDS=1 npx mocha dist/test/policy/safeguards.test.js`, or `npm run safeguards`. */
const rows: string[] = [];

describe("a safeguard of our own stack that is taken away", () => {
  let cell: Inspected[];
  const prod = configOf(Environment.Prod);
  before(async () => {
    cell = await inspectedCell(everyPart());
    assert.deepEqual(await findingsIn(cell, prod), []);
  });
  after(() => {
    if (process.env.PRINT_SAFEGUARDS === undefined) return;
    const head = ["| safeguard | taken from | found by | at |", "| --- | --- | --- | --- |"];
    process.stdout.write(
      `${[...head, ...rows].join("\n")}\n${String(rows.length)} of ${String(SAFEGUARDS.length)} found\n`,
    );
  });

  for (const safeguard of SAFEGUARDS) {
    it(`is found: ${safeguard.what}`, async () => {
      const findings = await verdictOn(without(safeguard, cell), prod);
      const found = new Set(findings.map(({ policy }) => policy));
      assert.deepEqual([...found].sort(), [...safeguard.policies].sort(), JSON.stringify(findings));
      assert.ok(!JSON.stringify(findings).includes("canary"));
      const place = findings[0]?.path ?? "";
      rows.push(`| ${safeguard.what} | \`${safeguard.resource}\` | ${safeguard.policies.join(", ")} | \`${place}\` |`);
    });
  }

  it("is found: an explicit provider", async () => {
    const [first, ...others] = cell.filter(({ type }) => type === "kubernetes:core/v1:Service");
    assert.ok(first !== undefined && others.length > 0);
    const provider = { type: "pulumi:providers:kubernetes", name: "default_4_27_0" };
    const findings = await findingsIn([{ ...first, provider }], prod);
    assert.deepEqual(
      findings.map((finding) => finding.split(":")[0]),
      ["provider-explicit"],
    );
  });

  it("is of every policy that a cell can violate", () => {
    const tried = new Set(SAFEGUARDS.flatMap(({ policies }) => policies));
    const names = [...resourcePolicies, ...stackPolicies].map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => !tried.has(name)),
      names.filter((name) => NOT_OURS.includes(name)),
    );
  });
});
