import { join } from "node:path";

import { FleetError } from "../../components/errors";
import { describeBuild, tryGo } from "./build";
import { cacheDir, context, modulesDir, platform, type ToolchainOptions } from "./context";
import { findPresent } from "./ensure";
import { findInstalled } from "./find";
import { officialVersion } from "./official";
import { toolSpecs, userTools, type ToolName } from "./tools";
import { describeRange } from "./version";

/** One line of `make doctor`. */
export interface DoctorRow {
  name: string;
  /** The versions that will do, in words. */
  want: string;
  /** The version found. */
  found?: string;
  path?: string;
  source: "path" | "download" | "build" | "missing";
  /** Empty when found, else what would be done, and how to do without it. */
  action: string;
}

/** What of the toolchain is there, where and in which version. Neither downloads nor builds. */
export async function doctor(
  names: readonly ToolName[] = userTools,
  options: ToolchainOptions = {},
): Promise<DoctorRow[]> {
  const ctx = context(options);
  const present = await findPresent(names, ctx);
  const installed = await findInstalled(
    names.filter((name) => !present.has(name)),
    ctx,
  );
  const go = await tryGo(join(modulesDir(), "toolchain"), ctx);
  const rows = names.map((name): DoctorRow => {
    const spec = toolSpecs[name];
    const want = describeRange(spec.accepts);
    const tool = present.get(name);
    if (tool !== undefined)
      return { name, want, found: tool.version, path: tool.path, source: tool.source, action: "" };
    const rejected = (installed.get(name)?.rejected ?? []).map(
      ({ path, version }) => `${path} is ${version ?? "of unknown version"}`,
    );
    const build =
      go instanceof FleetError ? `a build needs Go: ${go.message.split("\n")[0]}` : `built ${describeBuild([name])}`;
    const steps = [
      ...rejected,
      spec.official === undefined ? build : `downloaded ${officialVersion(name)} on first use, else ${build}`,
      `or ${spec.install}`,
    ];
    return { name, want, source: "missing", action: steps.join("; ") };
  });
  const { os, arch } = platform();
  const machine: DoctorRow[] = [
    {
      name: "node",
      want: "20.19.0 or later",
      found: process.versions.node,
      path: process.execPath,
      source: "path",
      action: "",
    },
    go instanceof FleetError
      ? { name: "go", want: "only for builds", source: "missing", action: go.message.replace(/\n\s+/g, " ") }
      : {
          name: "go",
          want: "only for builds",
          found: go.version.replace(/^go/, ""),
          path: go.path,
          source: "path",
          action: "",
        },
    { name: "cache", want: `${os}/${arch}`, path: cacheDir(ctx.env), source: "path", action: "" },
  ];
  return [...rows, ...machine];
}
