import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies";
import { convertOnce } from "./runtime/convert-once";
import { readStructsPlainly } from "./runtime/read-structs";
import { skipUnusedRemediations } from "./runtime/skip-remediations";

/** Milliseconds. */
const SHORT_LIFE = 10_000;

// PolicyPack reads the pack's version from the package.json of the current folder, which Pulumi makes the program's.
process.chdir(dirname(__dirname));

// Most packs live as long as one preview, and are gone before V8's optimizing compiler has paid for itself: a third of what
// the policies take.
setFlagsFromString("--no-opt");
setTimeout(() => {
  setFlagsFromString("--opt");
}, SHORT_LIFE).unref();

readStructsPlainly(require.resolve("@pulumi/pulumi"));
convertOnce();
skipUnusedRemediations();
// The constructor starts a server, so nothing but Pulumi loads this file. Without a config every policy is mandatory.
new PolicyPack("clawfleet", { policies, enforcementLevel: "mandatory" });
