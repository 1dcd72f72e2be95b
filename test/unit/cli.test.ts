import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImages } from "../../cli/images";
import type { StackCell } from "../../cli/local";
import { FleetFiles } from "../../cli/fleet-files";
import { chooseCell, stackOfCell } from "../../cli/open";
import { readCommandLine } from "../../cli/shim";
import {
  composeStackFile,
  packageVersion,
  prepareState,
  projectRoot,
  saveSalt,
  stateLayout,
  trackedStackFile,
  usesLocalBackend,
} from "../../cli/workspace";
import { catalogueImage, imageNames } from "../../components/images";

/** Runs something and returns what it wrote to standard output. */
async function printed(run: () => Promise<unknown>): Promise<string> {
  const write = process.stdout.write.bind(process.stdout);
  let text = "";
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += chunk.toString();
    return true;
  };
  try {
    await run();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

describe("clawfleet images", () => {
  const digestOf = (repository: string, tag: string) =>
    imageNames.map(catalogueImage).find((image) => image.repository === repository && image.tag === tag)?.digest ?? "";

  it("passes when every registry gives the catalogue's digest", async () => {
    let good = false;
    const text = await printed(async () => {
      good = await checkImages((repository, tag) => Promise.resolve(digestOf(repository, tag)));
    });
    assert.ok(good);
    assert.match(text, new RegExp(`${String(imageNames.length)} confirmed, 0 different, 0 not checked`));
  });

  it("fails on another digest, and names both", async () => {
    let good = true;
    const other = `sha256:${"0".repeat(64)}`;
    const text = await printed(async () => {
      good = await checkImages(() => Promise.resolve(other));
    });
    assert.ok(!good);
    assert.match(text, new RegExp(`the registry has ${other}, the catalogue sha256:`));
  });

  it("says plainly that nothing was checked where no registry answers", async () => {
    const text = await printed(() =>
      checkImages(() => Promise.reject(new Error("fetch failed", { cause: new Error("ENOTFOUND") }))),
    );
    assert.match(text, /not checked: ENOTFOUND/);
    assert.match(text, /nothing was checked/);
  });
});

describe("clawfleet open", () => {
  const cell = { service: "gateway" } as StackCell;

  it("takes the named cell, or the only one", () => {
    assert.deepEqual(chooseCell({ a: cell }, undefined), ["a", cell]);
    assert.deepEqual(chooseCell({ a: cell, b: cell }, "b"), ["b", cell]);
  });

  it("finds the stack of any cell of the inventory", () => {
    const example = new FleetFiles(join(projectRoot, "examples", "two-regions-two-tenants"));
    assert.equal(stackOfCell(example, "prod-eu-acme"), "prod-eu-acme");
    assert.equal(stackOfCell(new FleetFiles(join(projectRoot, "stacks")), "dev-eu"), "dev");
    assert.throws(() => stackOfCell(example, "prod-eu-acmee"), /did you mean prod-eu-acme\?/);
  });

  it("names the cells to choose from", () => {
    assert.throws(() => chooseCell({ a: cell, b: cell }, undefined), /not clear[^]*CELL=a or CELL=b/);
    assert.throws(() => chooseCell({ a: cell }, "c"), /no cell c[^]*CELL=a/);
    assert.throws(() => chooseCell({}, undefined), /make up/);
  });
});

describe("the shell's pulumi", () => {
  it("finds command and stack wherever they stand", () => {
    for (const args of ["up -s dev", "up --stack dev", "--stack=dev up", "-sdev up --yes", "-C . up -s=dev"]) {
      const { command, stack } = readCommandLine(args.split(" "));
      assert.equal(command, "up", args);
      assert.equal(stack?.replace(/^=/, ""), "dev", args);
    }
  });

  it("leaves a config file of the user's own alone", () => {
    assert.ok(readCommandLine(["up", "--config-file", "x.yaml"]).hasConfigFile);
    assert.ok(readCommandLine(["up", "--config-file=x.yaml"]).hasConfigFile);
    assert.ok(!readCommandLine(["up", "--", "--config-file"]).hasConfigFile);
  });
});

describe("the state folder", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-state-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("keeps one passphrase, for this user alone", () => {
    const layout = stateLayout({ CLAWFLEET_STATE: folder });
    prepareState(layout);
    const passphrase = readFileSync(layout.passphraseFile, "utf8");
    assert.equal(Buffer.from(passphrase.trim(), "base64url").length, 32);
    assert.equal(statSync(layout.passphraseFile).mode & 0o777, 0o600);
    prepareState(layout);
    assert.equal(readFileSync(layout.passphraseFile, "utf8"), passphrase);
  });

  it("removes the kubeconfigs that the Kubernetes provider has left, and nothing else", () => {
    const layout = stateLayout({ CLAWFLEET_STATE: folder });
    prepareState(layout);
    for (const file of ["kubeconfig123", "other"]) writeFileSync(join(layout.temporary, file), "");
    prepareState(layout);
    assert.deepEqual(readdirSync(layout.temporary), ["other"]);
  });

  it("composes a stack's file of the tracked one and this machine's salt", () => {
    const layout = stateLayout({ CLAWFLEET_STATE: folder });
    prepareState(layout);
    assert.equal(composeStackFile(layout, "dev"), undefined, "no salt, nothing to compose");
    saveSalt(layout, "dev", "config: {}\nencryptionsalt: v1:abc=\n");
    const composed = readFileSync(composeStackFile(layout, "dev") ?? "", "utf8");
    assert.equal(composed, `encryptionsalt: v1:abc=\n${readFileSync(trackedStackFile("dev"), "utf8")}`);
  });

  it("leaves a backend that the user has chosen alone", () => {
    assert.ok(usesLocalBackend({ CLAWFLEET_STATE: folder }));
    assert.ok(!usesLocalBackend({ CLAWFLEET_STATE: folder, PULUMI_BACKEND_URL: "s3://state" }));
  });
});

describe("the command line", () => {
  const cli = join(projectRoot, "dist", "cli", "main.js");

  it("shows its help, and refuses what it does not know", () => {
    assert.match(
      execFileSync(process.execPath, [cli, "--help"], { encoding: "utf8" }),
      /^ {2}doctor [^]*^ {2}local [^]*^ {2}render [^]*^ {2}up /m,
    );
    assert.equal(execFileSync(process.execPath, [cli, "--version"], { encoding: "utf8" }), `${packageVersion()}\n`);
    assert.throws(() => execFileSync(process.execPath, [cli, "updaet"], { stdio: "pipe" }), /unknown command/);
  });

  it("ends with the error's exit code and its fix, without a stack trace", () => {
    const folder = mkdtempSync(join(tmpdir(), "clawfleet-cli-"));
    writeFileSync(join(folder, "clusters.json"), "[]");
    try {
      execFileSync(process.execPath, [cli, "render", "--stack", "nowhere", "--out", folder], {
        stdio: "pipe",
        env: { ...process.env, CLAWFLEET_STATE: folder },
      });
      assert.fail("it succeeded");
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: Buffer };
      assert.equal(status, 3);
      assert.match(stderr.toString(), /there is no stack nowhere\n {2}Fix: /);
      assert.doesNotMatch(stderr.toString(), /\n\s+at /);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
