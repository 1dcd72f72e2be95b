import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GIT_SYNC_SCRIPT } from "../../components/git-sync";

/** No setting of the machine's own git takes part. */
const PLAIN_GIT = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
const PERSON = {
  GIT_AUTHOR_NAME: "person",
  GIT_AUTHOR_EMAIL: "person@example.com",
  GIT_COMMITTER_NAME: "person",
  GIT_COMMITTER_EMAIL: "person@example.com",
};

export function git(directory: string, ...args: string[]): string {
  return execFileSync("git", args, {
    cwd: directory,
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...PLAIN_GIT, ...PERSON },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A vault, a bare repository, a person's clone of it, and the script that keeps vault and repository in step. */
export class SyncedVault {
  readonly root = mkdtempSync(join(tmpdir(), "clawfleet-git-sync-"));
  readonly vault = join(this.root, "vault");
  readonly home = join(this.root, "home");
  readonly gitDir = join(this.root, "repository");
  readonly remote = join(this.root, "remote.git");
  readonly clone = join(this.root, "clone");
  log = "";
  private running: ChildProcess | undefined;

  constructor() {
    for (const folder of [this.vault, this.home, this.gitDir, this.remote]) mkdirSync(folder);
    git(this.remote, "init", "-q", "--bare", "-b", "main");
    git(this.root, "clone", "-q", this.remote, this.clone);
    git(this.clone, "checkout", "-q", "-B", "main");
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.vault, file)), { recursive: true });
    writeFileSync(join(this.vault, file), text);
  }

  read(file: string): string {
    return readFileSync(join(this.vault, file), "utf8");
  }

  /** A person changes files (undefined deletes) and pushes. */
  personPushes(files: Record<string, string | undefined>): void {
    for (const [file, text] of Object.entries(files)) {
      if (text === undefined) rmSync(join(this.clone, file));
      else writeFileSync(join(this.clone, file), text);
    }
    git(this.clone, "add", "-A");
    git(this.clone, "commit", "-q", "-m", "by a person");
    git(this.clone, "push", "-q", "origin", "HEAD:main");
  }

  personPulls(): void {
    git(this.clone, "pull", "-q", "--no-rebase", "origin", "main");
  }

  /** A file's text in the remote's newest commit. */
  pushed(file: string): string {
    return git(this.remote, "show", `main:${file}`);
  }

  pushedFiles(): string[] {
    return git(this.remote, "ls-tree", "-r", "--name-only", "main").trim().split("\n");
  }

  start(env: Record<string, string> = {}): void {
    const running = spawn("sh", ["-c", GIT_SYNC_SCRIPT], {
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_WORK_TREE: this.vault,
        GIT_DIR: this.gitDir,
        HOME: this.home,
        GIT_REPOSITORY: this.remote,
        GIT_BRANCH: "main",
        GIT_INTERVAL: "1",
        GIT_USERNAME: "git",
        GIT_PASSWORD: "unused",
        GIT_CELL: "cell",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [running.stdout, running.stderr])
      stream.on("data", (chunk: Buffer) => (this.log += String(chunk)));
    this.running = running;
  }

  /** Waits until something holds; the script's rounds make it so. */
  async until(what: string, holds: () => boolean, seconds = 30): Promise<void> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
      try {
        if (holds()) return;
      } catch {
        // not yet
      }
    }
    assert.fail(`${what} did not happen within ${String(seconds)} s; the log:\n${this.log}`);
  }

  /** Waits for a round that began after this call. */
  async round(result: "in step" | "not in step" = "in step"): Promise<void> {
    const from = this.log.length;
    const text = `vault ${result}`;
    // The first one may have begun before; the second one has not.
    await this.until(`two rounds that end with "${text}"`, () => this.log.slice(from).split(text).length > 2);
  }

  /** Sends SIGTERM, as the kubelet does; resolves with the exit code. */
  async stop(): Promise<number | null> {
    const running = this.running;
    if (running === undefined || running.exitCode !== null) return running?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => running.once("exit", resolve));
    running.kill("SIGTERM");
    return exited;
  }

  async dispose(): Promise<void> {
    const killer = setTimeout(() => this.running?.kill("SIGKILL"), 20_000);
    await this.stop();
    clearTimeout(killer);
    rmSync(this.root, { recursive: true, force: true });
  }
}
