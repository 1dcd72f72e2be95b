import { createRequire } from "node:module";
import { join } from "node:path";
import { projectRoot } from "./workspace";

// As the stacks' program does, for the one command that runs it here. To be imported before what loads Pulumi's SDK.
createRequire(__filename)(join(projectRoot, "stacks", "load-when-used.js"));
