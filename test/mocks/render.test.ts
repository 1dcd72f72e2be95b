import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { projectRoot } from "../../cli/workspace";
import type { Manifest } from "../../stacks/render";

const CLI = join(projectRoot, "dist", "cli", "main.js");
const EXAMPLE = join(projectRoot, "examples", "two-regions-two-tenants");

interface RenderedFile {
  cell: string;
  kind: string;
  name: string;
  namespace?: string;
  file: string;
}

describe("clawfleet render", function () {
  this.timeout(120_000);
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), "clawfleet-render-"));
  });
  afterEach(() => {
    rmSync(out, { recursive: true, force: true });
  });

  const render = (...args: string[]) =>
    // No kubeconfig, and no local cluster: what is rendered is in the files alone.
    spawnSync(process.execPath, [CLI, "render", ...args, "--out", out, "--json"], {
      encoding: "utf8",
      env: { ...process.env, KUBECONFIG: join(out, "none"), CLAWFLEET_STATE: out },
    });
  const files = (...args: string[]) => {
    const { status, stdout, stderr } = render(...args);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as RenderedFile[];
  };
  const manifest = ({ file }: RenderedFile) => parse(readFileSync(join(out, file), "utf8")) as Manifest;

  it("writes the objects of one cell, Secrets without their data", () => {
    const rendered = files("dev-eu-acme", "--folder", EXAMPLE);
    assert.ok(rendered.every(({ cell }) => cell === "dev-eu-acme"));
    for (const file of rendered) {
      const { kind, metadata } = manifest(file);
      assert.deepEqual([kind, metadata.name, metadata.namespace], [file.kind, file.name, file.namespace]);
    }
    const secrets = rendered.filter(({ kind }) => kind === "Secret").map(manifest);
    assert.ok(secrets.length > 0);
    for (const { data, stringData, metadata } of secrets) {
      assert.deepEqual([data, stringData], [undefined, undefined]);
      assert.match(metadata.annotations?.["clawfleet.dev/secret-keys"] ?? "", /^[A-Z_]/);
    }
  });

  it("writes every cell of a stack to a folder of its own, also those that share a cluster", () => {
    const rendered = files("-s", "dev", "--folder", EXAMPLE);
    assert.equal(new Set(rendered.map(({ file }) => file)).size, rendered.length);
    const policies = rendered.filter(({ kind, name }) => kind === "NetworkPolicy" && name === "default-deny");
    assert.deepEqual(
      policies.map(({ cell }) => cell),
      ["dev-eu-acme", "dev-eu-globex", "dev-us-acme", "dev-us-globex"],
    );
  });

  it("writes a cell whose embedded cluster does not run", () => {
    assert.ok(files("dev-us").some(({ kind }) => kind === "Gateway"));
  });

  it("names the cell that may be meant", () => {
    const { status, stderr } = render("dev-eu-acm", "--folder", EXAMPLE);
    assert.equal(status, 3);
    assert.match(stderr, /there is no cell dev-eu-acm\n {2}Fix: did you mean dev-eu-acme\?/);
  });
});
