/** What the search program is told by `settings.json`; its secrets are environment variables. */
export interface SearchSettings {
  /** The port to listen on. */
  port: number;
  /** The address to listen on. Default: every one. */
  host?: string;
  /** The folder of the notes. */
  vault: string;
  /** The folder that the index is kept in. */
  index: string;
  /** Seconds between two looks at the whole vault, beside those that a change causes. */
  refreshSeconds: number;
  /** The longest section that is indexed in one piece, in characters. */
  chunkChars: number;
  /** Larger notes are left out, in bytes. */
  maxNoteBytes: number;
  /** The longest query, in characters. */
  maxQueryChars: number;
  /** The most results for one query. */
  maxResults: number;
  /** The model that turns text into vectors; without one, notes are found by their words alone. */
  embeddingModel?: string;
  /** The length of its vectors, where the model offers several. */
  dimensions?: number;
  /** The model that puts the best results into their final order. */
  rerankModel?: string;
}

/** The environment variable with the token that clients present. */
export const TOKEN_ENV = "SEARCH_TOKEN";
/** The environment variable with the key for the model proxy. */
export const MODEL_KEY_ENV = "MODEL_PROXY_KEY";
/** The environment variable with the base URL of the OpenAI-compatible API, for example `http://cell-model-proxy:4000/v1`. */
export const MODEL_URL_ENV = "MODEL_PROXY_URL";
