import { createHash } from "node:crypto";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

import { type FleetError, NotFound, Unreachable } from "../../components/errors";
import { cacheDir } from "../toolchain/context";
import { isProgram, onPath } from "../toolchain/find";
import { withLock } from "../toolchain/lock";
import { ProgramFailed, run } from "../toolchain/process";
import { withProgress } from "../toolchain/progress";
import { offline } from "./offline";

/** Programs of Debian packages that can be started without having been installed. */
export interface DebianPrograms {
  /** The folder that the packages were unpacked into, as `/`; empty when the machine has them all. */
  root: string;
  /**
   * Where a program is: unpacked, or on the machine.
   * @throws NotFound when neither has it
   */
  path: (name: string) => string;
  /** Where a file of a package is, by its installed path: `/usr/share/squid/mime.conf`. */
  file: (installed: string) => string;
  /** The environment to start them with: PATH, and where the libraries are. */
  env: NodeJS.ProcessEnv;
}

/** A package to fetch: what `apt-get --print-uris` says of it. */
interface Package {
  name: string;
  version: string;
  architecture: string;
}

/** The C library must be the one of the machine's own loader, whatever the packages would rather have. */
const ofTheMachine = new Set(["libc6", "libc-bin"]);

/**
 * Debian (or Ubuntu) packages with all that they need and this machine lacks, unpacked into the user's cache: nothing is
 * installed, no root is needed. What they are is asked of apt with the machine's own sources and lists; lists of our own
 * are fetched when the machine has none or stale ones. Once per user and per set of package versions.
 * Without apt (macOS, other distributions) the programs must be on PATH.
 * @param progress is told what takes long
 * @throws NotFound when the distribution lacks a package; Unreachable when no archive answers
 */
export async function debianPrograms(
  packages: readonly string[],
  progress: (line: string) => void,
): Promise<DebianPrograms> {
  if (onPath("apt-get", process.env).length === 0) return programsIn("", packages);
  const home = join(cacheDir(), "debian");
  const context = { purpose: `unpacking ${packages.join(", ")}`, log: progress, signal: undefined };
  return withLock(join(home, "lock"), context, async () => {
    const apt = new Apt(home, progress);
    const wanted = await apt.missing(packages);
    if (wanted.length === 0) return programsIn("", packages);
    try {
      return programsIn(await unpacked(apt, home, packages, wanted, progress), packages);
    } catch (error) {
      // An archive keeps only the newest version of a package: lists that name an older one are stale.
      if (!(error instanceof ProgramFailed) || !/404|Not Found|size mismatch|Hash Sum/i.test(error.what)) throw error;
      await apt.update();
      return programsIn(await unpacked(apt, home, packages, await apt.missing(packages), progress), packages);
    }
  });
}

/** The packages that `apt-get --print-uris` lists, without those that must be the machine's. */
export function parseUris(output: string): Package[] {
  const lines = output.split("\n").filter((line) => line.startsWith("'"));
  const found = lines.map((line): Package => {
    const [name = "", version = "", architecture = ""] = (line.split(" ")[1] ?? "").replace(/\.deb$/, "").split("_");
    return { name, version: decodeURIComponent(version), architecture };
  });
  return found.filter(({ name }) => !ofTheMachine.has(name));
}

/** A key that changes with any package's version. */
export function rootName(packages: readonly string[], resolved: readonly Package[]): string {
  const names = resolved.map(({ name, version, architecture }) => `${name}_${version}_${architecture}`).sort();
  const hash = createHash("sha256").update(names.join("\n")).digest("hex").slice(0, 16);
  return `${[...packages].sort()[0]}-${hash}`;
}

async function unpacked(
  apt: Apt,
  home: string,
  asked: readonly string[],
  wanted: readonly Package[],
  progress: (line: string) => void,
): Promise<string> {
  const root = join(home, rootName(asked, wanted));
  if (existsSync(root)) return root;
  const work = `${root}.work`;
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, "debs"), { recursive: true });
  await mkdir(join(work, "root"));
  try {
    const title = `fetching ${asked.join(", ")} from Debian: ${wanted.length} packages, once per user`;
    await withProgress({ log: progress, live: false }, title, async () => {
      await apt.download(wanted, join(work, "debs"));
      for (const deb of await readdir(join(work, "debs"))) {
        await run("dpkg-deb", ["-x", join(work, "debs", deb), join(work, "root")]);
      }
    });
    await rename(join(work, "root"), root);
    return root;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** apt with its state in our cache, so that neither root nor the machine's own state is needed. */
class Apt {
  private readonly lists: string;

  constructor(
    private readonly home: string,
    private readonly progress: (line: string) => void,
  ) {
    this.lists = join(home, "state", "lists");
  }

  /** What would have to be installed; with lists of our own if the machine's don't do. */
  async missing(packages: readonly string[]): Promise<Package[]> {
    const args = ["install", "--print-uris", "-qq", "--yes", "--no-install-recommends", "--no-upgrade", ...packages];
    try {
      return parseUris(await this.get(args));
    } catch (error) {
      if (!(error instanceof ProgramFailed)) throw error;
      await this.update();
    }
    return this.get(args).then(parseUris, (error: unknown) => {
      const reason = error instanceof ProgramFailed ? error.what.split("\n").at(-1)?.trim() : String(error);
      throw new NotFound(
        {
          what: `this machine's distribution can't provide them: ${reason}`,
          where: `Debian packages ${packages.join(", ")}`,
          fix: "use Debian 12 or later, or put the programs on PATH",
        },
        { cause: error },
      );
    });
  }

  /** Fetches lists of our own. A source that does not answer is no failure as long as another has the packages. */
  async update(): Promise<void> {
    await mkdir(join(this.lists, "partial"), { recursive: true });
    const title = "fetching Debian's package lists, once per user";
    await withProgress({ log: this.progress, live: false }, title, () =>
      this.get(["update", "-qq"]).catch((error: unknown) => {
        if (!this.hasLists()) throw unreachable("apt-get update", error);
      }),
    );
    if (!this.hasLists()) throw unreachable("apt-get update", "no list was fetched");
  }

  /** Fetches packages, which apt verifies by the lists' checksums, into a folder. */
  async download(packages: readonly Package[], directory: string): Promise<void> {
    const names = packages.map(({ name, version, architecture }) =>
      architecture === "all" ? `${name}=${version}` : `${name}:${architecture}=${version}`,
    );
    await this.get(["download", "-qq", ...names], directory).catch((error: unknown) => {
      if (error instanceof ProgramFailed && offline(error.what) === undefined) throw error;
      throw unreachable("apt-get download", error);
    });
  }

  private hasLists(): boolean {
    return existsSync(this.lists) && readdirSync(this.lists).some((file) => file.includes("_Packages"));
  }

  private async get(args: readonly string[], cwd?: string): Promise<string> {
    await mkdir(join(this.home, "cache", "archives", "partial"), { recursive: true });
    const machineLists = "/var/lib/apt/lists";
    const fetched = this.hasLists() || args[0] === "update" || !existsSync(machineLists);
    const options = {
      "Dir::State": join(this.home, "state"),
      "Dir::State::Lists": fetched ? this.lists : machineLists,
      "Dir::State::status": "/var/lib/dpkg/status",
      "Dir::Cache": join(this.home, "cache"),
      "Debug::NoLocking": "1",
      // Else root's apt downloads as a user who can't write into the cache.
      "APT::Sandbox::User": "root",
      "Acquire::Retries": "2",
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    return run("apt-get", [...flags, ...args], { cwd, env: { ...process.env, LC_ALL: "C" } });
  }
}

function unreachable(where: string, error: unknown): FleetError {
  const reason = error instanceof ProgramFailed ? error.what.split("\n").at(-1)?.trim() : String(error);
  return new Unreachable(
    {
      what: `no Debian archive answers: ${reason}`,
      where,
      fix: "connect to a network, point apt's sources at an archive that is reachable, or put the programs on PATH",
    },
    { cause: error },
  );
}

function programsIn(root: string, packages: readonly string[]): DebianPrograms {
  const inRoot = (path: string) => (root === "" ? path : join(root, path));
  const path = (name: string): string => {
    const unpackedPath = programPaths(root, name)
      .map((candidate) => resolveLink(root, candidate))
      .find(isProgram);
    const found = unpackedPath ?? programPaths("/", name).find(isProgram) ?? onPath(name, process.env)[0];
    if (found !== undefined) return found;
    throw new NotFound({
      what: `neither the packages ${packages.join(", ")} nor PATH have it`,
      where: name,
      fix: `install ${name} and put it on PATH`,
    });
  };
  const file = (installed: string) => (existsSync(inRoot(installed)) ? inRoot(installed) : installed);
  return { root, path, file, env: root === "" ? { PATH: process.env.PATH } : environment(root) };
}

/** Where Debian puts a program: a wrapper in /usr/bin would start what lies in /usr/lib by its absolute path. */
function programPaths(root: string, name: string): string[] {
  if (root === "") return [];
  const postgresql = join(root, "usr/lib/postgresql");
  const versions = existsSync(postgresql) ? readdirSync(postgresql) : [];
  return [
    join(root, "usr/lib", name, name),
    ...versions.map((version) => join(postgresql, version, "bin", name)),
    ...["usr/sbin", "usr/bin", "sbin", "bin"].map((folder) => join(root, folder, name)),
  ];
}

function resolveLink(root: string, path: string): string {
  try {
    const target = readlinkSync(path);
    return isAbsolute(target) ? join(root, target) : path;
  } catch {
    return path;
  }
}

function environment(root: string): NodeJS.ProcessEnv {
  const bin = ["usr/sbin", "usr/bin"].map((folder) => join(root, folder));
  return {
    PATH: [...bin, process.env.PATH].join(delimiter),
    LD_LIBRARY_PATH: libraryFolders(root).join(delimiter),
    // Only where the machine has no fonts of its own is there something to look for below the folder.
    ...(existsSync("/etc/fonts/fonts.conf") ? {} : { FONTCONFIG_SYSROOT: root }),
  };
}

/** Every folder below lib with a shared library, shallow ones first. */
function libraryFolders(root: string): string[] {
  const found: string[] = [];
  const queue = [join(root, "usr/lib"), join(root, "lib")].filter((folder) => existsSync(folder));
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    const entries = readdirSync(folder, { withFileTypes: true });
    if (entries.some((entry) => /^lib.*\.so/.test(entry.name))) found.push(folder);
    queue.push(...entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name)));
  }
  return found;
}

/**
 * A command for a program that refuses to run as root (PostgreSQL's): as root it starts in a user namespace in which the
 * same files belong to an ordinary user; else it is started as it is.
 */
export function unprivileged(program: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [program, [...args]];
  return ["unshare", ["--user", "--map-user=65534", "--map-group=65534", "--", program, ...args]];
}
