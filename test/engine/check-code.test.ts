import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { projectRoot } from "../../cli/workspace";
import type { Report, StackReport } from "../../stacks/fleet/check/report";

/** What the program and the command are made of. */
const SOURCES = [
  ...["cli", "components", "engine", "policy", "stacks", "index.ts", "tsconfig.json", ".gitignore"],
  ...["package.json", "package-lock.json", "Pulumi.yaml", "schema.json"],
];
const TENANCY = join("components", "tenancy.ts");
const QUOTA = 'metadata: metadata("quota")';
const CELL = {
  gateway: {
    egress: [{ cidr: "198.51.100.0/24" }],
    openclaw: {
      models: {
        providers: { own: { baseUrl: "https://models.example.com/v1", apiKey: false, models: [{ id: "m" }] } },
      },
    },
  },
};

/** A clone of the project whose change is one of code: what the base renders is for the base's own code to say. */
describe("clawfleet check of a change of code", function () {
  this.timeout(300_000);
  let folder: string;
  let project: string;
  /** For temporary files of the commands alone. */
  let temporary: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "clawfleet-engine-"));
    project = join(folder, "project");
    temporary = join(folder, "temporary");
    mkdirSync(temporary);
    const isSource = (file: string) => !/[\\/](node_modules|dist)$/.test(file.slice(projectRoot.length));
    for (const name of SOURCES)
      cpSync(join(projectRoot, name), join(project, name), { recursive: true, filter: isSource });
    symlinkSync(join(projectRoot, "node_modules"), join(project, "node_modules"));
    write("fleet/fleet.yaml", {
      clusters: [{ id: "code-eu", region: "eu-west", context: "nowhere" }],
      cells: [{ environment: "dev", clusters: ["code-eu"] }],
    });
    write("fleet/overlays/base.yaml", CELL);
    git("init", "--quiet", "--initial-branch", "main");
    commit("base");
    git("checkout", "--quiet", "-b", "change");
    write("components/broken.ts", 'export const broken: number = "no number";\n');
    commit("does not compile");
    git("tag", "broken");
    rmSync(join(project, "components", "broken.ts"));
    const tenancy = readFileSync(join(project, TENANCY), "utf8");
    assert.ok(tenancy.includes(QUOTA));
    write(
      TENANCY,
      tenancy.replace(QUOTA, 'metadata: { ...metadata("quota"), annotations: { "example.com/reviewed": "yes" } }'),
    );
    commit("annotate the quota");
    execFileSync("npm", ["run", "--silent", "build"], { cwd: project, stdio: ["ignore", "ignore", "inherit"] });
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function write(name: string, content: unknown): void {
    mkdirSync(join(project, name, ".."), { recursive: true });
    writeFileSync(join(project, name), typeof content === "string" ? content : stringify(content));
  }
  const git = (...args: string[]) => execFileSync("git", args, { cwd: project, encoding: "utf8" });
  const commit = (message: string) => {
    git("add", "--all");
    git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", message);
  };

  const command = () => join(project, "dist", "cli", "main.js");
  /** What checks keep for as long as they run. */
  const leftovers = () => readdirSync(temporary).filter((name) => /^clawfleet-(check|base)-/.test(name));

  /** Runs the clone's own command, and returns what it reports of its one stack. */
  async function checkSince(reference: string): Promise<StackReport> {
    const args = [
      "check",
      "--folder",
      join(project, "fleet"),
      "--stack",
      "dev",
      "--changed-since",
      reference,
      "--json",
    ];
    const env = { ...process.env, TMPDIR: temporary, PULUMI_BACKEND_URL: "", PULUMI_ACCESS_TOKEN: "" };
    const { stdout } = await promisify(execFile)(process.execPath, [command(), ...args], {
      env,
      maxBuffer: 64 * 2 ** 20,
    });
    const { stacks } = JSON.parse(stdout) as Report;
    const [stack] = stacks;
    assert.ok(stack);
    assert.deepEqual(stack.reasons, ["the code"]);
    return stack;
  }

  it("renders the base with the base's code, and the head with the head's", async () => {
    const { base, changes, notes } = await checkSince("main");
    assert.deepEqual([base, notes], ["rendered", []]);
    assert.deepEqual(
      changes.map(({ op, name, paths }) => [op, name, paths]),
      [["update", "code-eu/quota", ["metadata.annotations"]]],
    );
  });

  it("says so when the base does not compile, and checks the head nevertheless", async () => {
    const { base, changes, notes, failure } = await checkSince("broken");
    assert.deepEqual([base, changes, failure], ["none", [], undefined]);
    assert.match(notes.join("\n"), /the base does not render: npm run --silent build ended with .*broken\.ts/);
  });

  it("stops on Ctrl-C while the base is being compiled", async () => {
    const args = ["check", "--folder", join(project, "fleet"), "--changed-since", "main"];
    const env = { ...process.env, TMPDIR: temporary };
    const child = spawn(process.execPath, [command(), ...args], { env, stdio: "ignore" });
    const ended = once(child, "exit");
    // Its packages are linked just before the compiler starts.
    const compiles = () => leftovers().some((name) => existsSync(join(temporary, name, "base", "node_modules")));
    while (child.exitCode === null && !compiles()) await sleep(50);
    await sleep(1_500);
    const interrupted = Date.now();
    child.kill("SIGINT");
    assert.deepEqual(await ended, [130, null]);
    // It neither waits for the compiler nor leaves it at work in the folder that is being removed.
    assert.ok(Date.now() - interrupted < 5_000);
    await sleep(5_000);
  });

  it("leaves nothing behind", () => {
    assert.deepEqual(leftovers(), []);
    assert.equal(git("worktree", "list").trim().split("\n").length, 1);
  });
});
