import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

import { FleetError, NotFound, Timeout, Unreachable, ValidationFailed } from "../../components/errors";
import { tryGo } from "./build";
import { cacheDir, context, modulesDir, type Context, type ToolchainOptions } from "./context";
import { ReleaseHosts } from "./download";
import { withLock } from "./lock";
import { run } from "./process";

/** Folders of files that a local cluster is set up with, read from the Go modules that contain them. */
export interface Manifests {
  /** The Gateway API's CustomResourceDefinitions, standard channel. */
  gatewayApiCrds: string;
  /** kwok's stages: how simulated nodes and Pods go on. */
  kwokStages: string;
}

interface Source {
  /** The folder below engine/modules whose go.mod pins it. */
  pinnedBy: string;
  module: string;
  repository: string;
}

const gatewayApi: Source = {
  pinnedBy: "manifests",
  module: "sigs.k8s.io/gateway-api",
  repository: "kubernetes-sigs/gateway-api",
};
const externalSecrets: Source = {
  pinnedBy: "manifests",
  module: "github.com/external-secrets/external-secrets",
  repository: "external-secrets/external-secrets",
};
const pulumiOperator: Source = {
  pinnedBy: "manifests",
  module: "github.com/pulumi/pulumi-kubernetes-operator",
  repository: "pulumi/pulumi-kubernetes-operator",
};
const kwok: Source = { pinnedBy: "kwok", module: "sigs.k8s.io/kwok", repository: "kubernetes-sigs/kwok" };

/**
 * The folders of manifests: of the Go modules where there is Go, else of the same release's source archive, which must
 * hash to what go.sum says.
 * @throws NotFound, ValidationFailed, Unreachable, Timeout
 */
export async function ensureManifests(options: ToolchainOptions = {}): Promise<Manifests> {
  const ctx = context(options);
  return {
    gatewayApiCrds: join(await moduleFiles(gatewayApi, ctx), "config", "crd", "standard"),
    kwokStages: join(await moduleFiles(kwok, ctx), "kustomize", "stage"),
  };
}

/**
 * The file of the CustomResourceDefinition of ExternalSecret, got like the manifests. No local cluster needs it: it is for
 * tests of what the operator would be given.
 * @throws NotFound, ValidationFailed, Unreachable, Timeout
 */
export async function ensureExternalSecretDefinition(options: ToolchainOptions = {}): Promise<string> {
  const folder = await moduleFiles(externalSecrets, context(options));
  return join(folder, "config", "crds", "bases", "external-secrets.io_externalsecrets.yaml");
}

/** The file of the CustomResourceDefinition of the Pulumi Kubernetes Operator's Stack, for tests in the same way. */
export async function ensureStackDefinition(options: ToolchainOptions = {}): Promise<string> {
  return join(await moduleFiles(pulumiOperator, context(options)), "deploy", "crds", "pulumi.com_stacks.yaml");
}

async function moduleFiles(source: Source, ctx: Context): Promise<string> {
  const dir = join(modulesDir(), source.pinnedBy);
  const go = await tryGo(dir, ctx);
  if (go instanceof FleetError)
    return archiveFiles(source, dir, ctx).catch((error: unknown) => {
      if (!(error instanceof Unreachable || error instanceof Timeout || error instanceof NotFound)) throw error;
      const what = `the files of ${source.module} can't be had. ${go.what}; ${error.message}`;
      throw new NotFound({ what, where: "toolchain", fix: go.fix }, { cause: error });
    });
  const env = { ...ctx.env, GOFLAGS: "", GOWORK: "off" };
  const { Dir } = JSON.parse(
    await run(go.path, ["mod", "download", "-json", source.module], { cwd: dir, env, signal: ctx.signal }),
  ) as {
    Dir: string;
  };
  return Dir;
}

/** The source archive of the version that `dir`/go.sum pins, in the cache; it must hash to what go.sum says. */
export async function archiveFiles({ module, repository }: Source, dir: string, ctx: Context): Promise<string> {
  const { version, hash } = pinned(await readFile(join(dir, "go.sum"), "utf8"), module);
  const folder = join(cacheDir(ctx.env), "download", `${module.replaceAll("/", "-")}-${version}`);
  return withLock(`${folder}.lock`, { purpose: `downloading ${module} ${version}`, ...ctx }, async () => {
    if (existsSync(folder)) return folder;
    const work = `${folder}.work`;
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, "out"), { recursive: true });
    try {
      const archive = join(work, "source.tar.gz");
      const url = `https://github.com/${repository}/archive/refs/tags/${version}.tar.gz`;
      await new ReleaseHosts(ctx).save(url, archive);
      await run("tar", ["-xf", archive, "-C", join(work, "out"), "--strip-components=1"], {
        env: ctx.env,
        signal: ctx.signal,
      });
      const got = await moduleHash(join(work, "out"), `${module}@${version}`);
      if (got !== hash)
        throw new ValidationFailed({
          what: `the files hash to ${got}, but go.sum has ${hash}; they were removed`,
          where: url,
          fix: "install Go, which gets the same files from the module proxy",
        });
      await rename(join(work, "out"), folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    return folder;
  });
}

/** A module's version and hash in a go.sum. @throws NotFound */
export function pinned(goSum: string, module: string): { version: string; hash: string } {
  for (const line of goSum.split("\n")) {
    const [name, version = "", hash = ""] = line.split(" ");
    if (name === module && !version.endsWith("/go.mod")) return { version, hash };
  }
  throw new NotFound({
    what: `${module} is not in go.sum`,
    where: "engine/modules",
    fix: "use a complete checkout of clawfleet",
  });
}

/** The `h1:` hash that go.sum has of a module's files: nested modules, vendored packages and links are not part of it. */
export async function moduleHash(dir: string, prefix: string): Promise<string> {
  const lines: string[] = [];
  for (const file of (await moduleFileNames(dir, dir)).sort()) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(join(dir, file)), hash);
    lines.push(`${hash.digest("hex")}  ${prefix}/${file}\n`);
  }
  return `h1:${createHash("sha256").update(lines.join("")).digest("base64")}`;
}

async function moduleFileNames(dir: string, root: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isFile()) names.push(relative(root, path));
    else if (
      entry.isDirectory() &&
      entry.name !== "vendor" &&
      entry.name !== ".git" &&
      !existsSync(join(path, "go.mod"))
    )
      names.push(...(await moduleFileNames(path, root)));
  }
  return names;
}
