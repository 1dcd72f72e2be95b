import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createHash } from "node:crypto";
import { embeddingText, type Note } from "./chunks";

/** A file as the last look at the vault found it. */
export interface NoteFile {
  path: string;
  /** Bytes. */
  size: number;
  /** When the file was last touched in any way, in ms: unlike its modification time, nobody can set it back. */
  changed: number;
}

/** A section that was found. */
export interface Found {
  path: string;
  title: string;
  heading: string;
  line: number;
  text: string;
  links: string[];
  score: number;
}

/** What the index holds. */
export interface Counts {
  notes: number;
  chunks: number;
  /** Sections without a vector yet. */
  pending: number;
}

/** Raise it when the tables or the way that notes are divided change: an index of another format is built anew. */
const FORMAT = 1;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA foreign_keys = ON;
  CREATE TABLE notes (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, changed REAL NOT NULL, hash TEXT NOT NULL);
  CREATE TABLE chunks (id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES notes ON DELETE CASCADE, line INTEGER NOT NULL, links TEXT NOT NULL, hash TEXT NOT NULL);
  CREATE INDEX chunks_by_note ON chunks (note);
  CREATE INDEX chunks_by_hash ON chunks (hash);
  CREATE TABLE vectors (hash TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID;
  CREATE VIRTUAL TABLE words USING fts5 (title, heading, properties, body, tokenize = 'porter unicode61 remove_diacritics 2');
  CREATE TABLE made_with (settings TEXT NOT NULL);
`;

/** A word in a title counts as much as several in the text. The order is that of the columns. */
const BM25 = "bm25(words, 5.0, 3.0, 2.0, 1.0)";

/**
 * Reciprocal rank fusion: each list gives 1 / (60 + place), so that neither list's scores have to be made comparable
 * (Cormack, Clarke and Büttcher, SIGIR 2009, where 60 comes from). Of each note only its best section is kept, and of
 * two with the same score the one that has the very words is first.
 *
 * Most sections share some "the" or "what" with a question. Where meaning is asked too, a section is on the list of
 * words only when it has a share of what the query's words tell, each weighed by how rare it is, as BM25 weighs them.
 */
const SEARCH = `
  WITH terms AS (
    SELECT value AS term FROM json_each(:terms)
  ), matches AS (
    SELECT term, words.rowid AS id FROM terms JOIN words ON words MATCH term
  ), weights AS (
    SELECT term, ln(1 + ((SELECT count(*) FROM chunks) - count(id) + 0.5) / (count(id) + 0.5)) AS weight
    FROM terms LEFT JOIN matches USING (term) GROUP BY term
  ), telling AS (
    SELECT id FROM matches JOIN weights USING (term)
    GROUP BY id HAVING sum(weight) >= (SELECT sum(weight) FROM weights) * :share
  ), by_words AS (
    SELECT rowid AS id, row_number() OVER (ORDER BY ${BM25}) AS place
    FROM words WHERE words MATCH :words AND rowid IN telling ORDER BY ${BM25} LIMIT :candidates
  ), by_meaning AS (
    SELECT chunks.id, row_number() OVER (ORDER BY similarity(vector, :vector) DESC) AS place
    FROM chunks JOIN vectors USING (hash) WHERE :vector IS NOT NULL AND vector IS NOT NULL
    ORDER BY place LIMIT :candidates
  ), fused AS (
    SELECT id, sum(1.0 / (60 + place)) AS score, max(exact) AS exact
    FROM (SELECT id, place, 1 AS exact FROM by_words UNION ALL SELECT id, place, 0 FROM by_meaning) GROUP BY id
  ), best AS (
    SELECT id, note, line, links, score, exact, row_number() OVER (PARTITION BY note ORDER BY score DESC, id) AS place
    FROM fused JOIN chunks USING (id)
  )
  SELECT path, title, heading, best.line, body AS text, links, score
  FROM best JOIN notes ON notes.id = best.note JOIN words ON words.rowid = best.id
  WHERE place = 1 ORDER BY score DESC, exact DESC, path LIMIT :limit
`;

/** The share of a query's words, by what they tell, from which a section counts as a match beside the ones by meaning. */
const TELLING_SHARE = 0.35;

/** How many sections each list brings into the fusion. */
const CANDIDATES = 50;

/**
 * The index: SQLite with FTS5 for the words (BM25) and a table of vectors, which a query compares with all of them.
 * That is exact, and at the size of a vault quicker than one call to an embedding model.
 */
export class Store {
  private readonly folder: string;
  private readonly settings: string;
  private database: DatabaseSync;
  /** Told when the index had to be built anew. */
  private readonly onRebuild: (why: string) => void;

  /**
   * Opens the index of a folder, or makes a new one where there is none, it is damaged, or it was made with other settings.
   * @param settings what the index depends on: with other ones it is of no use.
   */
  constructor(folder: string, settings: string, onRebuild: (why: string) => void) {
    this.folder = folder;
    this.settings = `${String(FORMAT)} ${settings}`;
    this.onRebuild = onRebuild;
    mkdirSync(folder, { recursive: true });
    this.database = this.open();
  }

  private open(): DatabaseSync {
    let database: DatabaseSync | undefined;
    let why: string;
    try {
      database = withFunctions(new DatabaseSync(this.file));
      database.exec("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;");
      const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.count;
      if (tables === 0) return this.fill(database);
      const check = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
      const madeWith = database.prepare("SELECT settings FROM made_with").get()?.settings;
      if (check === "ok" && madeWith === this.settings) return database;
      why = check === "ok" ? "made with other settings" : "damaged";
    } catch (error) {
      if (!isDamage(error) && !isUnfinished(error)) throw error;
      why = "damaged";
    }
    database?.close();
    this.onRebuild(why);
    return this.create();
  }

  private get file(): string {
    return join(this.folder, "index.sqlite");
  }

  private create(): DatabaseSync {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${this.file}${suffix}`, { force: true });
    return this.fill(withFunctions(new DatabaseSync(this.file)));
  }

  private fill(database: DatabaseSync): DatabaseSync {
    database.exec(SCHEMA);
    database.prepare("INSERT INTO made_with VALUES (:settings)").run({ settings: this.settings });
    return database;
  }

  /** Throws the index away and begins an empty one. */
  rebuild(why: string): void {
    this.onRebuild(why);
    this.close();
    this.database = this.create();
  }

  /** The files that the index knows, by path. */
  files(): Map<string, NoteFile & { hash: string }> {
    const rows = this.database.prepare("SELECT path, size, changed, hash FROM notes").all();
    return new Map(rows.map((row) => [String(row.path), row as unknown as NoteFile & { hash: string }]));
  }

  /** A file was touched, and says the same. */
  touch({ path, size, changed }: NoteFile): void {
    this.database
      .prepare("UPDATE notes SET size = :size, changed = :changed WHERE path = :path")
      .run({ path, size, changed });
  }

  /** Indexes a note in place of what was known of it: all of it, or nothing when the process dies. */
  put({ path, size, changed }: NoteFile, hash: string, note: Note): void {
    this.transaction(() => {
      this.drop(path);
      const { lastInsertRowid } = this.database
        .prepare("INSERT INTO notes (path, size, changed, hash) VALUES (:path, :size, :changed, :hash)")
        .run({ path, size, changed, hash });
      const chunk = this.database.prepare(
        "INSERT INTO chunks (note, line, links, hash) VALUES (:note, :line, :links, :hash)",
      );
      const words = this.database.prepare(
        "INSERT INTO words (rowid, title, heading, properties, body) VALUES (:id, :title, :heading, :properties, :body)",
      );
      for (const { heading, text, line, links } of note.chunks) {
        const textHash = createHash("sha256").update(embeddingText(note.title, { heading, text })).digest("hex");
        const row = { note: lastInsertRowid, line, links: JSON.stringify(links), hash: textHash };
        const { lastInsertRowid: id } = chunk.run(row);
        words.run({ id, title: note.title, heading, properties: note.properties, body: text });
      }
    });
  }

  /** Forgets notes that are gone. */
  remove(paths: string[]): void {
    this.transaction(() => {
      for (const path of paths) this.drop(path);
    });
  }

  /** Forgets the vectors of texts that no note has any more. */
  removeUnusedVectors(): void {
    this.database.exec("DELETE FROM vectors WHERE hash NOT IN (SELECT hash FROM chunks)");
  }

  private drop(path: string): void {
    const chunks = "SELECT chunks.id FROM chunks JOIN notes ON notes.id = note WHERE path = :path";
    this.database.prepare(`DELETE FROM words WHERE rowid IN (${chunks})`).run({ path });
    this.database.prepare("DELETE FROM notes WHERE path = :path").run({ path });
  }

  /** Texts that have no vector yet, with the hash to store it under. */
  pending(limit: number): { hash: string; text: string }[] {
    const rows = this.database
      .prepare(
        `SELECT hash, title, heading, body FROM
         (SELECT hash, min(id) AS id FROM chunks WHERE hash NOT IN (SELECT hash FROM vectors) GROUP BY hash LIMIT :limit) AS first
         JOIN words ON words.rowid = first.id`,
      )
      .all({ limit });
    return rows.map(({ hash, title, heading, body }) => ({
      hash: String(hash),
      text: embeddingText(String(title), { heading: String(heading), text: String(body) }),
    }));
  }

  /** Stores vectors by their texts' hashes; none for a text that the model refuses, which then isn't asked for again. */
  putVectors(vectors: { hash: string; vector: Float32Array | undefined }[]): void {
    this.transaction(() => {
      const insert = this.database.prepare("INSERT OR REPLACE INTO vectors VALUES (:hash, :vector)");
      for (const { hash, vector } of vectors) insert.run({ hash, vector: vector === undefined ? null : bytes(vector) });
    });
  }

  counts(): Counts {
    const row = this.database
      .prepare(
        `SELECT (SELECT count(*) FROM notes) AS notes, (SELECT count(*) FROM chunks) AS chunks,
         (SELECT count(DISTINCT hash) FROM chunks WHERE hash NOT IN (SELECT hash FROM vectors)) AS pending`,
      )
      .get();
    return row as unknown as Counts;
  }

  /** The notes that answer a query best, by words alone when it has no vector. */
  search(query: string, vector: Float32Array | undefined, limit: number): Found[] {
    const terms = termsOf(query);
    const rows = this.database.prepare(SEARCH).all({
      terms: JSON.stringify(terms),
      words: terms.join(" OR "),
      share: vector === undefined ? 0 : TELLING_SHARE,
      vector: vector === undefined ? null : bytes(vector),
      candidates: CANDIDATES,
      limit,
    });
    return rows.map((row) => ({ ...row, links: JSON.parse(String(row.links)) as string[] }) as unknown as Found);
  }

  private transaction(work: () => void): void {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.database.exec("COMMIT");
    } catch (error) {
      try {
        this.database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full
      }
      throw error;
    }
  }

  close(): void {
    this.database.close();
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, whose extended codes keep them in the lowest byte. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === 11 || code === 26;
}

/** A table is missing: the process died while it made the file. */
function isUnfinished(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("no such table");
}

/** A query's words, quoted: FTS5's own operators are not for callers. */
function termsOf(query: string): string[] {
  const words = query.toLowerCase().match(/[\p{L}\p{N}\p{M}_]+/gu) ?? [];
  return words.length === 0 ? ['""'] : [...new Set(words)].slice(0, 64).map((word) => `"${word}"`);
}

function bytes(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function withFunctions(database: DatabaseSync): DatabaseSync {
  database.function("similarity", { deterministic: true }, (one, other) =>
    product(one as Uint8Array, other as Uint8Array),
  );
  return database;
}

function product(one: Uint8Array, other: Uint8Array): number {
  const a = floats(one);
  const b = floats(other);
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

function floats({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array {
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}
