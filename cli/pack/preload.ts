import { realpathSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { join } from "node:path";

/**
 * Preloaded into the processes that Pulumi starts for us. Pulumi starts a policy pack with a TypeScript compiler, whether it
 * needs one or not, which is most of what a pack costs a preview; ours is compiled. It is this file that it gets instead.
 */
export const version = "5.0.0";

/** As ts-node's. */
export function register(): void {
  // There is nothing to compile.
}

/** The variable with the port of a pack that runs already; see PackServers. */
export const PACK_PORT = "CLAWFLEET_PACK_PORT";

const load = createRequire(__filename);
const [, script = ""] = process.argv;
if (/[\\/]cmd[\\/]run-plugin[\\/]/.test(script)) {
  const port = process.env[PACK_PORT];
  if (port === undefined) withoutCompiler();
  else standInFor(port);
}

function withoutCompiler(): void {
  // Every process that Pulumi starts loads this file, so it has no imports of the project's.
  load(join(__dirname, "..", "..", "..", "stacks", "load-when-used.js"));
  const tools = load("@pulumi/pulumi/tsutils") as {
    typeScriptRequireStrings: () => object;
    loadTypeScriptCompilerOptions: () => object;
  };
  // Where a later SDK asks elsewhere for its compiler, it gets it.
  tools.typeScriptRequireStrings = () => ({ tsnodeRequire: __filename, typescriptRequire: __filename });
  // To read a tsconfig.json, that compiler would be loaded after all.
  tools.loadTypeScriptCompilerOptions = () => ({});
}

/** Tells Pulumi, which reads it here, the port of a pack that runs already, and does nothing else until Pulumi ends it. */
function standInFor(port: string): void {
  const main = realpathSync(script);
  const nothing = new Module(main);
  nothing.loaded = true;
  load.cache[main] = nothing;
  process.stdout.write(`${port}\n`);
  setInterval(() => undefined, 2 ** 30);
}
