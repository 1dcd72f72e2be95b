import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import Ajv from "ajv";
import { formatted, judge } from "../../cli/check";
import { FleetError, PolicyViolation, Unreachable, ValidationFailed } from "../../components/errors";
import type { Change } from "../../stacks/fleet/check/changes";
import type { Finding } from "../../stacks/fleet/check/findings";
import { LIMIT, MARKER, markdownOf } from "../../stacks/fleet/check/markdown";
import type { Report, StackReport } from "../../stacks/fleet/check/report";
import { sarifOf } from "../../stacks/fleet/check/sarif";

const change = (op: Change["op"], type: string, name: string, rest: Partial<Change> = {}): Change => ({
  type: `kubernetes:${type}`,
  name,
  op,
  stateful: false,
  retained: false,
  paths: [],
  replacePaths: [],
  ...rest,
});
const finding = (rest: Partial<Finding> = {}): Finding => ({
  level: "mandatory",
  policy: "images-pinned",
  description: "Images have a digest.",
  urn: "urn",
  type: "kubernetes:apps/v1:Deployment",
  name: "prod-eu-proxy",
  path: "spec.image",
  message: "the image has no digest",
  fix: "write it as NAME:TAG@DIGEST",
  file: "stacks/overlays/base.yaml",
  line: 7,
  ...rest,
});
const stack = (name: string, rest: Partial<StackReport> = {}): StackReport => ({
  stack: name,
  cells: [name],
  environment: "prod",
  reasons: ["stacks/overlays/base.yaml"],
  base: "checkpoint",
  changes: [],
  findings: [],
  notes: [],
  ...rest,
});
const CHANGES = [
  change("create", "core/v1:ConfigMap", "config"),
  change("update", "apps/v1:Deployment", "proxy", { paths: ["a", "b", "c", "d", "e", "f"] }),
  change("replace", "apps/v1:StatefulSet", "gateway", {
    stateful: true,
    paths: ["a", "spec.serviceName"],
    replacePaths: ["spec.serviceName"],
  }),
  change("delete", "core/v1:PersistentVolumeClaim", "vault", { stateful: true }),
  change("delete", "core/v1:PersistentVolumeClaim", "kept", { stateful: true, retained: true }),
];
const report = (...stacks: StackReport[]): Report => ({
  inventory: "stacks/fleet.yaml",
  base: "origin/main (0123456789ab)",
  clusters: false,
  stacks,
  removed: [],
});
const FULL = report(
  stack("prod-eu", {
    changes: CHANGES,
    findings: [finding(), finding({ level: "undecided", file: undefined, fix: undefined })],
  }),
  stack("prod-us", {
    base: "rendered",
    findings: [finding({ name: "prod-us-proxy" })],
    notes: ["the secret openai is new"],
  }),
);

describe("a report", () => {
  it("is a table for a terminal", () => {
    assert.equal(
      formatted(FULL, "table"),
      `stack prod-eu (prod): compared with the exported state of its last update
  ± replace apps/v1:StatefulSet gateway: spec.serviceName (stateful: look after its data)
  - delete core/v1:PersistentVolumeClaim vault (stateful: look after its data)
  - delete core/v1:PersistentVolumeClaim kept (the object stays)
  ~ change apps/v1:Deployment proxy: a, b, c, d, e and 1 more
  + add core/v1:ConfigMap config
  mandatory images-pinned: apps/v1:Deployment prod-eu-proxy spec.image
    the image has no digest
    stacks/overlays/base.yaml:7
    Fix: write it as NAME:TAG@DIGEST
  undecided images-pinned: apps/v1:Deployment prod-eu-proxy spec.image
    the image has no digest

stack prod-us (prod): compared with the objects that origin/main (0123456789ab) renders: what is replaced is undecided
  note: the secret openai is new
  mandatory images-pinned: apps/v1:Deployment prod-us-proxy spec.image
    the image has no digest
    stacks/overlays/base.yaml:7
    Fix: write it as NAME:TAG@DIGEST

2 stacks: 1 added, 1 changed, 1 replaced, 2 deleted
stateful objects deleted or replaced: 2
findings: 2 mandatory, 0 advisory, 1 undecided
previewed without the clusters: their identity and what only they know is unchecked
`,
    );
    assert.ok(formatted(FULL, "table", true).includes("\u001b[31m  ± replace"));
    assert.equal(formatted(report(), "table"), "no stack is touched since origin/main (0123456789ab)\n");
  });

  it("is JSON with its sums", () => {
    const { verdict, stacks } = JSON.parse(formatted(FULL, "json")) as Report & { verdict: object };
    assert.deepEqual(stacks, JSON.parse(JSON.stringify(FULL.stacks)));
    assert.deepEqual(verdict, {
      ...{ mandatory: 2, advisory: 0, undecided: 1, failed: 0 },
      ...{ create: 1, update: 1, replace: 1, delete: 2, statefulEnded: 2 },
    });
  });

  it("decides by its gravest part", () => {
    const failed = (name: string) => stack("x", { failure: { message: "no", class: name } });
    assert.doesNotThrow(() => {
      judge(report(stack("x", { findings: [finding({ level: "advisory" })], changes: CHANGES })));
    });
    assert.throws(() => {
      judge(FULL);
    }, PolicyViolation);
    assert.throws(() => {
      judge(report(failed("ValidationFailed"), failed("Unreachable"), ...FULL.stacks));
    }, Unreachable);
    assert.throws(() => {
      judge(report(failed("ValidationFailed"), ...FULL.stacks));
    }, ValidationFailed);
    assert.throws(() => {
      judge(report(failed("ChildFailed")));
    }, FleetError);
  });
});

describe("a report as a comment", () => {
  it("shows replacements and deletions in red, findings with file and fix", () => {
    const text = markdownOf(FULL);
    assert.ok(text.startsWith(`${MARKER}\n## ❌ ClawFleet check: 2 mandatory findings\n`), text.slice(0, 200));
    const diff = /```diff\n([^]*?)```/.exec(text)?.[1];
    assert.equal(
      diff,
      `- replace apps/v1:StatefulSet gateway: spec.serviceName (stateful: look after its data)
- delete core/v1:PersistentVolumeClaim vault (stateful: look after its data)
- delete core/v1:PersistentVolumeClaim kept (the object stays)
! change apps/v1:Deployment proxy: a, b, c, d, e and 1 more
+ add core/v1:ConfigMap config
`,
    );
    // The same setting in two stacks is one finding.
    assert.equal(text.split("**images-pinned** (mandatory)").length, 2);
    assert.match(
      text,
      /`apps\/v1:Deployment spec.image`: the image has no digest\n {2}- `stacks\/overlays\/base.yaml:7`\n {2}- Fix: write it as NAME:TAG&#64;DIGEST\n {2}- in 2 stacks\n/,
    );
    assert.match(text, /<details open><summary><b>prod-eu/);
    assert.match(text, /<details><summary><b>prod-us/);
    assert.match(markdownOf(report()), /✅ ClawFleet check: no mandatory finding\n\nNo stack is touched/);
  });

  it("is no markup of whoever wrote the change", () => {
    const evil = "@everyone `x` [y](z) <img>\n```\n# a | b";
    const text = markdownOf(
      report(
        stack("x", {
          findings: [finding({ message: evil, fix: evil, path: evil, file: evil })],
          notes: [evil],
          failure: { message: evil, class: "FleetError" },
          changes: [change("create", "core/v1:ConfigMap", "a\n```\n<b>")],
        }),
      ),
    );
    assert.ok(!/^# a/m.test(text.replaceAll(/```text[^]*?\n```/g, "")), text);
    assert.equal((text.match(/^```/gm) ?? []).length, 4, text);
    assert.ok(!text.includes("- @everyone"));
    for (const line of text.split("\n").filter((candidate) => candidate.includes("in 1") || candidate.includes("Fix:")))
      assert.doesNotMatch(line, /<img>|@everyone|\[y\]/);
  });

  it("stays below GitHub's limit, cut between two parts, the gravest first", () => {
    const many = Array.from({ length: 400 }, (_, index) =>
      stack(`prod-${String(index)}`, {
        changes: Array.from({ length: 20 }, (__, at) =>
          change(index === 399 ? "replace" : "update", "apps/v1:Deployment", `name-${String(at)}-${"x".repeat(60)}`),
        ),
        findings: [finding({ level: index === 0 ? "mandatory" : "advisory", path: `spec.${String(index)}` })],
      }),
    );
    const text = markdownOf(report(...many));
    assert.ok(text.length <= LIMIT && text.length > LIMIT * 0.9, String(text.length));
    const [mandatory, first, second] = ["(mandatory)", "<b>prod-399</b>", "<b>prod-0</b>"].map((part) =>
      text.indexOf(part),
    );
    assert.ok(mandatory !== undefined && first !== undefined && second !== undefined);
    assert.ok(0 < mandatory && mandatory < first && first < second);
    assert.match(text, /\n_Cut here: \d+ parts more\. The whole report: `clawfleet check --from report.json`\._\n$/);
    assert.equal(text.match(/<details/g)?.length, text.match(/<\/details>/g)?.length);
  });
});

/** A JSON file of a package. */
const fileOf = (name: string, ...path: string[]): object =>
  JSON.parse(readFileSync(join(dirname(require.resolve(`${name}/package.json`)), ...path), "utf8")) as object;

/** What the official schema has against a log. */
function schemaErrors(log: unknown): string[] {
  // The schema is of JSON Schema's draft 4, which Ajv knows only when it is given its meta-schema.
  const ajv = new Ajv({ schemaId: "auto", allErrors: true, meta: false });
  ajv.addMetaSchema(fileOf("ajv", "lib", "refs", "json-schema-draft-04.json"));
  const valid = ajv.validate(fileOf("@microsoft/jest-sarif", "lib", "schemas", "sarif-2.1.0-rtm.5.json"), log);
  return valid === true ? [] : (ajv.errors ?? []).map(({ dataPath, message = "" }) => `${dataPath} ${message}`);
}

describe("a report as SARIF", () => {
  const [run] = sarifOf(FULL).runs;

  it("is valid by the official schema, full, empty, and of a stack that failed", () => {
    const failed = stack("x", { failure: { message: "no answer", class: "Unreachable" } });
    for (const each of [FULL, report(), report(failed)])
      assert.deepEqual(schemaErrors(JSON.parse(formatted(each, "sarif"))), []);
    // The schema does refuse what is none.
    const log = sarifOf(FULL);
    const [{ results }] = log.runs;
    const broken = results.map((result) => ({ ...result, level: "grave", locations: [{ physicalLocation: {} }] }));
    assert.match(
      schemaErrors({ ...log, runs: [{ ...log.runs[0], results: broken, tool: {} }] }).join("\n"),
      /\.tool should have required property 'driver'[^]*\.results\[0\]\.level should be equal to one of/,
    );
  });

  it("has unique rules, relative places and fingerprints, as GitHub asks for", () => {
    const log = JSON.parse(formatted(FULL, "sarif")) as ReturnType<typeof sarifOf>;
    assert.equal(log.version, "2.1.0");
    assert.match(log.$schema, /sarif-2\.1\.0\.json$/);
    const [only] = log.runs;
    assert.equal(only.tool.driver.name, "clawfleet");
    const ids = only.tool.driver.rules.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { ruleId, ruleIndex, level, message, locations, partialFingerprints } of only.results) {
      assert.equal(ids[ruleIndex], ruleId);
      assert.match(level, /^(none|note|warning|error)$/);
      assert.ok(message.text.length > 0);
      const { artifactLocation, region } = locations[0].physicalLocation;
      // A relative reference, of which GitHub takes only those below the repository.
      assert.doesNotMatch(artifactLocation.uri, /^\/|^\w+:|\\|\s/);
      assert.ok(Number.isInteger(region.startLine) && region.startLine >= 1);
      assert.ok(Object.values(partialFingerprints).every((value) => typeof value === "string" && value !== ""));
    }
    assert.equal(typeof only.invocations[0].executionSuccessful, "boolean");
  });

  it("has a result for each finding, on its line, and for what is replaced and for stateful objects that go", () => {
    assert.deepEqual(
      run.results.map(({ ruleId, level, locations }) => {
        const { artifactLocation, region } = locations[0].physicalLocation;
        return `${level} ${ruleId} ${artifactLocation.uri}:${String(region.startLine)}`;
      }),
      [
        "error images-pinned stacks/overlays/base.yaml:7",
        "note images-pinned stacks/fleet.yaml:1",
        "warning stateful-deletion stacks/fleet.yaml:1",
        "warning stateful-deletion stacks/fleet.yaml:1",
      ],
    );
    assert.match(
      run.results[0]?.message.text ?? "",
      /the image has no digest; fix: .* \(2 stacks: prod-eu, prod-us\)$/,
    );
  });

  it("tells of a stack that could not be checked, and that the run was no success", () => {
    const [{ invocations, results }] = sarifOf(
      report(stack("x", { failure: { message: "no answer", class: "Unreachable" } })),
    ).runs;
    assert.deepEqual(results, []);
    assert.equal(invocations[0].executionSuccessful, false);
    assert.equal(invocations[0].toolExecutionNotifications[0]?.message.text, "x: no answer");
  });
});
