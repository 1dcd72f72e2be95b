import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { browserArgs, browserCommand } from "../../components/browser-container";
import { FORWARDER_SCRIPT, FORWARDS_ENV } from "../../components/gateway-forwarder";
import { agentKeyEnv, modelProxyFiles, providerKeyEnv } from "../../components/model-proxy-config";
import { proxyEnv } from "../../components/model-proxy-pod";
import { ModelDatabase, ModelMode, type ModelProxyOptions } from "../../components/model-proxy-options";
import { planModelProxy } from "../../components/model-proxy-plan";
import type { Endpoint } from "../../components/part";
import type { DebianPrograms } from "../../engine/programs/debian";
import type { PythonPrograms } from "../../engine/programs/python";
import type { StandIn } from "./http-stand-ins";
import { freePort, send } from "./openclaw";

/** A program of a test, which ends with it. */
export interface Running {
  port: number;
  output: () => string;
  pid: number;
  close: () => Promise<void>;
}

function running(command: string, args: string[], env: NodeJS.ProcessEnv, port: number): Running {
  // A group of its own: what the program starts in turn ends with it.
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { port, pid: child.pid ?? 0, output: () => output, close: () => ended(child) };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    return; // it has ended by itself
  }
  await closed;
}

/** Waits until a condition holds. */
export async function eventually(what: string, holds: () => Promise<boolean>, seconds: number): Promise<number> {
  const started = Date.now();
  while (Date.now() - started < seconds * 1000) {
    if (await holds().catch(() => false)) return Date.now() - started;
    await sleep(100);
  }
  throw new Error(`${what} within ${String(seconds)} s`);
}

async function listen(handler: (incoming: IncomingMessage, outgoing: ServerResponse) => void): Promise<StandIn> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, close };
}

/** A forward proxy that answers every page itself, so that nothing leaves the machine. */
export interface ProxyStandIn extends StandIn {
  /** What was asked for: the URL, or the host and port of a tunnel. */
  asked: string[];
}

/** Starts it; the tunnels that are asked for are refused. */
export async function proxyStandIn(title: string): Promise<ProxyStandIn> {
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? "");
    outgoing.writeHead(200, { "content-type": "text/html" });
    outgoing.end(`<!doctype html><title>${title}</title><h1>${title}</h1>`);
  });
  server.on("connect", (incoming, socket) => {
    asked.push(incoming.url ?? "");
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { asked, port: address.port, close };
}

/** A model provider that speaks OpenAI's protocol: chat that answers one word, and embeddings of the words of a text. */
export interface ProviderStandIn extends StandIn {
  /** `path authorization` of each call. */
  calls: string[];
}

export async function providerStandIn(word: string): Promise<ProviderStandIn> {
  const calls: string[] = [];
  const standIn = await listen((incoming, outgoing) => {
    calls.push(`${incoming.url ?? ""} ${incoming.headers.authorization ?? ""}`);
    if (incoming.method !== "POST") {
      outgoing.writeHead(404).end();
      return;
    }
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      const body = JSON.parse(text) as { stream?: boolean; input?: string | string[]; encoding_format?: string };
      if (incoming.url?.endsWith("/embeddings")) return answerJson(outgoing, embeddings(body));
      const id = { id: "1", created: 1, model: "stand-in" };
      if (body.stream !== true) {
        const message = { role: "assistant", content: word };
        const choices = [{ index: 0, message, finish_reason: "stop" }];
        const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
        return answerJson(outgoing, { ...id, object: "chat.completion", choices, usage });
      }
      const chunk = (delta: object, finish: string | null): string =>
        `data: ${JSON.stringify({ ...id, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(`${chunk({ role: "assistant", content: word }, null)}${chunk({}, "stop")}data: [DONE]\n\n`);
    });
  });
  return { ...standIn, calls };
}

function answerJson(outgoing: ServerResponse, value: object): void {
  outgoing.writeHead(200, { "content-type": "application/json" });
  outgoing.end(JSON.stringify(value));
}

function embeddings(body: { input?: string | string[]; encoding_format?: string }): object {
  const inputs = typeof body.input === "string" ? [body.input] : (body.input ?? []);
  const data = inputs.map((text, index) => {
    const vector = bagOfWords(text);
    const embedding =
      body.encoding_format === "base64" ? Buffer.from(new Float32Array(vector).buffer).toString("base64") : vector;
    return { object: "embedding", index, embedding };
  });
  return { object: "list", data, model: "stand-in", usage: { prompt_tokens: 1, total_tokens: 1 } };
}

/** Texts that share words are near each other. */
function bagOfWords(text: string): number[] {
  const vector = new Array<number>(64).fill(0);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const slot = [...word].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 64, 7);
    vector[slot] = (vector[slot] ?? 0) + 1;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

/** Chromium as its part runs it, with Debian's in place of the image's. */
export async function startBrowser(programs: DebianPrograms, forwardProxy: Endpoint | undefined): Promise<Running> {
  const [port, loopbackPort] = [await freePort(), await freePort()];
  const home = mkdtempSync(join(tmpdir(), "clawfleet-browser-"));
  const program = programs.file("/usr/lib/chromium/chromium-headless-shell");
  const [command = "", ...script] = browserCommand(program, port, loopbackPort);
  const args = await Promise.all(browserArgs(loopbackPort, forwardProxy).map(known));
  const profile = `--user-data-dir=${join(home, "profile")}`;
  const browser = running(command, [...script, ...args, profile], { ...programs.env, HOME: home }, port);
  const close = async (): Promise<void> => {
    await browser.close();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  return { ...browser, close };
}

function known<T>(input: T | { apply: (resolve: (value: T) => void) => unknown } | Promise<T>): Promise<T> {
  if (typeof input === "object" && input !== null && "apply" in input)
    return new Promise((resolve) => input.apply(resolve));
  return Promise.resolve(input);
}

/** The forwarder, from ports of the test's own. */
export async function startForwarder(node: string, targets: number[]): Promise<Running[]> {
  const ports = await Promise.all(targets.map(freePort));
  const rules = targets.map((target, index) => `${String(ports[index])}=127.0.0.1:${String(target)}`).join(" ");
  const forwarder = running(node, ["-e", FORWARDER_SCRIPT], { [FORWARDS_ENV]: rules }, 0);
  await eventually("the forwarder listens", async () => isOpen(ports[0] ?? 0), 20);
  return ports.map((port) => ({ ...forwarder, port }));
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: "127.0.0.1", port, path: "/", method: "HEAD" });
    probe.on("response", () => resolve(true));
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
    probe.end();
  });
}

/** A listener on an address that counts who connects, and answers nothing. */
export async function countConnections(host: string): Promise<StandIn & { connections: () => number }> {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, connections: () => connections, close };
}

/** LiteLLM with the generated config and without a database, in front of a provider on loopback. */
export async function startModelProxy(
  python: PythonPrograms,
  provider: number,
  keys: { agent: string; provider: string },
): Promise<Running> {
  const apiBase = `http://127.0.0.1:${String(provider)}/v1`;
  const options: ModelProxyOptions = {
    models: {
      chat: { model: "openai/stand-in", apiBase, providerKey: "stand-in" },
      embeddings: { model: "openai/stand-in-embeddings", apiBase, providerKey: "stand-in", mode: ModelMode.Embedding },
    },
    providerKeys: { "stand-in": { value: keys.provider } },
    database: { kind: ModelDatabase.None },
    egress: [{ cidr: "127.0.0.1/32", ports: [provider] }],
  };
  const plan = planModelProxy(options, { forwardProxy: false, telemetry: false });
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-litellm-"));
  for (const [name, text] of Object.entries(modelProxyFiles(options, { database: false, telemetry: false }))) {
    writeFileSync(join(folder, name), text);
  }
  const env = await Promise.all(
    Object.entries(
      proxyEnv({ plan, database: undefined, forwardProxy: undefined, telemetry: undefined, directHosts: [] }),
    ).map(async ([name, value]) => [name, await known(value)] as const),
  );
  const port = await freePort();
  const litellm = running(
    python.path("litellm"),
    ["--config", join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port), "--telemetry", "False"],
    {
      ...python.env,
      ...Object.fromEntries(env),
      HOME: folder,
      [agentKeyEnv("main")]: keys.agent,
      [providerKeyEnv("stand-in")]: keys.provider,
    },
    port,
  );
  const close = async (): Promise<void> => {
    await litellm.close();
    rmSync(folder, { recursive: true, force: true });
  };
  await eventually(
    "LiteLLM is ready",
    async () => (await send({ port, path: "/health/readiness" })).status === 200,
    120,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}:\n${litellm.output().slice(-2000)}`);
  });
  return { ...litellm, close };
}
