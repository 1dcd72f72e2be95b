import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * Preloaded into the processes that a check starts. Pulumi starts a policy pack with a TypeScript compiler, whether it needs one
 * or not, which is most of what a pack costs a preview; ours is compiled. It is this file that it gets instead.
 */
export const version = "5.0.0";

/** As ts-node's. */
export function register(): void {
  // There is nothing to compile.
}

const load = createRequire(__filename);
if (/[\\/]cmd[\\/]run-plugin[\\/]/.test(process.argv[1] ?? "")) {
  // Every process of a check loads this file, so it has no imports of the project's.
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
