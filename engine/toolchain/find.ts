import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, sep } from "node:path";

import { cacheDir, type Context } from "./context";
import { run } from "./process";
import { toolSpecs, type ToolName } from "./tools";
import { findVersion, inRange } from "./version";

/** A tool that can be run. */
export interface Tool {
  name: ToolName;
  version: string;
  /** Absolute. */
  path: string;
  /** Found on the machine, downloaded by us, or built by us. */
  source: "path" | "download" | "build";
}

/** What is installed of one tool: the one that will do, and those that were passed over. */
export interface Found {
  tool?: Tool;
  rejected: { path: string; version: string | undefined }[];
}

/** Left in a folder of links that we made ourselves, so that it is not taken for an installation. */
export const linksMarker = ".clawfleet-links";

const versionTimeoutMs = 10_000;

/** Looks for each tool on PATH and, for plugins, where Pulumi installs them. Wrong versions are passed over. */
export async function findInstalled(names: readonly ToolName[], ctx: Context): Promise<Map<ToolName, Found>> {
  const found = new Map<ToolName, Found>();
  // The language host belongs to the CLI that it lies beside, so that is looked up first.
  const pulumi =
    names.includes("pulumi") || names.includes("pulumi-language-nodejs") ? await findProgram("pulumi", ctx) : undefined;
  await Promise.all(
    names.map(async (name) => {
      if (name === "pulumi" && pulumi !== undefined) found.set(name, pulumi);
      else if (name === "pulumi-language-nodejs") found.set(name, findLanguageHost(pulumi?.tool, ctx));
      else found.set(name, findPlugin(name, ctx) ?? (await findProgram(name, ctx)));
    }),
  );
  return found;
}

/** Every program of that name on PATH, first one first, without our own links and those of an npm project. */
export function onPath(name: string, env: NodeJS.ProcessEnv): string[] {
  const dirs = (env.PATH ?? "")
    .split(delimiter)
    .filter((dir) => isAbsolute(dir) && !dir.endsWith(join("node_modules", ".bin")));
  const paths = [...new Set(dirs)].filter((dir) => !existsSync(join(dir, linksMarker))).map((dir) => join(dir, name));
  return paths.filter(isProgram);
}

/** Whether the path is a file that may be executed. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function findProgram(name: ToolName, ctx: Context): Promise<Found> {
  const { accepts, versionArgs } = toolSpecs[name];
  const rejected: Found["rejected"] = [];
  for (const path of onPath(name, ctx.env)) {
    if (isOurs(path, ctx)) continue;
    const version = versionOfFolder(realpathSync(path), name) ?? (await printedVersion(path, versionArgs, ctx));
    if (version !== undefined && inRange(version, accepts))
      return { tool: { name, version, path, source: "path" }, rejected };
    rejected.push({ path, version });
  }
  return { rejected };
}

function findPlugin(name: ToolName, ctx: Context): Found | undefined {
  const { official, version } = toolSpecs[name];
  if (official?.kind !== "plugin") return undefined;
  const home = join(ctx.env.HOME ?? homedir(), ".pulumi");
  for (const dir of [ctx.env.PULUMI_HOME ?? home, home]) {
    const folder = join(dir, "plugins", `resource-${official.plugin}-v${version}`);
    const path = join(folder, name);
    // Pulumi marks a plugin that it is still installing with a file beside the folder.
    if (!existsSync(`${folder}.partial`) && isProgram(path) && !isOurs(path, ctx))
      return { tool: { name, version, path, source: "path" }, rejected: [] };
  }
  return undefined;
}

/** Beside the CLI found on PATH, or elsewhere on PATH, where that CLI would find it. It comes with the CLI, so any will do. */
function findLanguageHost(pulumi: Tool | undefined, ctx: Context): Found {
  const name = "pulumi-language-nodejs";
  if (pulumi === undefined) return { rejected: onPath(name, ctx.env).map((path) => ({ path, version: undefined })) };
  const path = [join(dirname(realpathSync(pulumi.path)), name), ...onPath(name, ctx.env)].find(isProgram);
  return {
    tool: path === undefined ? undefined : { name, version: pulumi.version, path, source: "path" },
    rejected: [],
  };
}

/** The version in the folder that Pulumi installs a plugin into: `resource-tls-v5.6.1`. */
function versionOfFolder(path: string, name: string): string | undefined {
  const [, plugin, version] = /^resource-(.+)-v([^-]+)$/.exec(basename(dirname(path))) ?? [];
  return `pulumi-resource-${plugin}` === name ? version : undefined;
}

async function printedVersion(
  path: string,
  args: readonly string[] | undefined,
  ctx: Context,
): Promise<string | undefined> {
  if (args === undefined) return undefined;
  const env = { ...ctx.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
  return run(path, args, { env, signal: ctx.signal, timeout: versionTimeoutMs }).then(findVersion, () => {
    ctx.signal?.throwIfAborted();
    return undefined;
  });
}

/** Whether a path leads into our own cache, where it is found anyway. */
function isOurs(path: string, ctx: Context): boolean {
  const cache = cacheDir(ctx.env);
  return existsSync(cache) && realpathSync(path).startsWith(realpathSync(cache) + sep);
}
