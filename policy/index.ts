import { dirname } from "node:path";
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies";
import { convertOnce } from "./runtime/convert-once";
import { optimizeLater } from "./runtime/optimize-later";
import { readStructsPlainly } from "./runtime/read-structs";
import { skipUnusedRemediations } from "./runtime/skip-remediations";

// PolicyPack reads the pack's version from the package.json of the current folder, which Pulumi makes the program's.
process.chdir(dirname(__dirname));

optimizeLater();
readStructsPlainly(require.resolve("@pulumi/pulumi"));
convertOnce();
skipUnusedRemediations();
// The constructor starts a server, so nothing but Pulumi loads this file. Without a config every policy is mandatory.
new PolicyPack("clawfleet", { policies, enforcementLevel: "mandatory" });
