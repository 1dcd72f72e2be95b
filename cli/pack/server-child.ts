import { createRequire } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

/** The policy pack in a process of its own, as Pulumi would start it. Ends when whoever started it has ended. */
const load = createRequire(__filename);
const root = join(__dirname, "..", "..", "..");
load(join(root, "stacks", "load-when-used.js"));
process.stdin.resume().on("end", () => process.exit());
load(join(root, "policy", "dist", "index.js"));
// This one lives for many previews; see policy/runtime/optimize-later.ts.
setFlagsFromString("--opt");
