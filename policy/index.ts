import { dirname } from "node:path";
import { PolicyPack } from "@pulumi/policy";
import { convertOnce } from "./kubernetes/convert-once";
import { policies } from "./policies";

// PolicyPack reads the pack's version from the package.json of the current folder, which Pulumi makes the program's.
process.chdir(dirname(__dirname));

convertOnce();
// The constructor starts a server, so nothing but Pulumi loads this file. Without a config every policy is mandatory.
new PolicyPack("clawfleet", { policies, enforcementLevel: "mandatory" });
