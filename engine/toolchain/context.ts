import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

import { ValidationFailed } from "../../components/errors";
import type { Platform } from "./tools";

/** How the toolchain reports and is stopped. */
export interface ToolchainOptions {
  /** One progress line per call, without a newline. Default: standard error, with a live line on a terminal. */
  log?: (line: string) => void;
  /** Aborted: rejects with its reason, stops what was started and leaves nothing half-made. */
  signal?: AbortSignal;
  /** Default: process.env. Read: PATH, CLAWFLEET_CACHE, XDG_CACHE_HOME, CLAWFLEET_MIRROR, PULUMI_HOME, HOME and Go's own. */
  env?: NodeJS.ProcessEnv;
}

/** The options with their defaults. */
export interface Context {
  log: (line: string) => void;
  /** Whether progress may be shown on one line that is rewritten. */
  live: boolean;
  signal: AbortSignal | undefined;
  env: NodeJS.ProcessEnv;
}

export function context({ log, signal, env = process.env }: ToolchainOptions = {}): Context {
  return {
    log: log ?? ((line) => void process.stderr.write(`${line}\n`)),
    live: log === undefined && process.stderr.isTTY,
    signal,
    env,
  };
}

/**
 * The user's cache: $CLAWFLEET_CACHE, else clawfleet in $XDG_CACHE_HOME, else ~/.cache/clawfleet.
 * @throws ValidationFailed for a relative CLAWFLEET_CACHE
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.CLAWFLEET_CACHE) {
    if (isAbsolute(env.CLAWFLEET_CACHE)) return env.CLAWFLEET_CACHE;
    throw new ValidationFailed({
      what: `"${env.CLAWFLEET_CACHE}" is not an absolute path`,
      where: "CLAWFLEET_CACHE",
      fix: "set it to an absolute path, or unset it",
    });
  }
  // The XDG specification has relative paths ignored.
  const xdg = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  return join(xdg ?? join(env.HOME ?? homedir(), ".cache"), "clawfleet");
}

/** This machine's platform in Go's words. */
export function platform(): Platform {
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}

/** engine/modules of this package, from source and from dist/ alike. */
export function modulesDir(): string {
  for (let dir = __dirname; dir !== dirname(dir); dir = dirname(dir)) {
    const modules = join(dir, "engine", "modules");
    if (existsSync(join(modules, "toolchain", "go.mod"))) return modules;
  }
  throw new ValidationFailed({
    what: "the Go modules of the toolchain are missing",
    where: "engine/modules",
    fix: "use a complete checkout or package of clawfleet",
  });
}
