import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Unreachable } from "../../components/errors";
import { pythonPrograms, type PythonPrograms } from "../../engine/programs/python";

/** The real LiteLLM; skips the suite, and says why, only when no registry can be reached. */
export async function realLiteLlm(suite: Mocha.Context): Promise<PythonPrograms> {
  try {
    return await pythonPrograms("litellm", (line) => console.log(`    ${line}`));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    console.log(`    skipped: ${error.message}`);
    return suite.skip();
  }
}

/** A model provider on loopback that speaks OpenAI's API, and tells what it was asked. */
export class StubProvider {
  readonly requests: { path: string; authorization: string; body: string }[] = [];
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<StubProvider> {
    const server = createServer();
    const stub = new StubProvider(server, await listen(server));
    server.on("request", (request: IncomingMessage, response) => {
      let body = "";
      request.on("data", (data: Buffer) => (body += data.toString()));
      request.on("end", () => {
        const path = request.url ?? "";
        stub.requests.push({ path, authorization: request.headers.authorization ?? "", body });
        if (path.startsWith("/broken")) {
          response.writeHead(500).end("{}");
          return;
        }
        response.setHeader("content-type", "application/json");
        const answer = JSON.stringify(path.endsWith("/embeddings") ? EMBEDDING : CHAT);
        setTimeout(() => response.end(answer), body.includes("take your time") ? 3000 : 0);
      });
    });
    return stub;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A forward proxy on loopback that lets nobody through, and tells where they wanted to go. */
export class ClosedProxy {
  readonly asked: string[] = [];
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<ClosedProxy> {
    const server = createServer((request, response) => {
      proxy.asked.push(request.url ?? "");
      response.writeHead(403).end();
    });
    server.on("connect", (request: IncomingMessage, socket) => {
      proxy.asked.push(request.url ?? "");
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    const proxy = new ClosedProxy(server, await listen(server));
    return proxy;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const CHAT = {
  id: "1",
  object: "chat.completion",
  created: 1,
  model: "stub",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hello from the stub" } }],
  usage,
};
const EMBEDDING = {
  object: "list",
  model: "stub",
  data: [{ object: "embedding", index: 0, embedding: [0.25, 0.5] }],
  usage: { prompt_tokens: 1, total_tokens: 1 },
};

/** A real LiteLLM with generated files, as in its Pod: everything it writes is in one folder. */
export class RunningLiteLlm {
  readonly root = mkdtempSync(join(tmpdir(), "clawfleet-litellm-"));
  readonly url: string;
  log = "";
  private readonly process: ChildProcess;

  constructor(
    programs: PythonPrograms,
    files: Record<string, string>,
    env: Record<string, string>,
    readonly port: number,
  ) {
    this.url = `http://127.0.0.1:${String(port)}`;
    const config = join(this.root, "config");
    mkdirSync(config);
    mkdirSync(join(this.root, "home"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text);
    const args = ["--config", join(config, "config.yaml"), "--port", String(port), "--host", "127.0.0.1"];
    this.process = spawn(programs.path("litellm"), [...args, "--telemetry", "False"], {
      cwd: this.root,
      env: { ...programs.env, ...env, HOME: join(this.root, "home") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on("data", (data: Buffer) => (this.log += data.toString()));
    }
  }

  /** Waits until its readiness probe passes, and tells how long that took. */
  async ready(): Promise<number> {
    const begin = Date.now();
    while (Date.now() - begin < 240_000) {
      if (this.process.exitCode !== null) throw new Error(`LiteLLM ended:\n${this.log}`);
      const answer = await fetch(`${this.url}/health/readiness`).catch(() => undefined);
      if (answer?.status === 200) return Date.now() - begin;
      await sleep(250);
    }
    throw new Error(`LiteLLM was not ready in time:\n${this.log}`);
  }

  async ask(path: string, key?: string, body?: object): Promise<{ status: number; text: string }> {
    const answer = await fetch(`${this.url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** Its memory in MiB, and its command line. */
  look(): { memory: number; commandLine: string } {
    const proc = `/proc/${String(this.process.pid)}`;
    const [, kilobytes = "NaN"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${proc}/status`, "utf8")) ?? [];
    return { memory: Number(kilobytes) / 1024, commandLine: readFileSync(`${proc}/cmdline`, "utf8") };
  }

  /** Ends it as the kubelet does. */
  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const killer = setTimeout(() => this.process.kill("SIGKILL"), 30_000);
    await ended;
    clearTimeout(killer);
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}
