import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { planSearch } from "../../components/search-plan";
import type { SearchOptions } from "../../components/search";
import { MODEL_KEY_ENV, MODEL_URL_ENV, TOKEN_ENV } from "../../components/search/settings";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import { pythonPrograms } from "../../engine/programs/python";
import { modulesDir } from "../../engine/toolchain/context";
import { freePort, secret } from "./openclaw";

/** A note that was found. */
export interface Hit {
  path: string;
  title: string;
  heading: string;
  line: number;
  text: string;
  links: string[];
}

/** A tool, as far as tests look at it. */
interface Tool {
  name: string;
  annotations?: { readOnlyHint?: boolean };
}

/** An OpenAI-compatible endpoint. */
export interface Models {
  url: string;
  key: string;
  stop: () => Promise<void>;
}

/** Starts the endpoint of test/support/embeddings.py: a real model. */
export async function realModels(log: (line: string) => void): Promise<Models> {
  const { python, env } = await pythonPrograms("minilm", log);
  const key = secret();
  const script = join(dirname(modulesDir()), "..", "test", "support", "embeddings.py");
  // Two threads on two busy cores wait for each other ten times as long as one computes.
  const child = spawn(python, [script, key], {
    env: { ...env, OPENBLAS_NUM_THREADS: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
    child.once("exit", () => reject(new Error("the embedding server ended")));
  });
  return { url: `http://127.0.0.1:${port}/v1`, key, stop: () => end(child, "SIGTERM") };
}

export /** An OpenAI-compatible endpoint whose vectors follow from a text's letters: a stand-in that can be made to fail. */
async function stubModels(statusFor: (texts: string[]) => number): Promise<Models> {
  const key = "canary-model-proxy-key";
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (data: Buffer) => (body += data.toString()));
    request.on("end", () => {
      const { input = [] } = JSON.parse(body) as { input?: string[] };
      const status = request.headers.authorization === `Bearer ${key}` ? statusFor(input) : 401;
      const data = input.map((text, index) => ({ index, embedding: [text.length, text.charCodeAt(0), 1] }));
      // As real ones do, it repeats what it was sent when it refuses it.
      response.writeHead(status).end(JSON.stringify(status === 200 ? { data } : { error: body }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}/v1`, key, stop };
}

/** What the gateway does with an MCP server, by the same library: connects, lists the tools, calls one. */
const SDK_CLIENT = `
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
(async () => {
  const { URL: url, TOKEN: token, QUERY: query } = process.env;
  const client = new Client({ name: "test", version: "1" });
  const requestInit = { headers: { authorization: "Bearer " + token } };
  await client.connect(new StreamableHTTPClientTransport(new globalThis.URL(url), { requestInit }));
  const { tools } = await client.listTools();
  const { content } = await client.callTool({ name: "search_notes", arguments: { query } });
  await client.close();
  console.log(JSON.stringify({ tools, text: content[0].text }));
})();
`;

/** A vault, an index, and the search program as its Pod runs it, with the same Node and libraries as the image. */
export class SearchService {
  readonly root = mkdtempSync(join(tmpdir(), "clawfleet-search-"));
  readonly vault = join(this.root, "vault");
  readonly index = join(this.root, "index");
  readonly token = secret();
  port = 0;
  log = "";
  private running: ChildProcess | undefined;

  constructor(private readonly openclaw: InstalledOpenClaw) {
    mkdirSync(this.vault);
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  get pid(): number {
    return this.running?.pid ?? 0;
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.vault, path)), { recursive: true });
    writeFileSync(join(this.vault, path), text);
  }

  /** Starts the program with what the component would give it, but for addresses and folders. */
  async start(options: SearchOptions = {}, models?: Pick<Models, "url" | "key">): Promise<void> {
    const { files, settings, heapMi } = planSearch(options, { vault: true, modelProxy: models !== undefined });
    const program = join(this.root, "program");
    mkdirSync(program, { recursive: true });
    this.port = await freePort();
    const here = { port: this.port, host: "127.0.0.1", vault: this.vault, index: this.index };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(program, name), text);
    writeFileSync(join(program, "settings.json"), JSON.stringify({ ...settings, ...here }));
    const env = {
      NODE_PATH: dirname(this.openclaw.directory),
      NODE_OPTIONS: `--max-old-space-size=${String(heapMi)}`,
      [TOKEN_ENV]: this.token,
      ...(models && { [MODEL_URL_ENV]: models.url, [MODEL_KEY_ENV]: models.key }),
    };
    this.log = "";
    const child = spawn(this.openclaw.node, [join(program, "main.js"), join(program, "settings.json")], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data: Buffer) => (this.log += data.toString()));
    this.running = child;
    await this.until("that it listens", () => this.log.includes('"listening"'));
  }

  async until(what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(await holds())) {
      if (this.running?.exitCode !== null)
        throw new Error(`ended while waiting for ${what}:\n${this.log.slice(-2000)}`);
      if (Date.now() > deadline) throw new Error(`no ${what} within ${String(seconds)} s:\n${this.log.slice(-2000)}`);
      await sleep(50);
    }
  }

  async untilReady(): Promise<void> {
    await this.until("readiness", async () => (await fetch(`${this.url}/readyz`)).status === 200);
  }

  /** The facts of every line about an event. */
  events(event: string): Record<string, unknown>[] {
    return this.log
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((facts) => facts.event === event);
  }

  post(body: string, token = this.token): Promise<Response> {
    return fetch(`${this.url}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body,
    });
  }

  /** Calls the tool; what it said, as it said it. */
  async call(args: Record<string, unknown>): Promise<{ text: string; isError: boolean }> {
    const params = { name: "search_notes", arguments: args };
    const response = await this.post(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }));
    const { result } = (await response.json()) as {
      result: { content: { text: string }[]; isError?: boolean };
    };
    return { text: result.content[0]?.text ?? "", isError: result.isError ?? false };
  }

  /** What is found, with paths as within the vault. */
  async search(query: string, limit = 3): Promise<{ ranking: string; results: Hit[] }> {
    const { text, isError } = await this.call({ query, limit });
    if (isError) throw new Error(text);
    const { ranking, results } = JSON.parse(text) as { ranking: string; results: Hit[] };
    return { ranking, results: results.map((hit) => ({ ...hit, path: hit.path.slice(this.vault.length + 1) })) };
  }

  async paths(query: string, limit = 3): Promise<string[]> {
    return (await this.search(query, limit)).results.map(({ path }) => path);
  }

  /** The tools and an answer, as the gateway's own MCP library sees them. */
  async callBySdk(query: string): Promise<{ tools: Tool[]; text: string }> {
    const env = {
      NODE_PATH: dirname(this.openclaw.directory),
      URL: `${this.url}/mcp`,
      TOKEN: this.token,
      QUERY: query,
    };
    const { stdout } = await promisify(execFile)(this.openclaw.node, ["-e", SDK_CLIENT], { env });
    return JSON.parse(stdout) as { tools: Tool[]; text: string };
  }

  /** Memory that it occupies, in MiB. */
  residentMi(): number {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(this.pid)}/status`, "utf8")) ?? [];
    return Math.round(Number(kilobytes) / 1024);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.running !== undefined) await end(this.running, signal);
    this.running = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
