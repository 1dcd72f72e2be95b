import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { debianPrograms, unprivileged, type DebianPrograms } from "../../engine/programs/debian";
import { listens } from "./listens";

/** Debian's Squid, unpacked. */
export function squidPrograms(): Promise<DebianPrograms> {
  return debianPrograms(["squid", "squid-langpack"], (line) => console.log(`    ${line}`));
}

/** A Squid that runs with a generated config. */
export interface Squid {
  /** What it wrote to standard output: the access log. */
  log: () => string;
  stop: () => Promise<void>;
}

/**
 * Starts Squid as a Pod would, as an ordinary user, and waits until it listens. What differs is where the package's
 * files are, and standard output, which a Pod has as a pipe: Squid opens it by name, as it can no socket.
 */
export async function startSquid(programs: DebianPrograms, config: string, port: number): Promise<Squid> {
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-squid-"));
  const log = join(folder, "stdout");
  const errors = join(folder, "stderr");
  const places = {
    unlinkd_program: "/usr/lib/squid/unlinkd",
    icon_directory: "/usr/share/squid/icons",
    error_directory: "/usr/share/squid-langpack/templates",
    mime_table: "/usr/share/squid/mime.conf",
  };
  const file = join(folder, "squid.conf");
  const moved = Object.entries(places).map(([directive, path]) => `${directive} ${programs.file(path)}\n`);
  writeFileSync(file, config.replaceAll("/dev/stdout", log) + moved.join(""));
  const [program, args] = unprivileged(squidOf(programs), ["-N", "-d", "1", "-f", file]);
  const stderr = openSync(errors, "w");
  const child = spawn(program, args, { cwd: folder, env: programs.env, stdio: ["ignore", "ignore", stderr] });
  closeSync(stderr);
  const stop = async (): Promise<void> => {
    await terminate(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 30_000;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      const output = readFileSync(errors, "utf8");
      await stop();
      throw new Error(`Squid does not listen:\n${output}`);
    }
    await sleep(100);
  }
  return { log: () => readFileSync(log, "utf8"), stop };
}

/** Debian 13 has two builds of it, and a link to one of them only once it is installed. */
function squidOf(programs: DebianPrograms): string {
  const build = programs.file("/usr/sbin/squid-gnutls");
  return existsSync(build) ? build : programs.path("squid");
}

async function terminate(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Two signals: the first one waits for clients, the second one does not.
  child.kill("SIGTERM");
  const ended = once(child, "close");
  await sleep(200);
  child.kill("SIGTERM");
  await ended;
}

/** Sends a request to a proxy as it is written, and returns the status of the answer. */
export async function rawStatus(port: number, request: string): Promise<number> {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.setTimeout(20_000, () => socket.destroy(new Error(`no answer to ${request.split("\r\n")[0] ?? ""}`)));
  try {
    socket.write(request);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return Number(/^HTTP\/1\.[01] (\d{3})/.exec(chunk.toString())?.[1]);
  } finally {
    socket.destroy();
  }
}

/** Asks a proxy for a tunnel. */
export function tunnel(port: number, authority: string): Promise<number> {
  return rawStatus(port, `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
}

/** Asks a proxy for a URL. */
export function get(port: number, url: string, headers = ""): Promise<number> {
  return rawStatus(port, `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${headers}Connection: close\r\n\r\n`);
}
