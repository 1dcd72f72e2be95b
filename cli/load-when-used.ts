import { createRequire } from "node:module";
import { join } from "node:path";
import { projectRoot } from "./workspace";

// As the stacks' program does: half of zod's modules are messages in other languages, a third of these commands' start.
createRequire(__filename)(join(projectRoot, "stacks", "load-when-used.js"));
