import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { confirmById } from "../../cli/confirm";
import { readDriftChecks, saveDriftChecks } from "../../cli/drift-checks";
import { emitGithub, emitOperator } from "../../cli/emit";
import { concludeRun } from "../../cli/report";
import { projectRoot, stateLayout } from "../../cli/workspace";
import { Conflict, NotFound, ValidationFailed } from "../../components/errors";
import { RunFolder } from "../../stacks/fleet/rollout/run-folder";
import { failedRun, RUN } from "../support/rollout-run";

const EXAMPLE = join(projectRoot, "examples", "two-regions-two-tenants");

describe("the commands of day two", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-day-two-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  describe("when a run has ended", () => {
    let run: RunFolder;
    let log: string[];
    const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    const conclude = () => concludeRun(run, (line) => log.push(line));
    beforeEach(() => {
      run = new RunFolder(folder, RUN);
      log = [];
      mkdirSync(run.path, { recursive: true });
      writeFileSync(
        run.journal,
        failedRun()
          .map((event) => `${JSON.stringify(event)}\n`)
          .join(""),
      );
    });
    afterEach(() => {
      if (endpoint === undefined) delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
      else process.env.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
    });

    it("its report is in its folder, and its trace with whoever the environment names", async () => {
      const bodies: string[] = [];
      const sink = createServer((incoming, outgoing) => {
        void text(incoming).then((body) => {
          bodies.push(body);
          outgoing.end("{}");
        });
      });
      await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
      process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${String((sink.address() as AddressInfo).port)}`;
      try {
        await conclude();
      } finally {
        sink.closeAllConnections();
        sink.close();
      }
      assert.deepEqual(log, [`report: ${join(run.path, "report.html")}`]);
      assert.match(readFileSync(join(run.path, "report.html"), "utf8"), /eu-globex/);
      assert.equal(bodies.length, 1);
      assert.match(bodies[0] ?? "", /"cell eu-globex"/);
    });

    it("it is only told when one of them fails: the run is what it is", async () => {
      process.env.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:1";
      mkdirSync(join(run.path, "report.html"));
      await conclude();
      assert.match(log.join("\n"), /^the report was not written: [^]*\nthe trace was not sent: /);
    });
  });

  describe("a plan that is handed over", () => {
    const operator = { organization: "organization", namespace: "default", within: "1h" };

    it("is a workflow, or a file for each cell", () => {
      const workflow = join(folder, "roll-out.yaml");
      emitGithub("environment=prod", { folder: EXAMPLE, out: workflow });
      const { jobs } = parse(readFileSync(workflow, "utf8")) as { jobs: Record<string, unknown> };
      assert.deepEqual(Object.keys(jobs), ["wave-prod-canary", "wave-prod"]);

      const origin = { repository: "https://git.example.com/fleet.git", commit: "0123abc" };
      emitOperator("environment=prod", { folder: EXAMPLE, out: join(folder, "stacks"), ...operator, ...origin });
      assert.deepEqual(readdirSync(join(folder, "stacks")).sort(), [
        "prod-eu-acme.yaml",
        "prod-eu-globex.yaml",
        "prod-us-acme.yaml",
        "prod-us-globex.yaml",
      ]);
      const file = join(folder, "stacks", "prod-us-acme.yaml");
      assert.equal((parse(readFileSync(file, "utf8")) as { kind: string }).kind, "Stack");
    });

    it("is of cells with stacks of their own, on clusters that others reach as well", () => {
      const out = join(folder, "stacks");
      assert.throws(() => emitGithub("environment=dev", { folder: EXAMPLE, out }), Conflict);
      const local = join(folder, "local");
      mkdirSync(join(local, "overlays"), { recursive: true });
      writeFileSync(
        join(local, "fleet.yaml"),
        "clusters: [{ id: a, region: r, embedded: true }]\ncells: [{ environment: dev, clusters: [a] }]\n",
      );
      assert.throws(() => emitGithub(undefined, { folder: local, all: true, out }), ValidationFailed);
    });
  });

  describe("a confirmation", () => {
    const answer = (typed: string) => {
      const input = new PassThrough();
      input.end(`${typed}\n`);
      return confirmById("eu-acme", { input, output: new PassThrough() }, new AbortController().signal);
    };

    it("is the cell's id, typed by somebody", async () => {
      await answer("eu-acme");
      await assert.rejects(answer("eu-globex"), ValidationFailed);
      await assert.rejects(answer("yes"), ValidationFailed);
      await assert.rejects(confirmById("eu-acme", undefined, new AbortController().signal), ValidationFailed);
    });
  });

  it("remember drift checks of other cells", () => {
    const layout = stateLayout({ CLAWFLEET_STATE: folder });
    assert.deepEqual(readDriftChecks(layout), {});
    const [first, second] = [
      { at: "2026-11-21T18:00:00.000Z", resources: 2 },
      { at: "2026-11-21T19:00:00.000Z", resources: 0 },
    ];
    saveDriftChecks(layout, { a: first, b: first });
    saveDriftChecks(layout, { b: second });
    assert.deepEqual(readDriftChecks(layout), { a: first, b: second });
  });

  it("say that there is no such run", async () => {
    const { report } = await import("../../cli/report.js");
    const state = process.env.CLAWFLEET_STATE;
    process.env.CLAWFLEET_STATE = folder;
    try {
      assert.throws(() => report(undefined, { json: false }), NotFound);
      assert.throws(() => report("r00001", { json: false }), NotFound);
    } finally {
      if (state === undefined) delete process.env.CLAWFLEET_STATE;
      else process.env.CLAWFLEET_STATE = state;
    }
  });
});
