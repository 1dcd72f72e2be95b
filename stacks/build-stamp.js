"use strict";
// Tells whether dist/ was compiled from the sources as they are now, by their contents: times change with a checkout.
const { createHash } = require("node:crypto");
const { readFileSync, readdirSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

/** What the program is compiled from. */
const SOURCES = ["index.ts", "tsconfig.json", "components", "stacks", "policy/runtime"];
const STAMP = join("dist", "build-stamp");

function sourceHash(root) {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((source) =>
    source.includes(".")
      ? [source]
      : readdirSync(join(root, source), { recursive: true }).map((file) => join(source, file)),
  );
  for (const file of files.filter((name) => /\.(ts|json)$/.test(name)).sort()) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function isFresh(root) {
  try {
    return readFileSync(join(root, STAMP), "utf8") === sourceHash(root);
  } catch {
    return false; // never compiled
  }
}

module.exports = { isFresh };

if (require.main === module) {
  const root = join(__dirname, "..");
  writeFileSync(join(root, STAMP), sourceHash(root));
}
