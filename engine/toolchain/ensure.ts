import { FleetError, NotFound } from "../../components/errors";
import { buildTools, findBuilt } from "./build";
import { context, type Context, type ToolchainOptions } from "./context";
import { ReleaseHosts } from "./download";
import { findInstalled, type Tool } from "./find";
import { downloadOfficial, findOfficial } from "./official";
import { toolSpecs, type ToolName } from "./tools";

/**
 * Finds the tools: on PATH in a version that will do, else the official download, else a build from the pinned Go modules.
 * Downloads and builds are kept in the user's cache, so that they happen once per machine; from there it takes well below 1 s.
 * @throws NotFound naming each tool that can't be had, why, and how to install it; ValidationFailed when a download's
 *   checksum differs; the signal's reason when aborted
 */
export async function ensureTools<N extends ToolName>(
  names: readonly N[],
  options: ToolchainOptions = {},
): Promise<Record<N, Tool>> {
  const ctx = context(options);
  const tools = await findPresent(names, ctx);
  const reasons = await downloadMissing(names, tools, ctx);
  const missing = names.filter((name) => !tools.has(name));
  if (missing.length > 0) {
    for (const tool of await buildTools(missing, ctx).catch((error: unknown) => fail(missing, reasons, error)))
      tools.set(tool.name, tool);
  }
  return Object.fromEntries(names.map((name) => [name, tools.get(name)])) as Record<N, Tool>;
}

/** The tools that need neither a download nor a build: installed, or in the cache. */
export async function findPresent(names: readonly ToolName[], ctx: Context): Promise<Map<ToolName, Tool>> {
  const tools = new Map<ToolName, Tool>();
  for (const [name, { tool }] of await findInstalled(names, ctx)) if (tool !== undefined) tools.set(name, tool);
  for (const name of names) {
    const official = tools.has(name) ? undefined : findOfficial(name, ctx);
    if (official !== undefined) tools.set(name, official);
  }
  for (const tool of await findBuilt(
    names.filter((name) => !tools.has(name)),
    ctx,
  ))
    tools.set(tool.name, tool);
  return tools;
}

/** Downloads what is missing and says in one line what is not to be had, which is returned too. */
async function downloadMissing(
  names: readonly ToolName[],
  tools: Map<ToolName, Tool>,
  ctx: Context,
): Promise<Map<ToolName, string>> {
  const hosts = new ReleaseHosts(ctx);
  const reasons = new Map<ToolName, string>();
  // The CLI first, since it installs the plugins.
  const missing = names
    .filter((name) => !tools.has(name) && toolSpecs[name].official !== undefined)
    .sort((a, b) => Number(b === "pulumi") - Number(a === "pulumi"));
  for (const name of missing) {
    const tool = await downloadOfficial(name, tools.get("pulumi"), hosts, reasons, ctx);
    if (tool !== undefined) tools.set(name, tool);
  }
  const distinct = [...new Set(reasons.values())];
  if (distinct.length > 0) ctx.log(`no official download of ${[...reasons.keys()].join(", ")}: ${distinct.join("; ")}`);
  return reasons;
}

function fail(names: readonly ToolName[], reasons: ReadonlyMap<ToolName, string>, error: unknown): never {
  if (!(error instanceof FleetError)) throw error;
  const lines = names.map((name) => {
    const { install, official } = toolSpecs[name];
    return `${name}: ${install}${official === undefined ? "" : ` (download: ${reasons.get(name) ?? "failed"})`}`;
  });
  throw new NotFound(
    {
      what: `${names.join(", ")} can be neither found nor downloaded nor built. ${error.message.split("\n  Fix: ")[0]}`,
      where: "toolchain",
      fix: [
        error.fix ??
          "see what Go says above (it needs its module proxy, GOPROXY, unless the modules were downloaded before)",
        "or, without a build,",
        ...lines,
      ].join("\n    "),
    },
    { cause: error },
  );
}
