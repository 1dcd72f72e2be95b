import { readdirSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";
import { clusterTools, ensureManifests, ensureTools, pulumiTools } from "../engine/toolchain";

/** Fast ones first: a typing error should not wait for a cluster. */
const SUITES = ["unit", "mocks", "policy", "contract", "engine"];

/** Runs the suites named on the command line, or all, and ends with the line that CI reads. */
async function main(suites: string[]): Promise<void> {
  if (suites.includes("engine")) {
    // From source this takes minutes, which no test's time limit should have to allow for.
    await ensureTools([...pulumiTools, ...clusterTools, "kubectl"]);
    await ensureManifests();
  }
  const mocha = new Mocha({ timeout: 30_000, slow: 60_000, color: process.stdout.isTTY });
  for (const suite of suites) {
    const folder = join(__dirname, suite);
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".test.js")))
      mocha.addFile(join(folder, file));
  }
  const runner = mocha.run((failures) => {
    const { passes = 0, pending = 0 } = runner.stats ?? {};
    process.stdout.write(
      `${String(passes)} passed, ${String(failures)} failed${pending > 0 ? `, ${String(pending)} skipped` : ""}\n`,
    );
    // A test that leaves something running must not keep CI waiting.
    process.exit(failures > 0 ? 1 : 0);
  });
}

const named = process.argv.slice(2);
main(named.length > 0 ? named : SUITES).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
