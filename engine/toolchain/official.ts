import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { FleetError, NotFound, Unreachable, ValidationFailed } from "../../components/errors";
import { cacheDir, platform, type Context } from "./context";
import { downloadProgram, type ReleaseHosts } from "./download";
import { isProgram, type Tool } from "./find";
import { withLock } from "./lock";
import { run } from "./process";
import { withProgress } from "./progress";
import { pulumiNpmPackage, toolSpecs, type ToolName } from "./tools";

/** Where Pulumi's own installers download from; they are not started when its name can't be resolved. */
const pulumiHost = "get.pulumi.com";
const installTimeoutMs = 15 * 60_000;

/** Where the cache keeps the official one of a tool: a folder that appears as a whole, and the program in it. */
export function officialPath(name: ToolName, ctx: Pick<Context, "env">): { folder: string; program: string } {
  const { official, version } = toolSpecs[name];
  const { os, arch } = platform();
  // The CLI's archive has the language host beside the CLI, so both have one folder.
  const id = official?.kind === "npm" ? `pulumi-${toolSpecs.pulumi.version}` : `${name}-${version}`;
  const folder = join(cacheDir(ctx.env), "download", `${id}-${os}-${arch}`);
  return { folder, program: official?.kind === "npm" ? join(folder, "bin", name) : join(folder, name) };
}

/** The version that is downloaded: the language host comes with the CLI and counts as its version. */
export function officialVersion(name: ToolName): string {
  const { official, version } = toolSpecs[name];
  return official?.kind === "npm" ? toolSpecs.pulumi.version : version;
}

/** The official one of a tool, if it was downloaded before. */
export function findOfficial(name: ToolName, ctx: Pick<Context, "env">): Tool | undefined {
  const { program } = officialPath(name, ctx);
  if (!isProgram(program)) return undefined;
  return { name, version: officialVersion(name), path: program, source: "download" };
}

/**
 * Downloads the official one of a tool into the cache, unless another process just did.
 * @param pulumi the CLI, which installs the plugins
 * @returns undefined when it can't be had; why is in `reasons` then
 * @throws ValidationFailed when a checksum differs
 */
export async function downloadOfficial(
  name: ToolName,
  pulumi: Tool | undefined,
  hosts: ReleaseHosts,
  reasons: Map<ToolName, string>,
  ctx: Context,
): Promise<Tool | undefined> {
  const { folder } = officialPath(name, ctx);
  const version = officialVersion(name);
  try {
    await assertReachable(name, hosts);
    return await withLock(`${folder}.lock`, { purpose: `downloading ${name} ${version}`, ...ctx }, async () => {
      const present = findOfficial(name, ctx);
      if (present !== undefined) return present;
      const work = `${folder}.work`; // left by a process that was killed, if it exists
      await rm(work, { recursive: true, force: true });
      await mkdir(work, { recursive: true });
      try {
        await withProgress(ctx, `downloading ${name} ${version}`, () => fetchInto(name, work, pulumi, hosts, ctx));
        await rm(folder, { recursive: true, force: true });
        await rename(join(work, "out"), folder);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
      return findOfficial(name, ctx);
    });
  } catch (error) {
    ctx.signal?.throwIfAborted();
    if (!(error instanceof FleetError) || error instanceof ValidationFailed) throw error;
    reasons.set(name, error.message.split("\n")[0] ?? "");
    return undefined;
  }
}

async function assertReachable(name: ToolName, hosts: ReleaseHosts): Promise<void> {
  const { official } = toolSpecs[name];
  const host = official?.kind === "release" ? hosts.address(official.release(platform()).url).hostname : pulumiHost;
  const why = await hosts.unusable(host);
  if (why !== undefined) throw new Unreachable({ what: why, where: host });
}

/** Leaves the tool's folder at `work`/out. */
async function fetchInto(
  name: ToolName,
  work: string,
  pulumi: Tool | undefined,
  hosts: ReleaseHosts,
  ctx: Context,
): Promise<void> {
  const { official, version } = toolSpecs[name];
  const home = join(work, "home");
  const env = { ...ctx.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" };
  const options = { cwd: work, env, signal: ctx.signal, timeout: installTimeoutMs };
  const out = join(work, "out");
  switch (official?.kind) {
    case undefined:
      throw new NotFound({ what: "it has no official download", where: name });
    case "release":
      return downloadProgram(official.release(platform()), join(out, name), work, hosts, ctx);
    case "npm": {
      // The package downloads the CLI and its language hosts when it is first run, into PULUMI_HOME/versions/VERSION.
      const cli = toolSpecs.pulumi.version;
      const args = ["exec", "--yes", `--package=${pulumiNpmPackage}`, "--", "pulumi", "version"];
      await run("npm", args, { ...options, env: { ...env, PULUMI_VERSION: cli } });
      return rename(join(home, "versions", cli), out);
    }
    case "plugin": {
      if (pulumi === undefined) throw new Unreachable({ what: "there is no pulumi to install it with", where: name });
      await run(pulumi.path, ["plugin", "install", "resource", official.plugin, version], options);
      const installed = join(home, "plugins", `resource-${official.plugin}-v${version}`);
      if (!existsSync(installed)) throw new Unreachable({ what: "pulumi installed nothing", where: name });
      return rename(installed, out);
    }
  }
}
