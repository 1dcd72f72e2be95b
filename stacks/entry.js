"use strict";
// What the engine runs. Plain JavaScript, so that it is there before anything is compiled: it runs the compiled
// program, and only when that was compiled from the sources as they are now.
const { join } = require("node:path");
const { isFresh } = require("./build-stamp");

const root = join(__dirname, "..");
if (!isFresh(root)) {
  const { RunError } = require("@pulumi/pulumi");
  const error = new RunError(
    "The compiled program in dist/ is missing or older than its sources.\n  Fix: run `make build` (or `npm run build`)",
  );
  error.stack = undefined; // see FleetError
  throw error;
}
require("./load-when-used");
require("./no-sdk-diagnostics");
const { optimizeLater } = require("../policy/dist/runtime/optimize-later");
const { readStructsPlainly } = require("../policy/dist/runtime/read-structs");
readStructsPlainly(require.resolve("@pulumi/pulumi"));
// Pulumi takes a stack trace with every promise and resource, and maps each frame to its source: a fifth of a preview.
Error.prepareStackTrace = undefined;
optimizeLater();
module.exports = () => require(join(root, "dist", "stacks", "program.js")).program();
