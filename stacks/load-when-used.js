"use strict";
// Pulumi's SDK loads, whoever requires it, a TypeScript compiler and npm's dependency resolver to serialize functions
// with, and its Automation API. That is 350 modules and most of a preview's processor time, for what no program here uses.
const Module = require("node:module");

/** What is put off: whether its exports are functions alone, which others copy when they load. */
const PUT_OFF = {
  "@pulumi/pulumi/runtime/closure/codePaths": { functions: true },
  "@pulumi/pulumi/runtime/closure/serializeClosure": { functions: true },
  "@pulumi/pulumi/automation": { functions: false },
  // Finds the components of a package, by TypeScript's compiler; the start of a policy pack requires it.
  "@pulumi/pulumi/provider/experimental/analyzer": { functions: false },
};

/** Has a module loaded when something in it is used, rather than when it is required. */
function loadWhenUsed(id, { functions }) {
  let file;
  try {
    file = require.resolve(id);
  } catch {
    return; // another version of the SDK, which keeps it elsewhere: loaded as ever
  }
  if (require.cache[file] !== undefined) return;
  const standIn = new Module(file);
  const load = () => {
    if (require.cache[file] === standIn) delete require.cache[file];
    return require(file);
  };
  standIn.filename = file;
  standIn.loaded = true;
  standIn.exports = new Proxy(
    {},
    {
      get: (_, name) => (name === "__esModule" ? true : functions ? (...args) => load()[name](...args) : load()[name]),
      has: (_, name) => name in load(),
      ownKeys: () => Reflect.ownKeys(load()),
      getOwnPropertyDescriptor: (_, name) => ({ value: load()[name], enumerable: true, configurable: true }),
    },
  );
  require.cache[file] = standIn;
}

for (const [id, kind] of Object.entries(PUT_OFF)) loadWhenUsed(id, kind);
