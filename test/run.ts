import { readdirSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join, relative } from "node:path";
import Mocha from "mocha";
import { catalogueImage } from "../components/images";
import { installOpenClaw } from "../engine/openclaw";
import { debianPrograms } from "../engine/programs/debian";
import { pythonPrograms } from "../engine/programs/python";
import { clusterTools, ensureManifests, ensureTools, pulumiTools, testTools } from "../engine/toolchain";
import { TestRun } from "./support/test-run";

/** Fast ones first: a typing error should not wait for a cluster. They need no tools, and run while those are made. */
const FAST = ["unit", "mocks", "policy"];
/** Engine has the longest files: what runs last should be short, so that no processor waits for the other's. */
const SUITES = [...FAST, "engine", "contract"];
/** Suites that start clusters; `faults` takes long, and is run when it is named. */
const WITH_CLUSTERS = ["engine", "faults"];

/** Debian packages that the contract tests start programs of. */
const DEBIAN_PACKAGES = [["chromium-headless-shell", "socat"], ["squid", "squid-langpack"], ["nats-server"]];
/** Files of engine/programs/requirements. */
const PYTHON_PROGRAMS = ["litellm", "chdb", "minilm"];

const progress = (line: string): void => void process.stderr.write(`${line}\n`);

/**
 * Gets what the tests start, which no test's time limit should have to allow for: minutes, on a machine that has none of it.
 * A failure is left to the tests that need it, which say which they are.
 */
async function prepare(suites: string[]): Promise<void> {
  const attempt = (what: string, work: Promise<unknown>) =>
    work.catch((error: unknown) => {
      progress(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    });
  // Builds want processors, and packages the network.
  const builds = async () => {
    if (suites.some((suite) => WITH_CLUSTERS.includes(suite))) {
      await ensureTools([...pulumiTools, ...clusterTools, "kubectl"]);
      await ensureManifests();
    }
    if (suites.includes("contract")) {
      await attempt("programs for tests", ensureTools(testTools));
    }
  };
  const packages = async () => {
    if (!suites.includes("contract")) return;
    await attempt("openclaw", installOpenClaw(catalogueImage("openclaw-gateway").tag, progress));
    for (const name of PYTHON_PROGRAMS) await attempt(name, pythonPrograms(name, progress));
    for (const names of DEBIAN_PACKAGES) await attempt(names.join(", "), debianPrograms(names, progress));
  };
  await Promise.all([builds(), packages()]);
}

/** How many test files run at once: three local clusters and a rollout take up to 4 GiB. */
const JOBS = Math.max(1, Math.min(4, availableParallelism(), Math.floor(totalmem() / (4 * 2 ** 30))));

/** How many tests ended how, and how many milliseconds the tests and hooks of each file took. */
interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  times: Map<string, number>;
}

/** Runs the tests of some suites, several files at once. */
function run(suites: string[]): Promise<Outcome> {
  const times = new Map<string, number>();
  if (suites.length === 0) return Promise.resolve({ passed: 0, failed: 0, skipped: 0, times });
  const mocha = new Mocha({
    timeout: 30_000,
    slow: 60_000,
    color: process.stdout.isTTY,
    parallel: true,
    jobs: JOBS,
    require: [join(__dirname, "support", "test-worker.js")],
  });
  for (const suite of suites) {
    const folder = join(__dirname, suite);
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".test.js")))
      mocha.addFile(join(folder, file));
  }
  const add = ({ file = "", duration = 0 }: Mocha.Runnable) => times.set(file, (times.get(file) ?? 0) + duration);
  return new Promise((ended) => {
    const runner = mocha.run((failed) => {
      const { passes = 0, pending = 0 } = runner.stats ?? {};
      ended({ passed: passes, failed, skipped: pending, times });
    });
    runner.on(Mocha.Runner.constants.EVENT_TEST_END, add);
    runner.on(Mocha.Runner.constants.EVENT_HOOK_END, add);
  });
}

/** Runs the suites named on the command line, or all, and ends with the line that CI reads. */
async function main(suites: string[]): Promise<void> {
  const started = Date.now();
  const prepared = prepare(suites).finally(() => progress(`tools and programs: ${minutes(Date.now() - started)}`));
  prepared.catch(() => undefined); // it is awaited below
  const fast = await run(suites.filter((suite) => FAST.includes(suite)));
  await prepared;
  const slow = await run(suites.filter((suite) => !FAST.includes(suite)));
  await testRun.dispose();

  const times = [...fast.times, ...slow.times].sort(([, one], [, other]) => other - one);
  progress("the longest files:");
  for (const [file, time] of times.slice(0, 10)) progress(`  ${minutes(time)} ${relative(__dirname, file)}`);
  progress(`all: ${minutes(Date.now() - started)}`);
  const [passed, failed, skipped] = [fast.passed + slow.passed, fast.failed + slow.failed, fast.skipped + slow.skipped];
  process.stdout.write(
    `${String(passed)} passed, ${String(failed)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ""}\n`,
  );
  // A test that leaves something running must not keep CI waiting.
  process.exit(failed > 0 ? 1 : 0);
}

function minutes(milliseconds: number): string {
  return `${(milliseconds / 60_000).toFixed(1)} min`;
}

const testRun = new TestRun();
const named = process.argv.slice(2);
main(named.length > 0 ? named : SUITES).catch(async (error: unknown) => {
  if (testRun.interrupted) return;
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  await testRun.dispose();
  process.exit(1);
});
