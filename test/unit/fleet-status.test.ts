import assert from "node:assert/strict";
import { driftedResources, driftInWords } from "../../stacks/fleet/drift";
import { cellRolloutRows, pastCellRollouts, pastRollouts, rolloutRows } from "../../stacks/fleet/history";
import { stackResources } from "../../stacks/fleet/retained";
import { ago, healthCounts, lastRollouts, statusRows, type CellStatus } from "../../stacks/fleet/status";
import { eventsOf, failedRun, planOf, RUN, START } from "../support/rollout-run";

const URN = "urn:pulumi:dev-eu::clawfleet::clawfleet:index:AgentStack$kubernetes:apps/v1:StatefulSet::dev-eu-gateway";

describe("drift", () => {
  const preview = (...steps: object[]) => JSON.stringify({ steps, changeSummary: {} });

  it("is what somebody changed, with its paths, and what somebody deleted", () => {
    const output = preview(
      { op: "refresh", urn: URN.replaceAll("gateway", "other") },
      { op: "update", urn: URN, detailedDiff: { "spec.replicas": { kind: "update" }, "spec.a": { kind: "add" } } },
      { op: "delete", urn: URN.replace("StatefulSet", "Service") },
    );
    const type = "kubernetes:apps/v1:StatefulSet";
    assert.deepEqual(
      driftedResources(`warning: something\n${output}`).map(({ type, name, drift, paths }) => ({
        type,
        name,
        drift,
        paths,
      })),
      [
        { type, name: "dev-eu-gateway", drift: "changed", paths: ["spec.a", "spec.replicas"] },
        { type: type.replace("StatefulSet", "Service"), name: "dev-eu-gateway", drift: "deleted", paths: [] },
      ],
    );
  });

  it("is none without steps, and an error for what is no preview", () => {
    assert.deepEqual(driftedResources(preview()), []);
    assert.deepEqual(driftedResources("{}"), []);
    assert.throws(() => driftedResources("error: no stack"));
  });

  it("is told stack by stack, without a value", () => {
    const secret = { kind: "update", inputDiff: true, value: "canary" };
    const output = preview({ op: "update", urn: URN, detailedDiff: { "data.token": secret } });
    const text = driftInWords([
      { cells: ["dev-eu"], stack: "dev-eu", resources: driftedResources(output) },
      { cells: ["dev-us", "dev-jp"], stack: "dev", resources: [] },
      { cells: ["dev-ap"], stack: "dev-ap", error: "no answer" },
    ]);
    assert.deepEqual(text.split("\n"), [
      "dev-eu: 1 drifted",
      "  kubernetes:apps/v1:StatefulSet dev-eu-gateway: changed (data.token)",
      "dev-us, dev-jp: no drift",
      "dev-ap: not checked: no answer",
      "",
    ]);
  });
});

describe("what a stack made", () => {
  it("is told with what stays and what is protected; providers and components are nothing on a cluster", () => {
    const resource = (type: string, id: string, more: object = {}) => ({
      urn: `urn:pulumi:dev::clawfleet::${type}::${id}`,
      custom: true,
      id,
      ...more,
    });
    const state = {
      version: 3,
      deployment: {
        resources: [
          { urn: "urn:pulumi:dev::clawfleet::pulumi:pulumi:Stack::clawfleet-dev", custom: false },
          resource("pulumi:providers:kubernetes", "dev-eu"),
          resource("kubernetes:core/v1:Namespace", "dev-eu", { retainOnDelete: true }),
          resource("kubernetes:core/v1:Service", "dev-eu/gateway"),
          resource("random:index/randomPassword:RandomPassword", "none", { protect: true }),
        ],
      },
    };
    assert.deepEqual(
      stackResources(JSON.stringify(state)).map(({ type, id, retained, protected: locked }) => [
        type.split(":").at(-1),
        id,
        retained,
        locked,
      ]),
      [
        ["Namespace", "dev-eu", true, false],
        ["Service", "dev-eu/gateway", false, false],
        ["RandomPassword", "none", false, true],
      ],
    );
    assert.deepEqual(stackResources(JSON.stringify({ deployment: {} })), []);
  });
});

describe("a fleet's status", () => {
  const at = new Date(START).toISOString();
  const cell = (more: Partial<CellStatus>): CellStatus => ({
    cell: "eu-acme",
    environment: "prod",
    cluster: "eu",
    stack: "eu-acme",
    health: "healthy",
    problems: [],
    ...more,
  });

  it("has the last rollout of each cell, also of one that has not finished", () => {
    const later = eventsOf(
      [3600, { type: "runStarted", plan: planOf({ all: ["eu-acme"] }), by: "ada@desk" }],
      [3601, { type: "cellStarted", cell: "eu-acme", attempt: 1 }],
    ).map((event) => ({ ...event, run: "later" }));
    const last = lastRollouts([failedRun(), later]);
    assert.equal(last.get("eu-acme")?.run, "later");
    assert.equal(last.get("eu-acme")?.outcome, undefined);
    assert.deepEqual(last.get("eu-globex"), { run: RUN, at: "2026-11-21T18:30:32.000Z", outcome: "failed" });
  });

  it("is a row for each cell, which says what is not known", () => {
    const [, known, unknown] = statusRows(
      [
        cell({
          imagesHash: "0123456789",
          configHash: "abcdef0123",
          drift: { at, resources: 2 },
          lastRollout: { run: RUN, at, outcome: "done" },
        }),
        cell({ cell: "us", health: "not rolled out" }),
      ],
      START + 600_000,
    );
    assert.deepEqual(known?.slice(3), [
      "healthy",
      "01234567",
      "abcdef01",
      "2, 10 min ago",
      `done, 10 min ago (${RUN})`,
    ]);
    assert.deepEqual(unknown?.slice(3), ["not rolled out", "-", "-", "not checked", "-"]);
    assert.deepEqual(healthCounts([cell({}), cell({ health: "unreachable" })]), {
      healthy: 1,
      unhealthy: 0,
      unreachable: 1,
      "not rolled out": 0,
    });
  });

  it("tells times as people do", () => {
    const ms = [0, 89, 90, 3600 * 5, 86_400 * 3].map((seconds) => ago(at, START + seconds * 1000));
    assert.deepEqual(ms, ["0 s ago", "89 s ago", "2 min ago", "5 h ago", "3 d ago"]);
  });
});

describe("the history", () => {
  const undone = eventsOf([
    100,
    { type: "rollbackStarted", plan: planOf({ all: ["eu-acme"] }), by: "ada@desk", of: RUN },
  ]);

  it("of a fleet has every rollout, the newest first", () => {
    const past = pastRollouts([failedRun(), undone]);
    assert.deepEqual(
      past.map(({ outcome, undid, intent, seconds }) => [outcome, undid, intent, seconds]),
      [
        ["running", RUN, undefined, 0],
        ["failed", undefined, "OpenClaw 2026.9.6", 33],
      ],
    );
    assert.deepEqual(rolloutRows(past)[2]?.slice(3), [
      "failed",
      "1 done, 1 failed, 1 skipped",
      "33s",
      "OpenClaw 2026.9.6",
    ]);
    assert.equal(rolloutRows(past)[1]?.at(-1), `undoes ${RUN}`);
  });

  it("of a cell has the rollouts that came to it", () => {
    assert.deepEqual(pastCellRollouts([failedRun()], "us-acme"), [], "it was skipped");
    const past = pastCellRollouts([failedRun(), undone], "eu-acme");
    assert.deepEqual(cellRolloutRows(past)[1]?.slice(3), ["done", "1", "20s", "hash-of-", "3 added, 1 updated", ""]);
    assert.match(pastCellRollouts([failedRun()], "eu-globex")[0]?.reason ?? "", /^PolicyViolation: /);
  });
});
