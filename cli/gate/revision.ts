import { copyFileSync, existsSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { FleetError, NotFound, ValidationFailed } from "../../components/errors";
import { runChild } from "./child";

/** A git repository, seen from a folder in it. */
export class Repository {
  private constructor(
    /** Its root, links resolved. */
    readonly root: string,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * The repository that a folder is in.
   * @throws NotFound when it is in none.
   */
  static async at(folder: string, signal: AbortSignal): Promise<Repository> {
    const { code, stdout } = await git(folder, ["rev-parse", "--show-toplevel"], signal);
    if (code !== 0)
      throw new NotFound({
        what: "is in no git repository",
        where: folder,
        fix: "name a folder of one with --folder, or leave out --changed-since",
      });
    return new Repository(realpathSync(stdout.trim()), signal);
  }

  /** The path of a folder or file from the root, with `/`; undefined for one that is elsewhere. */
  pathOf(file: string): string | undefined {
    const path = relative(this.root, existsSync(file) ? realpathSync(file) : file);
    return path === ".." || path.startsWith(`..${sep}`) ? undefined : path.split(sep).join("/");
  }

  /**
   * The commit that a branch was left at: what both it and HEAD have last in common.
   * @throws ValidationFailed for a name that git does not know, and without anything in common.
   */
  async mergeBase(reference: string): Promise<string> {
    const { code, stdout } = await git(this.root, ["merge-base", "--end-of-options", reference, "HEAD"], this.signal);
    if (code === 0) return stdout.trim();
    throw new ValidationFailed({
      what: `${reference} has no commit in common with HEAD here`,
      where: "--changed-since",
      fix: "fetch it with its history (actions/checkout: fetch-depth: 0), or name another revision",
    });
  }

  /** Every file that is not as it was at a commit, from the root; also one that git does not track yet. */
  async changedFiles(commit: string): Promise<string[]> {
    const lists = await Promise.all([
      this.must(["diff", "--name-only", "--no-renames", "-z", commit]),
      this.must(["ls-files", "--others", "--exclude-standard", "-z"]),
    ]);
    return [...new Set(lists.flatMap((list) => list.split("\0").filter((file) => file !== "")))].sort();
  }

  /** Checks a commit out into a folder of its own, and returns what removes it again. */
  async checkOut(commit: string, folder: string): Promise<() => Promise<void>> {
    await this.must(["worktree", "add", "--detach", "--quiet", folder, commit]);
    return async () => {
      // Also after an interruption.
      const signal = new AbortController().signal;
      await git(this.root, ["worktree", "remove", "--force", folder], signal);
      await git(this.root, ["worktree", "prune"], signal);
    };
  }

  private async must(args: string[]): Promise<string> {
    const { code, stdout, stderr } = await git(this.root, args, this.signal);
    if (code === 0) return stdout;
    throw new FleetError({ what: `git ${args[0] ?? ""} failed: ${stderr.trim()}`, fix: "correct the cause above" });
  }
}

function git(folder: string, args: string[], signal: AbortSignal) {
  return runChild("git", args, { cwd: folder, env: { ...process.env, LC_ALL: "C" }, signal });
}

/**
 * Compiles the code of a project that was checked out, with the packages of the project at hand when the lock files agree.
 * @throws FleetError when it does not compile.
 */
export async function buildProject(project: string, current: string, signal: AbortSignal): Promise<void> {
  // npm does not pass an interruption on to the compiler below its shell.
  const options = { cwd: project, env: process.env, signal, group: true };
  const lock = (folder: string) => join(folder, "package-lock.json");
  const same = existsSync(lock(project)) && readFileSync(lock(project)).equals(readFileSync(lock(current)));
  if (same) symlinkSync(packagesOf(current), join(project, "node_modules"));
  else await must("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], options);
  if (!existsSync(join(project, ".npmrc")) && existsSync(join(current, ".npmrc")))
    copyFileSync(join(current, ".npmrc"), join(project, ".npmrc"));
  await must("npm", ["run", "--silent", "build"], options);
}

/** The node_modules folder that a project's modules are found in. */
function packagesOf(project: string): string {
  const folder = join(project, "node_modules");
  return existsSync(folder) || dirname(project) === project ? folder : packagesOf(dirname(project));
}

async function must(
  command: string,
  args: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal; group: boolean },
): Promise<void> {
  const { code, stdout, stderr } = await runChild(command, args, options);
  if (code !== 0)
    throw new FleetError({
      what: `${command} ${args.join(" ")} ended with ${String(code)} in the base revision: ${(stderr || stdout).trim().slice(0, 500)}`,
      fix: "name a base that builds with --changed-since",
    });
}
