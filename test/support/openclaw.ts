import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Unreachable } from "../../components/errors";
import { catalogueImage } from "../../components/images";
import { configText } from "../../components/openclaw/config";
import { mergePatch } from "../../components/openclaw/extra-config";
import { GATEWAY_CONFIG_FILE, gatewayCommand, gatewayEnv, probeCommand } from "../../components/openclaw/pod";
import { isObject, type JsonObject } from "../../components/openclaw/json";
import type { OpenClawConfig } from "../../components/openclaw/validate";
import { installOpenClaw, type InstalledOpenClaw } from "../../engine/openclaw";

/** The version of the pinned image: the one place that the schema's and this test's version come from. */
export const OPENCLAW_VERSION = catalogueImage("openclaw-gateway").tag;

/** The real OpenClaw; skips the suite, and says why, only when no registry can be reached. */
export async function realOpenClaw(suite: Mocha.Context): Promise<InstalledOpenClaw> {
  try {
    return await installOpenClaw(OPENCLAW_VERSION, (line) => console.log(`    ${line}`));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    console.log(`    skipped: ${error.message}`);
    return suite.skip();
  }
}

/**
 * The one change that a test makes to a generated config: it must not listen on the machine's network. A proxy's
 * address is loopback then too, which trusted-proxy mode has to be told.
 */
export function onLoopback(config: OpenClawConfig): OpenClawConfig {
  const { auth } = isObject(config.gateway) ? config.gateway : {};
  const behindProxy = isObject(auth) && isObject(auth.trustedProxy);
  const allowLoopback: JsonObject = behindProxy ? { auth: { trustedProxy: { allowLoopback: true } } } : {};
  return mergePatch(config, { gateway: { bind: "loopback", ...allowLoopback } }) as OpenClawConfig;
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** What a Pod sees: a ConfigMap mounted as a directory, and the volume of the state. */
export interface PodFiles {
  root: string;
  configDir: string;
  stateDir: string;
  remove: () => void;
}

/** Lays a config out as the kubelet does: a dated directory, `..data` pointing to it, and each key pointing into that. */
export function podFiles(config: OpenClawConfig): PodFiles {
  const root = mkdtempSync(join(tmpdir(), "clawfleet-gateway-"));
  const configDir = join(root, "config");
  mkdirSync(join(configDir, "..2026_11_21"), { recursive: true });
  writeFileSync(join(configDir, "..2026_11_21", GATEWAY_CONFIG_FILE), configText(config), { mode: 0o644 });
  symlinkSync("..2026_11_21", join(configDir, "..data"));
  symlinkSync(join("..data", GATEWAY_CONFIG_FILE), join(configDir, GATEWAY_CONFIG_FILE));
  // As fsGroup leaves the root of a volume.
  const volume = join(root, "state");
  mkdirSync(volume);
  chmodSync(volume, 0o2775);
  mkdirSync(join(root, "home"));
  return { root, configDir, stateDir: volume, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** The environment of the gateway's container, with `HOME` in place of the image's. */
export function podEnv(files: PodFiles, secrets: Record<string, string>): Record<string, string> {
  const { PATH = "" } = process.env;
  return { PATH, HOME: join(files.root, "home"), ...gatewayEnv({ ...files, memoryLimitMi: 2048 }), ...secrets };
}

/** A secret of the kind that is generated for a gateway. */
export function secret(): string {
  return randomBytes(32).toString("base64url");
}

/** How a process ended. */
export interface Exit {
  code: number | null;
  seconds: number;
  output: string;
}

/** A gateway that was started, and is answering or not yet. */
export interface Gateway {
  port: number;
  files: PodFiles;
  env: Record<string, string>;
  output: () => string;
  /** Runs an exec probe as the kubelet would, with the same `node`. */
  probe: (command: string[]) => Promise<{ code: number; stderr: string; milliseconds: number }>;
  /** Sends a request to a path, and returns what came back. */
  get: (path: string, headers?: Record<string, string>) => Promise<Answer>;
  exited: Promise<Exit>;
  /** SIGTERM; resolves when the process has ended. */
  terminate: () => Promise<Exit>;
  /** SIGKILL if it still runs, and removes its files. */
  dispose: () => Promise<void>;
}

/** An HTTP answer. */
export interface Answer {
  status: number;
  type: string;
  body: string;
}

/** Starts a gateway with a config's loopback form, as the Pod's command would; it is not awaited. */
export function startGateway(
  openclaw: InstalledOpenClaw,
  config: OpenClawConfig,
  port: number,
  secrets: Record<string, string>,
): Gateway {
  const files = podFiles(onLoopback(config));
  const env = podEnv(files, secrets);
  const started = Date.now();
  const child = spawn(openclaw.node, gatewayCommand().slice(1), {
    cwd: openclaw.directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let terminated = started;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<Exit>((resolve) =>
    child.on("close", (code) => resolve({ code, seconds: (Date.now() - terminated) / 1000, output })),
  );
  return {
    port,
    files,
    env,
    output: () => output,
    probe: ([, ...args]) => runProbe(openclaw.node, args),
    get: (path, headers) => send({ port, path, headers }),
    exited,
    terminate: () => {
      terminated = Date.now();
      child.kill("SIGTERM");
      return exited;
    },
    dispose: async () => {
      await kill(child, exited);
      files.remove();
    },
  };
}

async function kill(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await exited;
}

/** Waits until the gateway says it is started; fails at once when it ends instead. */
export async function untilStarted(gateway: Gateway): Promise<void> {
  await until(gateway, "/startupz", (answer) => answer.status === 200 && answer.body.includes('"started"'));
}

/** Waits for an answer on a path. */
export async function until(gateway: Gateway, path: string, accept: (answer: Answer) => boolean): Promise<void> {
  // As long as the Pod's startup probe gives it.
  const deadline = Date.now() + 300_000;
  const ended = gateway.exited.then((exit) => {
    throw new Error(`the gateway ended with ${exit.code} instead:\n${exit.output.slice(-2000)}`);
  });
  const polled = async (): Promise<void> => {
    while (Date.now() < deadline) {
      const answer = await gateway.get(path).catch(() => undefined);
      if (answer !== undefined && accept(answer)) return;
      await sleep(100);
    }
    throw new Error(`${path} not answered as expected within 300 s:\n${gateway.output().slice(-2000)}`);
  };
  ended.catch(() => undefined); // it ends later, when the test wants it to
  await Promise.race([polled(), ended]);
}

function runProbe(node: string, args: string[]): Promise<{ code: number; stderr: string; milliseconds: number }> {
  const started = performance.now();
  return new Promise((resolve) => {
    execFile(node, args, (error, _stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stderr: stderr.trim(), milliseconds: Math.round(performance.now() - started) });
    });
  });
}

/** A probe for a path that the gateway does not have: what a typing error in a manifest would be. */
export function probeUnknownPath(port: number): string[] {
  return probeCommand("/startupz", port).map((part) => part.replaceAll("/startupz", "/startedz"));
}

interface SendOptions {
  port: number;
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** @default GET, or POST with a body */
  method?: string;
  /** The address to connect from. */
  localAddress?: string;
}

/** One HTTP request on loopback. */
export function send({ port, path, headers, body, localAddress, ...options }: SendOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = options.method ?? (body === undefined ? "GET" : "POST");
    const outgoing = request({ host: "127.0.0.1", port, path, method, headers, localAddress }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body: text }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** The header with which a client presents a token. */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
