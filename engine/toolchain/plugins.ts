import { copyFile, link, mkdir, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";

import { linksMarker, type Tool } from "./find";
import { toolSpecs, type ToolName } from "./tools";

/** A PULUMI_HOME in which everything is installed, and the environment that uses it. */
export interface PulumiHome {
  /** The PULUMI_HOME. */
  home: string;
  /** A folder for PATH with pulumi, its language host and whatever else was given that is no plugin. */
  binDir: string;
  /** To be laid over the environment of a process that runs pulumi. */
  env: { PULUMI_HOME: string; PULUMI_IGNORE_AMBIENT_PLUGINS: string; PULUMI_SKIP_UPDATE_CHECK: string; PATH: string };
}

/**
 * Lays tools out as Pulumi wants to find them: plugins in `dir`/plugins under their versions, programs in `dir`/bin. May be
 * repeated, also while it is in use: each entry is replaced in one step.
 */
export async function preparePulumiHome(
  dir: string,
  tools: Partial<Record<ToolName, Tool>>,
  { env = process.env }: { env?: NodeJS.ProcessEnv } = {},
): Promise<PulumiHome> {
  const binDir = join(dir, "bin");
  await mkdir(binDir, { recursive: true, mode: 0o700 });
  await writeFile(join(binDir, linksMarker), "");
  const { pulumi, "pulumi-language-nodejs": languageHost } = tools;
  // Pulumi warns about a language host that is not in the folder of its own program, links resolved. So links will do for
  // an installation that has both, and of those that come from different folders both files themselves are needed here.
  const together =
    pulumi === undefined || languageHost === undefined || (await folderOf(pulumi)) === (await folderOf(languageHost));
  for (const tool of Object.values(tools)) {
    const { official } = toolSpecs[tool.name];
    if (official?.kind === "plugin") {
      const folder = join(dir, "plugins", `resource-${official.plugin}-v${tool.version}`);
      await mkdir(folder, { recursive: true });
      await place(tool.path, join(folder, tool.name), "link");
    } else {
      await place(tool.path, join(binDir, tool.name), official?.kind === "npm" && !together ? "file" : "link");
    }
  }
  const path = [binDir, ...(env.PATH ?? "").split(delimiter).filter((entry) => entry !== binDir)].join(delimiter);
  return {
    home: dir,
    binDir,
    // Plugins of other versions on PATH would be preferred, with a warning each.
    env: { PULUMI_HOME: dir, PULUMI_IGNORE_AMBIENT_PLUGINS: "true", PULUMI_SKIP_UPDATE_CHECK: "true", PATH: path },
  };
}

async function folderOf(tool: Tool): Promise<string> {
  return dirname(await realpath(tool.path));
}

/** Puts a symbolic link, or the file itself (as a hard link where the file system allows), in place in one step. */
async function place(from: string, to: string, as: "link" | "file"): Promise<void> {
  const draft = `${to}.${process.pid}`;
  await rm(draft, { force: true });
  if (as === "link") await symlink(from, draft);
  else {
    const file = await realpath(from);
    await link(file, draft).catch(() => copyFile(file, draft));
  }
  await rename(draft, to);
  // Renaming a hard link over another one of the same file leaves both names.
  await rm(draft, { force: true });
}
