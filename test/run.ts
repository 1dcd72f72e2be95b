import { readdirSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";
import { catalogueImage } from "../components/images";
import { installOpenClaw } from "../engine/openclaw";
import { debianPrograms } from "../engine/programs/debian";
import { pythonPrograms } from "../engine/programs/python";
import { clusterTools, ensureManifests, ensureTools, pulumiTools, testTools } from "../engine/toolchain";

/** Fast ones first: a typing error should not wait for a cluster. */
const SUITES = ["unit", "mocks", "policy", "contract", "engine"];
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

/** Runs the suites named on the command line, or all, and ends with the line that CI reads. */
async function main(suites: string[]): Promise<void> {
  const started = Date.now();
  await prepare(suites);
  progress(`tools and programs: ${minutes(started)}`);
  const mocha = new Mocha({ timeout: 30_000, slow: 60_000, color: process.stdout.isTTY });
  for (const suite of suites) {
    const folder = join(__dirname, suite);
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".test.js")))
      mocha.addFile(join(folder, file));
  }
  const testing = Date.now();
  const runner = mocha.run((failures) => {
    progress(`tests: ${minutes(testing)}, all: ${minutes(started)}`);
    const { passes = 0, pending = 0 } = runner.stats ?? {};
    process.stdout.write(
      `${String(passes)} passed, ${String(failures)} failed${pending > 0 ? `, ${String(pending)} skipped` : ""}\n`,
    );
    // A test that leaves something running must not keep CI waiting.
    process.exit(failures > 0 ? 1 : 0);
  });
}

function minutes(since: number): string {
  return `${((Date.now() - since) / 60_000).toFixed(1)} min`;
}

const named = process.argv.slice(2);
main(named.length > 0 ? named : SUITES).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
