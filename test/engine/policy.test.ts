import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { policyArgs } from "../../cli/local";
import { openPulumi, type LocalPulumi } from "../../cli/pulumi";
import { projectRoot } from "../../cli/workspace";
import { Environment } from "../../components/environment";
import { CONTAINER, DEFAULT_DENY, IMAGE, LABELS, POD_SPEC, RESOURCES } from "../policy/compliant";

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
    [...output.matchAll(/- \[(\w+)\] +(\S+) +\(\S+ (\S+)\)\n.*\n +(\S+): /g)].map((match) => match.slice(1).join(" "));
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

  it("lets violations pass in dev, and names each", async () => {
    const { code, stdout } = await policed(["preview"], Environment.Dev, VIOLATING);
    assert.equal(code, 0, stdout);
    assert.deepEqual(findings(stdout).sort(), violations("advisory").sort());
    assert.ok(!stdout.includes("canary"), "a value is repeated");
  });

  it("stops the preview in prod", async () => {
    const { code, stdout } = await policed(["preview"], Environment.Prod, VIOLATING);
    assert.notEqual(code, 0, stdout);
    assert.deepEqual(findings(stdout).sort(), violations("mandatory").sort());
  });

  it("says in prod's preview what only the update will know, and decides then", async () => {
    const preview = await policed(["preview"], Environment.Prod, UNDECIDED);
    assert.equal(preview.code, 0, preview.stdout);
    assert.deepEqual(findings(preview.stdout), []);
    assert.match(
      preview.stdout,
      /\[advisory\] +images-pinned +\(kubernetes:core\/v1:Pod: undecided\)\n.*not decidable in preview: spec\.containers\[0\]\.image\n/,
    );
    const update = await policed(["up", "--yes", "--skip-preview"], Environment.Prod, UNDECIDED);
    assert.notEqual(update.code, 0, update.stdout);
    assert.deepEqual(findings(update.stdout), ["mandatory images-pinned undecided spec.containers[0].image"]);
    assert.doesNotMatch(update.stdout, /Pod undecided creat/);
  });

  it("has a version of its own, whatever program it looks at", async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, "policy", "package.json"), "utf8")) as {
      version: string;
    };
    const { stdout } = await policed(["preview"], Environment.Dev, COMPLIANT);
    assert.ok(stdout.includes(`✅ clawfleet@v${version} `), stdout);
  });
});
