import { createHash } from "node:crypto";
import { constants, watch } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { parseNote } from "./chunks";
import { ModelProxyError, type ModelProxy } from "./model-proxy";
import type { SearchSettings } from "./settings";
import { isDamage, type NoteFile, type Store } from "./store";

/** Writes one line about what happened; never a note's text or name. */
export type Log = (event: string, facts?: Record<string, string | number>) => void;

const BATCH = 64;
const EMBED_TIMEOUT_MS = 60_000;
/** A person's editor saves in bursts. */
const SETTLE_MS = 1_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/** Keeps the index in step with the vault: on every change, and every so often in case one was not noticed. */
export class Indexer {
  /** Whether the index has been in step with the vault since the start. */
  ready = false;
  /** When the last round began or made progress. */
  lastSign = Date.now();
  private changed = false;
  private wake: () => void = () => undefined;
  private stopped = false;
  private readonly settings: SearchSettings;
  private readonly store: Store;
  private readonly models: ModelProxy | undefined;
  private readonly log: Log;

  constructor(settings: SearchSettings, store: Store, models: ModelProxy | undefined, log: Log) {
    this.settings = settings;
    this.store = store;
    this.models = models;
    this.log = log;
  }

  /** Runs until it is stopped. */
  async run(): Promise<void> {
    this.watch();
    let retryMs = FIRST_RETRY_MS;
    while (!this.stopped) {
      this.changed = false;
      this.lastSign = Date.now();
      try {
        await this.refresh();
        this.ready = true;
        await this.embed();
        retryMs = FIRST_RETRY_MS;
        await this.pause(this.settings.refreshSeconds * 1000);
      } catch (error) {
        if (isDamage(error)) this.damaged();
        else this.log("round failed", { why: reason(error), retrySeconds: retryMs / 1000 });
        await this.pause(retryMs);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Begins a new index; what is found until it is complete would be a part of the truth. */
  damaged(): void {
    this.ready = false;
    this.store.rebuild("damaged");
    this.note();
  }

  private note(): void {
    this.changed = true;
    this.wake();
  }

  private watch(): void {
    try {
      const watcher = watch(this.settings.vault, { recursive: true, persistent: false }, () => this.note());
      watcher.on("error", (error) => this.log("changes not noticed at once", { why: reason(error) }));
    } catch (error) {
      this.log("changes not noticed at once", { why: reason(error) });
    }
  }

  /** Waits for a change, or that long. */
  private async pause(ms: number): Promise<void> {
    if (!this.changed && !this.stopped) {
      const timer = new AbortController();
      await Promise.race([
        sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined),
        new Promise<void>((resolve) => (this.wake = resolve)),
      ]);
      timer.abort();
    }
    if (this.changed && !this.stopped) await sleep(SETTLE_MS);
  }

  private async refresh(): Promise<void> {
    const started = performance.now();
    const known = this.store.files();
    let written = 0;
    let tooLarge = 0;
    for (const path of await notesBelow(this.settings.vault)) {
      this.lastSign = Date.now();
      const before = known.get(path);
      const file = await readNote(this.settings, path, before);
      if (file === undefined) continue; // gone since, or no file: what is known of it goes below
      if (file === "too large") {
        tooLarge++;
        continue;
      }
      known.delete(path);
      if (file === "unchanged") continue;
      const hash = createHash("sha256").update(file.content).digest("hex");
      if (hash === before?.hash) {
        this.store.touch(file);
        continue;
      }
      this.store.put(file, hash, parseNote(path, file.content.toString("utf8"), this.settings.chunkChars));
      written++;
      await setImmediate(); // queries are answered in between
    }
    const gone = [...known.keys()];
    if (gone.length > 0) this.store.remove(gone);
    if (written + gone.length > 0) this.store.removeUnusedVectors();
    if (written + gone.length > 0 || !this.ready) {
      const { notes, chunks } = this.store.counts();
      const ms = Math.round(performance.now() - started);
      this.log("in step", { notes, chunks, written, removed: gone.length, tooLarge, ms });
    }
  }

  private async embed(): Promise<void> {
    if (this.models === undefined) return;
    const started = performance.now();
    let embedded = 0;
    let refused = 0;
    // A change goes first: its words are found at once, its meaning a moment later.
    while (!this.changed && !this.stopped) {
      const batch = this.store.pending(BATCH);
      if (batch.length === 0) break;
      const vectors = await this.vectorsOf(this.models, batch);
      this.store.putVectors(vectors);
      refused += vectors.filter(({ vector }) => vector === undefined).length;
      embedded += vectors.length;
      this.lastSign = Date.now();
    }
    const { pending } = this.store.counts();
    const ms = Math.round(performance.now() - started);
    if (embedded > 0) this.log("embedded", { texts: embedded, refused, pending, ms });
  }

  /** One text that the model refuses must not keep the others from their vectors. */
  private async vectorsOf(
    models: ModelProxy,
    batch: { hash: string; text: string }[],
  ): Promise<{ hash: string; vector: Float32Array | undefined }[]> {
    try {
      const vectors = await models.embed(
        batch.map(({ text }) => text),
        EMBED_TIMEOUT_MS,
      );
      return batch.map(({ hash }, index) => ({ hash, vector: vectors[index] }));
    } catch (error) {
      if (!(error instanceof ModelProxyError && error.refused)) throw error;
      if (batch.length === 1) return batch.map(({ hash }) => ({ hash, vector: undefined }));
      const half = Math.ceil(batch.length / 2);
      return [
        ...(await this.vectorsOf(models, batch.slice(0, half))),
        ...(await this.vectorsOf(models, batch.slice(half))),
      ];
    }
  }
}

/** What went wrong, without a path or a text. */
function reason(error: unknown): string {
  if (error instanceof ModelProxyError) return error.message;
  if (!(error instanceof Error)) return "unknown";
  return "code" in error ? `${error.name} ${String(error.code)}` : error.name;
}

/** Markdown files below a folder. What begins with a dot is Obsidian's, git's or the trash; links are not followed. */
async function notesBelow(vault: string): Promise<string[]> {
  const found: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = await readdir(join(vault, folder), { withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        // A vault that is not there is no vault without notes.
        if (folder === "" || error.code !== "ENOENT") throw error;
        return [];
      },
    );
    for (const entry of entries.filter(({ name }) => !name.startsWith("."))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() && /\.md$/i.test(entry.name)) found.push(path);
    }
  }
  return found.sort();
}

async function readNote(
  { vault, maxNoteBytes }: SearchSettings,
  path: string,
  before: NoteFile | undefined,
): Promise<(NoteFile & { content: Buffer }) | "unchanged" | "too large" | undefined> {
  try {
    // Whoever writes the vault could put a link in the file's place, to a file of this Pod.
    const file = await open(join(vault, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return undefined;
      const { size, ctimeMs: changed } = stats;
      if (size > maxNoteBytes) return "too large";
      if (before?.size === size && before.changed === changed) return "unchanged";
      return { path, size, changed, content: await file.readFile() };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP") return undefined;
    throw error;
  }
}
