import { readdirSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";

/** Fast ones first: a typing error should not wait for a cluster. */
const SUITES = ["unit", "mocks", "policy", "contract", "engine"];

/** Runs the suites named on the command line, or all, and ends with the line that CI reads. */
function main(names: string[]): void {
  const mocha = new Mocha({ timeout: 30_000, slow: 60_000, color: process.stdout.isTTY });
  for (const suite of names.length > 0 ? names : SUITES) {
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

main(process.argv.slice(2));
