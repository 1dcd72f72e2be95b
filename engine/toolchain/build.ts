import { createHash } from "node:crypto";
import { copyFile, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";

import { FleetError, NotFound, ValidationFailed } from "../../components/errors";
import { cacheDir, modulesDir, type Context } from "./context";
import { isProgram, onPath, type Tool } from "./find";
import { withLock } from "./lock";
import { ProgramFailed, run } from "./process";
import { withProgress } from "./progress";
import { buildTags, toolSpecs, versionVariables, type BuildTarget, type ModuleName, type ToolName } from "./tools";
import { compareVersions } from "./version";

/** The Go that builds, as it describes itself in a module's folder. */
export interface Go {
  path: string;
  version: string;
  os: string;
  arch: string;
}

/** Minutes of a cold build on 2 cores, measured. What programs of a module share is counted with the first. */
const coldMinutes: Readonly<Record<string, number>> = {
  pulumi: 3,
  "pulumi-resource-kubernetes": 4,
  "pulumi-resource-random": 1,
  "pulumi-resource-tls": 1,
  kube: 4,
  kwok: 2,
  "pulumi-language-nodejs": 1,
  helm: 3,
  "nats-server": 1,
  bento: 2,
  otelcol: 4,
};

/** No host's C library or paths in what is built, and no symbols, which halves its size. */
const buildArgs = ["-mod=readonly", "-trimpath", "-buildvcs=false"] as const;

/** The linker's flags of a module: stripped, with the versions that its programs report. */
export function linkerFlags(module: ModuleName): string {
  const variables = Object.entries(versionVariables[module] ?? {}).map(([name, value]) => `-X ${name}=${value}`);
  return ["-s", "-w", ...variables].join(" ");
}

function tagArgs(module: ModuleName): string[] {
  const tags = buildTags[module];
  return tags === undefined ? [] : ["-tags", tags];
}

/**
 * The Go on PATH, asked in a module's folder, where it is the version that the module's go.mod selects.
 * @throws NotFound when there is none; ValidationFailed when it is older than go.mod says
 */
export async function findGo(dir: string, ctx: Context): Promise<Go> {
  const needed = /^go (\S+)/m.exec(await readFile(join(dir, "go.mod"), "utf8"))?.[1] ?? "";
  const [path] = onPath("go", ctx.env);
  const fix = `install Go ${needed} or later`;
  if (path === undefined) throw new NotFound({ what: `Go ${needed} or later is not on PATH`, fix });
  const described = await run(path, ["env", "GOVERSION", "GOOS", "GOARCH"], {
    cwd: dir,
    env: ctx.env,
    signal: ctx.signal,
  }).catch((error: unknown) => {
    // A Go that may not fetch the toolchain that go.mod asks for says so and stops.
    if (!(error instanceof ProgramFailed)) throw error;
    throw new ValidationFailed(
      { what: `Go ${needed} or later is needed: ${error.what}`, where: path, fix },
      { cause: error },
    );
  });
  const [version = "", os = "", arch = ""] = described.split("\n");
  if (compareVersions(version.replace(/^go/, ""), needed) >= 0) return { path, version, os, arch };
  throw new ValidationFailed({ what: `Go ${needed} or later is needed, this is ${version}`, where: path, fix });
}

/** The Go as `findGo` has it, or why there is none that will do. */
export async function tryGo(dir: string, ctx: Context): Promise<Go | FleetError> {
  return findGo(dir, ctx).catch((error: unknown) => {
    if (error instanceof FleetError) return error;
    throw error;
  });
}

/**
 * What a build depends on, as a short hash: the module's own sources (go.mod, go.sum, *.go), the Go version, the platform
 * and the linker's flags. go.sum pins everything else.
 */
export async function buildKey(dir: string, go: Omit<Go, "path">, flags: string): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([go.version, go.os, go.arch, flags, buildArgs]));
  for (const file of await sourceFiles(dir)) hash.update(`\0${file}\0`).update(await readFile(join(dir, file)));
  return hash.digest("hex").slice(0, 16);
}

async function sourceFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && (/^go\.(mod|sum)$/.test(entry.name) || entry.name.endsWith(".go")),
  );
  return files.map((file) => relative(dir, join(file.parentPath, file.name))).sort();
}

/** The folder in the cache that a module's programs are in. */
async function buildFolder(module: ModuleName, go: Go, ctx: Context): Promise<string> {
  const flags = [linkerFlags(module), ...tagArgs(module)].join(" ");
  const key = await buildKey(join(modulesDir(), module), go, flags);
  return join(cacheDir(ctx.env), "build", `${module}-${key}`);
}

/** Those of the tools that were built before from the same sources. Without a usable Go: none, since it is part of the key. */
export async function findBuilt(names: readonly ToolName[], ctx: Context): Promise<Tool[]> {
  const built: Tool[] = [];
  for (const [module, tools] of byModule(names)) {
    const go = await tryGo(join(modulesDir(), module), ctx);
    if (go instanceof FleetError) continue;
    const folder = await buildFolder(module, go, ctx);
    built.push(...tools.map((name) => asTool(name, folder)).filter(({ path }) => isProgram(path)));
  }
  return built;
}

/**
 * Builds the tools from their pinned Go modules into the cache, those of one module with one `go build`.
 * @throws NotFound, ValidationFailed when Go is missing or too old; ProgramFailed with Go's last lines
 */
export async function buildTools(names: readonly ToolName[], ctx: Context): Promise<Tool[]> {
  const built: Tool[] = [];
  for (const [module, tools] of byModule(names)) {
    const source = join(modulesDir(), module);
    const go = await findGo(source, ctx);
    const folder = await buildFolder(module, go, ctx);
    await withLock(`${folder}.lock`, { purpose: `building ${tools.join(", ")}`, ...ctx }, async () => {
      const missing = tools.filter((name) => !isProgram(asTool(name, folder).path));
      if (missing.length > 0) await build(module, missing, source, folder, go, ctx);
    });
    built.push(...tools.map((name) => asTool(name, folder)));
  }
  return built;
}

/** What a cold build takes in words: `pulumi and kube from source: about 8 min on 2 cores, once per machine`. */
export function describeBuild(names: readonly ToolName[], cores: number = availableParallelism()): string {
  const binaries = [...new Set(names.map((name) => toolSpecs[name].build.binary))];
  const minutes = binaries.reduce((sum, binary) => sum + (coldMinutes[binary] ?? 1), 0);
  const scaled = Math.max(1, Math.ceil((minutes * 2) / cores));
  return `${names.join(", ")} from source: about ${scaled} min on ${cores} ${cores === 1 ? "core" : "cores"}, once per machine`;
}

async function build(
  module: ModuleName,
  names: readonly ToolName[],
  source: string,
  folder: string,
  go: Go,
  ctx: Context,
): Promise<void> {
  const targets = [...new Map(names.map((name) => [toolSpecs[name].build.binary, toolSpecs[name].build])).values()];
  const work = `${folder}.work`; // left by a process that was killed, if it exists
  await rm(work, { recursive: true, force: true });
  const src = join(work, "src");
  await mkdir(join(work, "bin"), { recursive: true });
  let compiled = 0;
  let latest = "";
  const goRun = (args: readonly string[]) =>
    run(go.path, args, {
      cwd: src,
      // GOFLAGS of the user's may name other flags of the same kind, which would change what is built.
      env: { ...ctx.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
      signal: ctx.signal,
      onLine: (line) => {
        latest = line.startsWith("go: downloading") ? line.slice(4) : "";
        if (/^[\w.-]+(\/[\w.-]+)+$/.test(line)) compiled += 1;
      },
    });
  try {
    // Built from a copy, since some programs embed files that are generated first.
    await cp(source, src, { recursive: true });
    await withProgress(
      ctx,
      `building ${describeBuild(names)}`,
      async () => {
        if (module === "toolchain") await generateEmbedded(targets, src, goRun);
        const packages = targets.map((target) => target.package);
        await goRun([
          "build",
          "-v",
          ...buildArgs,
          ...tagArgs(module),
          "-ldflags",
          linkerFlags(module),
          "-o",
          join(work, "bin") + "/",
          ...packages,
        ]);
      },
      () => latest || `${compiled} packages compiled`,
    );
    await publish(names, join(work, "bin"), join(folder, "bin"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The plugins embed their schemas, which their modules lack: see the programs' own comments. */
async function generateEmbedded(
  targets: readonly BuildTarget[],
  src: string,
  go: (args: readonly string[]) => Promise<string>,
): Promise<void> {
  const binaries = targets.map((target) => target.binary);
  if (binaries.includes("pulumi-resource-kubernetes")) {
    const downloaded = await go(["mod", "download", "-json", "github.com/pulumi/pulumi-kubernetes/provider/v4"]);
    const { Dir } = JSON.parse(downloaded) as { Dir: string };
    const program = join("cmd", "pulumi-resource-kubernetes");
    for (const file of ["schema.json", "terraform-mapping.json"])
      await copyFile(join(Dir, program, file), join(src, program, file));
  }
  if (binaries.some((binary) => binary === "pulumi-resource-random" || binary === "pulumi-resource-tls"))
    await go(["run", "-v", ...buildArgs, "-ldflags", linkerFlags("toolchain"), "./cmd/gen-bridge-schema"]);
}

/** Moves what was built to where it is looked for, each file in one step, and links the names that share a program. */
async function publish(names: readonly ToolName[], from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const binary of await readdir(from)) await rename(join(from, binary), join(to, binary));
  for (const name of names) {
    const { binary } = toolSpecs[name].build;
    const linked = await lstat(join(to, name)).catch(() => undefined);
    if (linked === undefined) await symlink(binary, join(to, name));
  }
}

function asTool(name: ToolName, folder: string): Tool {
  return { name, version: toolSpecs[name].version, path: join(folder, "bin", name), source: "build" };
}

function byModule(names: readonly ToolName[]): Map<ModuleName, ToolName[]> {
  const modules = new Map<ModuleName, ToolName[]>();
  for (const name of names) {
    const { module } = toolSpecs[name].build;
    modules.set(module, [...(modules.get(module) ?? []), name]);
  }
  return modules;
}
