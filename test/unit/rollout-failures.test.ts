import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import { Conflict, FleetError } from "../../components/errors";
import { failedCommand } from "../../stacks/fleet/rollout/classify";
import { EngineReport } from "../../stacks/fleet/rollout/engine-events";
import { ERROR_CLASSES } from "../../stacks/fleet/rollout/events";
import { isSafe } from "../../stacks/fleet/rollout/pulumi-child";
import { errorOf, failureOf, Locked, RETRY_RULES, retryDelay } from "../../stacks/fleet/rollout/retry";

const error = (message: string) => JSON.stringify({ diagnosticEvent: { severity: "error", message } });
const reportOf = (...lines: string[]) => {
  const report = new EngineReport();
  for (const line of lines) report.add(line);
  return report;
};

/** Messages in the words of Pulumi 3.230, the Kubernetes provider 4.27 and the program: some as seen, most from how these write them. */
const MESSAGES: [string, string][] = [
  [
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.\n  file:///state/.pulumi/locks/organization/clawfleet/eu/1.json: created by root@host (pid 12) at 2026-11-21T18:00:00Z",
    "Conflict",
  ],
  ["cluster eu (context eu): the credentials are not accepted\n  Fix: log in again", "AuthExpired"],
  [
    "kubernetes:core/v1:Namespace eu: the server has asked for the client to provide credentials: Unauthorized",
    "AuthExpired",
  ],
  ["client rate limiter Wait returned an error: the server answered 429 Too Many Requests", "RateLimited"],
  ["cluster eu (context eu): the API server cannot be reached (ECONNREFUSED)\n  Fix: check the cluster", "Unreachable"],
  [
    'error: Preview failed: Get "https://127.0.0.1:1/api?timeout=32s": dial tcp 127.0.0.1:1: connect: connection refused',
    "Unreachable",
  ],
  ['Get "https://10.0.0.1/api": dial tcp 10.0.0.1:443: i/o timeout', "Timeout"],
  [
    "resource eu/eu-gateway was successfully created, but the Kubernetes API server reported that it failed to fully initialize or become live: 'eu-gateway' timed out waiting to be Ready",
    "Unhealthy",
  ],
  ["there is no stack eu-x\n  Fix: did you mean eu?", "NotFound"],
  ["overlays/base.yaml:3: gateway.image: write it with a digest\n  Fix: correct what is named above", "Error"],
];

describe("what a command of Pulumi failed with", () => {
  for (const [message, expected] of MESSAGES)
    it(`is ${expected}: ${message.slice(0, 60)}`, () => {
      const failure = failureOf(failedCommand("up", "eu", 255, reportOf(error(message))));
      assert.equal(failure.class, expected);
      assert.match(failure.message, /^cell eu: pulumi up: /);
      assert.ok(failure.fix !== undefined && failure.fix !== "");
    });

  it("is the policies that forbid it, named with their resources", () => {
    const finding = (policyName: string, enforcementLevel: string) =>
      JSON.stringify({
        policyEvent: {
          policyName,
          enforcementLevel,
          resourceUrn: "urn:pulumi:eu::clawfleet::Pod::web",
          message: "<{%reset%}>is not pinned\n",
        },
      });
    const report = reportOf(
      finding("images-pinned", "mandatory"),
      finding("labels", "warning"),
      error("update failed"),
    );
    assert.deepEqual(
      report.findings.map(({ policy, level, message }) => [policy, level, message]),
      [
        ["images-pinned", "mandatory", "is not pinned"],
        ["labels", "advisory", "is not pinned"],
      ],
    );
    const failure = failureOf(failedCommand("preview", "eu", 1, report));
    assert.equal(failure.class, "PolicyViolation");
    assert.match(failure.message, /1 mandatory policy violation\(s\)\n {2}images-pinned: web: is not pinned/);
  });

  it("is what Pulumi prints before there are events, and said to be nothing when it is nothing", () => {
    const printed = failedCommand("up", "eu", 255, reportOf("error: no Pulumi.yaml project file found"));
    assert.match(printed.message, /no Pulumi\.yaml project file found/);
    assert.match(failedCommand("up", "eu", null, reportOf()).message, /ended with a signal and said nothing/);
  });
});

describe("what Pulumi tells with --json", () => {
  it("comes to changes, progress and the cells' places", () => {
    const outputs = (op: string, type: string, state: object = {}) =>
      JSON.stringify({ resOutputsEvent: { metadata: { op, type, new: state } } });
    const report = reportOf(
      outputs("create", "kubernetes:core/v1:Secret"),
      outputs("same", "kubernetes:core/v1:Namespace"),
      outputs("same", "pulumi:pulumi:Stack", {
        outputs: { cells: { eu: { namespace: "eu", service: "eu-gateway", url: "x" }, half: {} } },
      }),
      JSON.stringify({ diagnosticEvent: { severity: "warning", message: "beware" } }),
      JSON.stringify({ summaryEvent: { resourceChanges: { create: 1, same: 3, replace: 2 } } }),
    );
    assert.equal(report.done, 1);
    assert.deepEqual(report.cells, { eu: { namespace: "eu", service: "eu-gateway" } });
    assert.deepEqual(report.changes, { adds: 1, updates: 0, replaces: 2, deletes: 0 });
    assert.deepEqual(report.warnings, ["beware"]);
  });

  it("does not reach the disk where it shows inputs in clear", () => {
    const debug = JSON.stringify({
      diagnosticEvent: { prefix: "debug: ", message: "resp: canary", severity: "debug" },
    });
    assert.equal(isSafe(debug), false);
    assert.equal(isSafe(error("no")), true);
  });
});

describe("the classes of errors", () => {
  it("are told as they are, and come back as what they were", () => {
    for (const name of ERROR_CLASSES) {
      const again = failureOf(errorOf({ class: name, message: "m", fix: "f" }));
      assert.deepEqual(again, { class: name, message: "m", fix: "f" });
    }
    assert.deepEqual(failureOf(new TypeError("defect")), { class: "Error", message: "defect" });
  });

  it("are tried again only where waiting may help", () => {
    const retried = ERROR_CLASSES.filter((name) => RETRY_RULES[name].retries > 0);
    assert.deepEqual(retried, ["RateLimited", "Unreachable", "Timeout"]);
    assert.equal(retryDelay(new Conflict({ what: "another cluster" }), 0, 0), undefined);
    assert.equal(retryDelay(new Locked({ what: "locked" }), 0, 0), 5);
    assert.equal(retryDelay(new FleetError({ what: "?" }), 0, 0), undefined);
    const timeout = errorOf({ class: "Timeout", message: "late" });
    assert.deepEqual([retryDelay(timeout, 0, 0), retryDelay(timeout, 1, 0)], [5, undefined]);
  });

  it("wait twice as long each time, two minutes at most, spread over a quarter", () => {
    const unreachable = errorOf({ class: "Unreachable", message: "gone" });
    assert.deepEqual(
      [0, 1, 2, 9].map((retries) => retryDelay(unreachable, retries, 0)),
      [5, 10, 20, 120],
    );
    assert.equal(retryDelay(unreachable, 0, 1), 6.25);
  });

  it("are in docs/rollout.md with their retries and exit codes", () => {
    const text = readFileSync(join(projectRoot, "docs", "rollout.md"), "utf8");
    for (const name of ERROR_CLASSES)
      assert.match(text, new RegExp(`^\\| \`?${name}\`? +\\| \\d+ +\\| \\S`, "m"), name);
  });
});
