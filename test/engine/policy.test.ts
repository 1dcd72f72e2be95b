import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { policyArgs } from "../../cli/local";
import { openPulumi, type LocalPulumi } from "../../cli/pulumi";
import { projectRoot } from "../../cli/workspace";
import { Environment } from "../../components/environment";
import { CONTAINER, DEFAULT_DENY, IMAGE, LABELS, POD_SPEC, RESOURCES } from "../policy/compliant";

const execute = promisify(execFile);

const PACK = join(projectRoot, "policy");
const METADATA = JSON.stringify({ labels: LABELS });

/** A program whose objects are written as files, so that it needs no cluster. */
const program = (clusterIdentifier: string | undefined, body: string) => `
const pulumi = require("@pulumi/pulumi");
const k8s = require("@pulumi/kubernetes");
const random = require("@pulumi/random");
const provider = new k8s.Provider("cluster", {
  renderYamlToDirectory: "rendered", clusterIdentifier: ${JSON.stringify(clusterIdentifier)},
});
const pod = (name, container) =>
  new k8s.core.v1.Pod(name, {
    metadata: ${METADATA},
    spec: { ...${JSON.stringify(POD_SPEC)}, containers: [{ ...${JSON.stringify(CONTAINER)}, ...container }] },
  }, { provider });
new k8s.networking.v1.NetworkPolicy("default-deny", ${JSON.stringify(DEFAULT_DENY)}, { provider });
${body}`;

const VIOLATING = program(
  undefined,
  `pod("unpinned", { image: "canary:latest" });
   new k8s.core.v1.Service("open", { metadata: ${METADATA}, spec: { type: "LoadBalancer" } }, { provider });
   new k8s.core.v1.ConfigMap("elsewhere", { metadata: ${METADATA} });`,
);
const COMPLIANT = program(
  "test",
  `pod("pinned", { image: ${JSON.stringify(IMAGE)}, resources: ${JSON.stringify(RESOURCES)} });`,
);
/** An image that only the update will know, beside one that is known not to be pinned. */
const BESIDE = program(
  "test",
  `const id = new random.RandomId("id", { byteLength: 4 });
   const main = { ...${JSON.stringify(CONTAINER)}, resources: ${JSON.stringify(RESOURCES)} };
   new k8s.core.v1.Pod("beside", {
     metadata: ${METADATA},
     spec: {
       ...${JSON.stringify(POD_SPEC)},
       containers: [
         { ...main, image: pulumi.interpolate\`nginx:\${id.hex}\` },
         { ...main, name: "known", image: "nginx:1.29.1" },
       ],
     },
   }, { provider });`,
);
/** Which image it is is known in the update only, and is then found not to be pinned. */
const UNDECIDED = program(
  "test",
  `const id = new random.RandomId("id", { byteLength: 4 });
   pod("undecided", { image: pulumi.interpolate\`nginx:\${id.hex}\`, resources: ${JSON.stringify(RESOURCES)} });`,
);

describe("policy pack under the real engine", function () {
  this.timeout(180_000);
  let folder: string;
  let project: string;
  let pulumi: LocalPulumi;

  before(async function () {
    this.timeout(3_600_000); // the toolchain may have to be built
    folder = mkdtempSync(join(tmpdir(), "clawfleet-policy-"));
    project = join(folder, "project");
    mkdirSync(project);
    writeFileSync(
      join(project, "Pulumi.yaml"),
      JSON.stringify({
        name: "policed",
        main: "index.js",
        runtime: { name: "nodejs", options: { typescript: false } },
      }),
    );
    symlinkSync(join(projectRoot, "node_modules"), join(project, "node_modules"));
    pulumi = await openPulumi({ ...process.env, CLAWFLEET_STATE: folder, PULUMI_BACKEND_URL: "" });
    await run("stack", "init", "test");
    // For the default provider of the program that uses one.
    await run("config", "set", "kubernetes:renderYamlToDirectory", "rendered");
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => pulumi.run([...args, "--non-interactive"], { cwd: project, capture: true });
  const policed = (command: string[], environment: Environment, source: string) => {
    writeFileSync(join(project, "index.js"), source);
    return run(...command, ...policyArgs(environment));
  };

  /** What Pulumi printed of violations: level, policy, resource and path of each. */
  const findings = (output: string) =>
    [...output.matchAll(/- \[(\w+)\](?: \[severity: \w+\])? +(\S+) +\(\S+ (\S+)\)\n.*\n +(\S+): /g)].map((match) =>
      match.slice(1).join(" "),
    );
  const violations = (level: string) =>
    [
      "entry-private open spec.type",
      "images-pinned unpinned spec.containers[0].image",
      "images-pinned unpinned spec.containers[0].image",
      "provider-explicit elsewhere opts.provider",
      "provider-explicit cluster clusterIdentifier",
      "resources-limited unpinned spec.containers[0].resources.requests.cpu",
      "resources-limited unpinned spec.containers[0].resources.requests.memory",
      "resources-limited unpinned spec.containers[0].resources.requests.ephemeral-storage",
      "resources-limited unpinned spec.containers[0].resources.limits.cpu",
      "resources-limited unpinned spec.containers[0].resources.limits.memory",
      "resources-limited unpinned spec.containers[0].resources.limits.ephemeral-storage",
    ].map((violation) => `${level} ${violation}`);

  for (const [environment, level] of [
    [Environment.Dev, "advisory"],
    [Environment.Stage, "mandatory"],
    [Environment.Prod, "mandatory"],
  ] as const) {
    it(`names every violation in ${environment}, which is ${level}`, async () => {
      const { code, stdout } = await policed(["preview"], environment, VIOLATING);
      assert.equal(code === 0, level === "advisory", stdout);
      assert.deepEqual(findings(stdout).sort(), violations(level).sort());
      assert.ok(!stdout.includes("canary"), "a value is repeated");
    });

    it(`has nothing against a program that complies, in ${environment}`, async () => {
      const { code, stdout } = await policed(["preview"], environment, COMPLIANT);
      assert.equal(code, 0, stdout);
      assert.deepEqual(findings(stdout), []);
      assert.doesNotMatch(stdout, /not decidable/);
      // The version of the pack, not that of the program that it looks at.
      assert.ok(stdout.includes(`✅ clawfleet@v${version()} `), stdout);
    });
  }

  it("stops prod's preview for what is known beside what is not, and names what is not", async () => {
    const { code, stdout } = await policed(["preview"], Environment.Prod, BESIDE);
    assert.notEqual(code, 0, stdout);
    assert.deepEqual(findings(stdout), ["mandatory images-pinned beside spec.containers[1].image"]);
    assert.match(
      stdout,
      /\[advisory\].* images-pinned .*\n.*1 field not decidable in preview: spec\.containers\[0\]\.image\n/,
    );
  });

  it("says in prod's preview what only the update will know, and decides then", async () => {
    const preview = await policed(["preview"], Environment.Prod, UNDECIDED);
    assert.equal(preview.code, 0, preview.stdout);
    assert.deepEqual(findings(preview.stdout), []);
    assert.match(
      preview.stdout,
      /\[advisory\].* images-pinned +\(kubernetes:core\/v1:Pod: undecided\)\n.*not decidable in preview: spec\.containers\[0\]\.image\n/,
    );
    assert.match(preview.stdout, /1 field of 1 resource not decidable in preview; the update decides/);
    const update = await policed(["up", "--yes", "--skip-preview"], Environment.Prod, UNDECIDED);
    assert.notEqual(update.code, 0, update.stdout);
    assert.deepEqual(findings(update.stdout), ["mandatory images-pinned undecided spec.containers[0].image"]);
    assert.doesNotMatch(update.stdout, /Pod undecided creat/);
  });

  it("works from its package alone, outside of this repository", async () => {
    const pack = await installedPack();
    const config = join(pack, "config", "prod.json");
    writeFileSync(join(project, "index.js"), VIOLATING);
    const { code, stdout } = await run("preview", "--policy-pack", pack, "--policy-pack-config", config);
    assert.notEqual(code, 0, stdout);
    // Pulumi leaves the middle of a long path out.
    const loaded = stdout.split("\n").find((line) => line.includes(`clawfleet@v${version()} (local: `));
    assert.ok(loaded?.endsWith("node_modules/clawfleet-policy)"), stdout);
    for (const violation of violations("mandatory")) assert.ok(findings(stdout).includes(violation), violation);
  });

  const version = () => {
    const { version: own } = JSON.parse(readFileSync(join(PACK, "package.json"), "utf8")) as { version: string };
    return own;
  };

  /** The pack as npm would install it, in a folder of its own, with what it depends on and nothing else of ours. */
  const installedPack = async () => {
    const tarballs = join(folder, "tarballs");
    const modules = join(folder, "elsewhere", "node_modules");
    mkdirSync(tarballs);
    mkdirSync(join(modules, "@pulumi"), { recursive: true });
    await execute("npm", ["pack", PACK, "--pack-destination", tarballs, "--ignore-scripts", "--loglevel=error"]);
    const [tarball = ""] = readdirSync(tarballs);
    await execute("tar", ["-xzf", join(tarballs, tarball), "-C", modules]);
    renameSync(join(modules, "package"), join(modules, "clawfleet-policy"));
    const pack = join(modules, "clawfleet-policy");
    const { dependencies } = JSON.parse(readFileSync(join(pack, "package.json"), "utf8")) as { dependencies: object };
    for (const name of Object.keys(dependencies))
      symlinkSync(join(projectRoot, "node_modules", name), join(modules, name));
    return pack;
  };
});
