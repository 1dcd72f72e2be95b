import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { types } from "@pulumi/kubernetes";
import { ValidationFailed } from "./errors";
import { VAULT_PATH } from "./gateway-pod";
import { resolveImage } from "./images";
import { configHash } from "./openclaw/config";
import type { SearchOptions, SearchResources } from "./search";
import type { SearchSettings } from "./search/settings";
import { assertSecret, SecretFrom } from "./secrets";
import { blockClaim } from "./volume-claims";

/** The port of the search service. */
export const SEARCH_PORT = 8080;
/** Where the index's volume is mounted. */
export const INDEX_PATH = "/index";
/** Where the program and its settings are mounted. */
export const PROGRAM_PATH = "/search";

/** The program that the Pod runs: components/search, as the compiler left it beside this file. */
export const PROGRAM_FILES = ["main", "indexer", "store", "chunks", "model-proxy", "settings"].map(
  (name) => `${name}.js`,
);

/** What a search service takes from the rest of its cell. */
export interface SearchSurroundings {
  /** Whether the cell has a vault. */
  vault: boolean;
  /** Whether it has a model proxy. */
  modelProxy: boolean;
}

/** A search service's options, checked and complete. */
export interface SearchPlan {
  image: string;
  /** What the program is told, but for the model proxy's URL, which is an environment variable. */
  settings: SearchSettings;
  /** The ConfigMap's data. */
  files: Record<string, string>;
  filesHash: string;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  /** Node's heap, in MiB. */
  heapMi: number;
  indexClaim: types.input.core.v1.PersistentVolumeClaimSpec;
}

/**
 * Checks a search service's options and completes them. It creates nothing.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planSearch(options: SearchOptions, { vault, modelProxy }: SearchSurroundings): SearchPlan {
  if (!vault) {
    throw new ValidationFailed({
      what: "search without a vault: there are no notes to find",
      where: "search",
      fix: "set vault.enabled to true (Search: give vaultClaim), or switch search off",
    });
  }
  const { embeddingModel, dimensions, rerankModel } = options;
  for (const [name, model] of Object.entries({ embeddingModel, rerankModel })) {
    if (model === undefined) continue;
    if (model.trim() === "")
      fail(name, "the model's name is empty", "name a model of the model proxy, or leave it out");
    if (!modelProxy) {
      fail(name, "there is no model proxy to ask", "switch the model proxy on, or remove it to search by words alone");
    }
  }
  if (dimensions !== undefined && embeddingModel === undefined) {
    fail("dimensions", "dimensions without embeddingModel", "name the embedding model too, or remove it");
  }
  assertSecret(options.token ?? {}, SecretFrom.Generated, "search.token");
  const settings: SearchSettings = {
    port: SEARCH_PORT,
    vault: VAULT_PATH,
    index: INDEX_PATH,
    refreshSeconds: within("refreshSeconds", options.refreshSeconds ?? 300, 10, 86_400),
    chunkChars: within("chunkChars", options.chunkChars ?? 1_500, 200, 8_000),
    maxNoteBytes: within("maxNoteBytes", options.maxNoteBytes ?? 1_048_576, 1_024, 16_777_216),
    maxQueryChars: within("maxQueryChars", options.maxQueryChars ?? 1_000, 1, 8_000),
    maxResults: within("maxResults", options.maxResults ?? 10, 1, 50),
    ...(embeddingModel !== undefined && { embeddingModel }),
    ...(dimensions !== undefined && { dimensions: within("dimensions", dimensions, 1, 4_096) }),
    ...(rerankModel !== undefined && { rerankModel }),
  };
  const files = {
    ...Object.fromEntries(PROGRAM_FILES.map((file) => [file, readFileSync(join(__dirname, "search", file), "utf8")])),
    "settings.json": `${JSON.stringify(settings, undefined, 2)}\n`,
  };
  const resources = searchResources(options.resources ?? {});
  return {
    image: resolveImage("openclaw-gateway", options.image, "search.image"),
    settings,
    files,
    filesHash: configHash(JSON.stringify(files)),
    ...resources,
    indexClaim: blockClaim(options.index ?? {}, "2Gi", "search.index"),
  };
}

function searchResources(options: SearchResources): Pick<SearchPlan, "resources" | "heapMi"> {
  const memory = options.limitsMemory ?? "512Mi";
  const [, digits, unit] = /^(\d+)(Mi|Gi)$/.exec(memory) ?? [];
  const memoryMi = Number(digits ?? NaN) * (unit === "Gi" ? 1024 : 1);
  if (!(memoryMi >= 256)) {
    fail(
      "resources.limitsMemory",
      `${JSON.stringify(memory)} is no whole number of Mi or Gi from 256Mi up`,
      "use 512Mi",
    );
  }
  const storage = options.limitsEphemeralStorage ?? "128Mi";
  return {
    resources: {
      requests: {
        cpu: options.requestsCpu ?? "50m",
        memory: options.requestsMemory ?? "192Mi",
        "ephemeral-storage": "16Mi",
      },
      limits: { cpu: options.limitsCpu ?? "1", memory, "ephemeral-storage": storage },
    },
    // The rest is for SQLite's page cache, vectors on their way to a comparison, and Node itself.
    heapMi: Math.floor(memoryMi / 2),
  };
}

function within(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    fail(name, `${name} is ${String(value)}`, `use a whole number from ${String(least)} to ${String(most)}`);
  }
  return value;
}

function fail(option: string, what: string, fix: string): never {
  throw new ValidationFailed({ what, where: `search.${option}`, fix });
}
