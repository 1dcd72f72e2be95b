import assert from "node:assert/strict";
import { register } from "node:module";
import fc from "fast-check";
import { stringify } from "yaml";
import { ValidationFailed } from "../../components/errors";
import { githubWorkflow, lostOnGithub } from "../../stacks/fleet/emit/github";
import { lostOnOperator, operatorStacks } from "../../stacks/fleet/emit/operator";
import { strategySchema } from "../../stacks/fleet/rollout/strategy";
import { planOf } from "../support/rollout-run";

const OPTIONS = {
  repository: "https://git.example.com/fleet.git",
  commit: "0123abc",
  organization: "organization",
  namespace: "pulumi",
  within: "1h",
};

/** The plan with other settings of one of its waves. */
function planWith(waves: Record<string, string[]>, name: string, settings: object): ReturnType<typeof planOf> {
  const plan = planOf(waves);
  return { ...plan, waves: plan.waves.map((wave) => (wave.name === name ? { ...wave, ...settings } : wave)) };
}

interface Job {
  needs?: string;
  environment?: string;
  strategy?: { "max-parallel": number; "fail-fast": boolean; matrix: { cell: string[] } };
  steps: { run?: string; env?: Record<string, string> }[];
}

const jobsOf = (plan: Parameters<typeof githubWorkflow>[0]) => githubWorkflow(plan).jobs as Record<string, Job>;

describe("a plan for the Pulumi Kubernetes Operator", () => {
  it("is a Stack for each cell that waits for every cell of the wave before", () => {
    const stacks = operatorStacks(planOf({ dev: ["a"], prod: ["b", "c"] }), OPTIONS);
    assert.deepEqual(
      stacks.map(({ metadata, spec }) => [metadata.name, spec.stack, spec.prerequisites]),
      [
        ["a", "organization/clawfleet/a", undefined],
        ["b", "organization/clawfleet/b", [{ name: "a", requirement: { succeededWithinDuration: "1h" } }]],
        ["c", "organization/clawfleet/c", [{ name: "a", requirement: { succeededWithinDuration: "1h" } }]],
      ],
    );
    assert.equal(stacks[0]?.spec.destroyOnFinalize, false, "deleting the resource must not delete the cell");
    assert.equal(stacks[0].spec.repoDir, undefined);
    assert.equal(operatorStacks(planOf({ a: ["a"] }), { ...OPTIONS, directory: "x" })[0]?.spec.repoDir, "x");
  });

  it("takes no name that is too long for the operator's own labels", () => {
    const longest = "a".repeat(42);
    assert.equal(operatorStacks(planOf({ dev: [longest] }), OPTIONS)[0]?.metadata.name, longest);
    assert.throws(
      () => operatorStacks(planOf({ dev: ["a", `${longest}b`] }), OPTIONS),
      (error) => error instanceof ValidationFailed && error.message.includes(`name: ${longest}b`),
    );
  });

  it("has no secret in it, only names of Secrets", () => {
    const { envRefs } = operatorStacks(planOf({ dev: ["a"] }), OPTIONS)[0]?.spec as {
      envRefs: Record<string, { type: string }>;
    };
    assert.equal(envRefs.PULUMI_CONFIG_PASSPHRASE?.type, "Secret");
  });

  it("runs every cell exactly once and in the order of the waves, for any plan", () => {
    const wavesOf = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(wavesOf, (sizes) => {
        const waves = Object.fromEntries(
          sizes.map((size, wave) => [
            `w${String(wave)}`,
            Array.from({ length: size }, (_, n) => `w${String(wave)}-${String(n)}`),
          ]),
        );
        const left = new Map(
          operatorStacks(planOf(waves), OPTIONS).map(({ metadata, spec }) => [
            metadata.name,
            ((spec.prerequisites ?? []) as { name: string }[]).map(({ name }) => name),
          ]),
        );
        // What the operator does: each that has all of its prerequisites runs.
        const order: string[][] = [];
        for (const done = new Set<string>(); left.size > 0;) {
          const ready = [...left].filter(([, before]) => before.every((name) => done.has(name))).map(([name]) => name);
          assert.ok(ready.length > 0, "nothing can run");
          for (const name of ready) {
            left.delete(name);
            done.add(name);
          }
          order.push(ready);
        }
        assert.deepEqual(order, Object.values(waves));
      }),
    );
  });

  it("says what the operator does not do", () => {
    const lost = lostOnOperator(
      planWith({ dev: ["a"], prod: ["b"] }, "prod", { approval: ["before"], maxFailures: 1 }),
    );
    assert.match(lost.join("\n"), /policy pack[^]*approvals[^]*\(prod\)[^]*maxFailures[^]*\(prod\)/);
  });
});

describe("a plan as a workflow of GitHub Actions", () => {
  it("is one that GitHub's own parser takes", async () => {
    const plan = planWith({ dev: ["a"], "2nd": ["b", "c"] }, "2nd", { approval: ["before", "after"] });
    const errors = await parseErrors(stringify(githubWorkflow(plan)));
    assert.deepEqual(errors, []);
    const wrong = stringify(githubWorkflow(plan)).replace("needs: wave-dev", "needs: wave-nowhere");
    assert.match((await parseErrors(wrong)).join(), /wave-nowhere/, "so that the check is one");
  });

  it("has a job for each wave that needs the one before, and one for each approval", () => {
    const jobs = jobsOf(planWith({ dev: ["a"], prod: ["b", "c"] }, "prod", { approval: ["before", "after"] }));
    assert.deepEqual(
      Object.entries(jobs).map(([id, { needs, environment, strategy }]) => [
        id,
        needs,
        environment,
        strategy?.matrix.cell,
      ]),
      [
        ["wave-dev", undefined, undefined, ["a"]],
        ["approve-prod", "wave-dev", "clawfleet-prod", undefined],
        ["wave-prod", "approve-prod", undefined, ["b", "c"]],
        ["accept-prod", "wave-prod", "clawfleet-prod", undefined],
      ],
    );
    assert.deepEqual(
      [jobs["wave-prod"]?.strategy?.["max-parallel"], jobs["wave-prod"]?.strategy?.["fail-fast"]],
      [2, false],
      "a failure must not kill the updates of others",
    );
  });

  it("gives each job the limits of its wave, and leaves waves and approvals to the workflow", () => {
    const settings = { approval: ["before"], minSuccessTime: 120, progressDeadline: 900 };
    const { steps } = jobsOf(planWith({ prod: ["a"] }, "prod", settings))["wave-prod"] ?? { steps: [] };
    const given = steps.flatMap(({ env }) => env?.STRATEGY ?? []);
    assert.deepEqual(
      given.map((text) => strategySchema.parse(JSON.parse(text))),
      [{ waves: [{ name: "prod", selector: {} }], minSuccessTime: "120s", progressDeadline: "900s" }],
    );
  });

  it("puts nothing that somebody typed into a shell's text", () => {
    for (const { steps } of Object.values(jobsOf(planOf({ dev: ["a"] }))))
      for (const { run = "" } of steps) assert.doesNotMatch(run, /\$\{\{/);
  });

  it("refuses a wave that is larger than a matrix may be", () => {
    const cells = (count: number) => Array.from({ length: count }, (_, index) => `c${String(index)}`);
    assert.throws(() => githubWorkflow(planOf({ all: cells(257) })), ValidationFailed);
    assert.equal(jobsOf(planOf({ all: cells(256) }))["wave-all"]?.strategy?.matrix.cell.length, 256);
  });

  it("says what the workflow does not do", () => {
    assert.match(lostOnGithub(planWith({ dev: ["a"] }, "dev", { maxFailures: 1 })).join("\n"), /maxFailures.*\(dev\)/);
  });
});

/** The parser imports JSON as bundlers have it; Node asks for the type to be said. */
const JSON_IMPORTS = `export const resolve = async (specifier, context, next) =>
  specifier.endsWith(".json")
    ? { ...(await next(specifier, context)), importAttributes: { type: "json" } }
    : next(specifier, context);`;

/** What GitHub's parser, which its own editors use, has against a workflow. */
async function parseErrors(content: string): Promise<string[]> {
  register(`data:text/javascript,${encodeURIComponent(JSON_IMPORTS)}`);
  const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");
  const { context, value } = parseWorkflow({ name: "roll-out.yaml", content }, new NoOperationTraceWriter());
  if (value !== undefined) await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map(({ message }) => message);
}
