import { z } from "zod";
import type { SearchSettings } from "./settings";

const EMBEDDINGS = z.object({ data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()) })) });
const RERANKED = z.object({ results: z.array(z.object({ index: z.int(), relevance_score: z.number() })) });

/** The model proxy refused or did not answer. It never quotes an answer: that may repeat a note's text. */
export class ModelProxyError extends Error {
  constructor(
    message: string,
    /** The HTTP status; undefined without an answer. */
    readonly status: number | undefined,
  ) {
    super(message);
    this.name = "ModelProxyError";
  }

  /** Whether the same request would be refused again. */
  get refused(): boolean {
    return this.status === 400 || this.status === 413 || this.status === 422;
  }
}

/** Embeddings and reranking by an OpenAI-compatible API. */
export class ModelProxy {
  private readonly settings: SearchSettings;
  private readonly url: string;
  private readonly key: string;

  /** @param url the base URL, for example `http://cell-model-proxy:4000/v1` */
  constructor(settings: SearchSettings, url: string, key: string) {
    this.settings = settings;
    this.url = url;
    this.key = key;
  }

  /** The vectors of texts, each of length 1, so that a product is a cosine. */
  async embed(texts: string[], timeoutMs: number): Promise<Float32Array[]> {
    const { embeddingModel: model, dimensions } = this.settings;
    const body = { model, input: texts, encoding_format: "float", ...(dimensions !== undefined && { dimensions }) };
    const { data } = await this.post("embeddings", body, EMBEDDINGS, timeoutMs);
    const vectors = new Array<Float32Array | undefined>(texts.length).fill(undefined);
    for (const { index, embedding } of data) vectors[index] = normalized(embedding);
    return vectors.map((vector) => {
      if (vector === undefined || vector.length !== (dimensions ?? vector.length)) {
        throw new ModelProxyError(`embeddings: no vector of ${String(dimensions ?? "any")} numbers`, undefined);
      }
      return vector;
    });
  }

  /** The places of documents, from the most to the least relevant one. */
  async rerank(query: string, documents: string[], timeoutMs: number): Promise<number[]> {
    const body = { model: this.settings.rerankModel, query, documents, top_n: documents.length };
    const { results } = await this.post("rerank", body, RERANKED, timeoutMs);
    const order = [...results].sort((a, b) => b.relevance_score - a.relevance_score).map(({ index }) => index);
    const places = documents.map((_, index) => index);
    return [...new Set([...order.filter((index) => index in places), ...places])];
  }

  private async post<Answer>(
    path: string,
    body: object,
    schema: z.ZodType<Answer>,
    timeoutMs: number,
  ): Promise<Answer> {
    try {
      const response = await fetch(`${this.url}/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${this.key}` },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.ok) return schema.parse(await response.json());
      await response.body?.cancel();
      throw new ModelProxyError(`${path}: HTTP ${String(response.status)}`, response.status);
    } catch (error) {
      if (error instanceof ModelProxyError) throw error;
      throw new ModelProxyError(`${path}: ${error instanceof Error ? error.name : "no answer"}`, undefined);
    }
  }
}

function normalized(vector: number[]): Float32Array {
  const length = Math.hypot(...vector) || 1;
  return Float32Array.from(vector, (value) => value / length);
}
