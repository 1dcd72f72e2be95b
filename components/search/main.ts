import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";
import { embeddingText } from "./chunks";
import { Indexer, type Log } from "./indexer";
import { ModelProxy } from "./model-proxy";
import { MODEL_KEY_ENV, MODEL_URL_ENV, TOKEN_ENV, type SearchSettings } from "./settings";
import { isDamage, Store, type Found } from "./store";

/** A request's whole body; the longest query is far below. */
const MAX_BODY_BYTES = 64 * 1024;
/** A query waits for the model proxy; more of them at once than this, and something is wrong with whoever asks. */
const MAX_AT_ONCE = 16;
/** Someone is waiting for the answer: rather one without the meaning. */
const QUERY_TIMEOUT_MS = 5_000;
/** How many notes are put into their final order. */
const RERANK_CANDIDATES = 20;
/** Longer than the longest call to the model proxy. */
const STUCK_MS = 10 * 60_000;

const log: Log = (event, facts = {}) =>
  console.log(JSON.stringify({ time: new Date().toISOString(), event, ...facts }));

function main(): void {
  const settings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as SearchSettings;
  const token = process.env[TOKEN_ENV] ?? "";
  if (token.length < 16) throw new Error(`${TOKEN_ENV} is shorter than 16 characters`);
  const { embeddingModel, dimensions, chunkChars } = settings;
  const url = process.env[MODEL_URL_ENV];
  const models = url === undefined ? undefined : new ModelProxy(settings, url, process.env[MODEL_KEY_ENV] ?? "");
  const madeWith = JSON.stringify({ embeddingModel, dimensions, chunkChars });
  const store = new Store(settings.index, madeWith, (why) => log("index begun anew", { why }));
  const indexer = new Indexer(settings, store, embeddingModel === undefined ? undefined : models, log);
  const search = new Search(settings, store, indexer, models);

  const server = createServer((request, response) => {
    answer(request, response, { settings, token, indexer, search }).catch((error: unknown) => {
      log("request failed", { why: error instanceof Error ? error.name : "unknown" });
      if (!response.headersSent) reply(response, 500, { error: "internal error" });
    });
  });
  server.requestTimeout = 30_000;
  server.listen(settings.port, settings.host, () => log("listening", { port: settings.port }));
  const running = indexer.run();
  const stop = () => {
    indexer.stop();
    server.close();
    void running.then(() => {
      store.close();
      process.exit(0);
    });
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

interface Parts {
  settings: SearchSettings;
  token: string;
  indexer: Indexer;
  search: Search;
}

async function answer(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const { settings, indexer } = parts;
  if (request.url === "/livez") {
    const stuck = Date.now() - indexer.lastSign > settings.refreshSeconds * 1000 + STUCK_MS;
    return reply(response, stuck ? 503 : 200, { live: !stuck });
  }
  if (request.url === "/readyz") return reply(response, indexer.ready ? 200 : 503, { ready: indexer.ready });
  if (request.url !== "/mcp") return reply(response, 404, { error: "not found" });
  if (!sameToken(request.headers.authorization, `Bearer ${parts.token}`)) {
    return reply(response, 401, { error: "unauthorized" });
  }
  // No sessions and no messages from the server: every request stands for itself, so that a restart is not noticed.
  if (request.method !== "POST") return reply(response, 405, { error: "method not allowed" });
  const body = await bodyOf(request);
  if (body === undefined) return reply(response, 413, { error: "request too large" });
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    return reply(response, 400, { error: "no JSON" });
  }
  const server = mcpServer(settings, parts.search);
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  response.on("close", () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, message);
}

function mcpServer({ maxQueryChars, maxResults }: SearchSettings, search: Search): McpServer {
  const server = new McpServer({ name: "clawfleet-search", version: "1" });
  server.registerTool(
    "search_notes",
    {
      description:
        "Search the vault of markdown notes by words and by meaning. Returns the best section of each note that fits, " +
        "best first, with the note's path, heading, first line and wiki links.",
      inputSchema: {
        query: z.string().min(1).max(maxQueryChars).describe("What to look for: key words, or a question"),
        limit: z.int().min(1).max(maxResults).default(Math.min(5, maxResults)).describe("How many notes to return"),
      },
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    async ({ query, limit }) => {
      const result = await search.run(query, limit);
      return { content: [{ type: "text", text: JSON.stringify(result) }], isError: "error" in result };
    },
  );
  return server;
}

/** What a client is told. */
type Answer = { ranking: string; results: Found[] } | { error: string };

class Search {
  private running = 0;
  private readonly settings: SearchSettings;
  private readonly store: Store;
  private readonly indexer: Indexer;
  private readonly models: ModelProxy | undefined;

  constructor(settings: SearchSettings, store: Store, indexer: Indexer, models: ModelProxy | undefined) {
    this.settings = settings;
    this.store = store;
    this.indexer = indexer;
    this.models = models;
  }

  async run(query: string, limit: number): Promise<Answer> {
    if (this.running >= MAX_AT_ONCE) return { error: "too many searches at once, try again in a moment" };
    this.running++;
    try {
      const vector = await this.vectorOf(query);
      const rerank = this.models !== undefined && this.settings.rerankModel !== undefined;
      const found = this.store.search(query, vector, rerank ? Math.max(limit, RERANK_CANDIDATES) : limit);
      const reranked = rerank ? await this.rerank(this.models, query, found) : undefined;
      const ranking = [vector === undefined ? "words" : "words and meaning", ...(reranked ? ["reranked"] : [])].join(
        ", ",
      );
      const results = (reranked ?? found).slice(0, limit);
      return { ranking, results: results.map((note) => ({ ...note, path: join(this.settings.vault, note.path) })) };
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.indexer.damaged();
      return { error: "the index is being built anew, try again in a moment" };
    } finally {
      this.running--;
    }
  }

  private async vectorOf(query: string): Promise<Float32Array | undefined> {
    if (this.models === undefined || this.settings.embeddingModel === undefined) return undefined;
    try {
      return (await this.models.embed([query], QUERY_TIMEOUT_MS))[0];
    } catch (error) {
      log("searched by words alone", { why: error instanceof Error ? error.message : "unknown" });
      return undefined;
    }
  }

  private async rerank(models: ModelProxy, query: string, found: Found[]): Promise<Found[] | undefined> {
    if (found.length < 2) return undefined;
    try {
      const documents = found.map((note) => embeddingText(note.title, note));
      const order = await models.rerank(query, documents, QUERY_TIMEOUT_MS);
      return order.flatMap((place) => found[place] ?? []);
    } catch (error) {
      log("not reranked", { why: error instanceof Error ? error.message : "unknown" });
      return undefined;
    }
  }
}

/** Compared by hash, so that the time it takes tells nothing, not even the length. */
function sameToken(given: string | undefined, expected: string): boolean {
  const [one, other] = [given ?? "", expected].map((text) => createHash("sha256").update(text).digest());
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

main();
