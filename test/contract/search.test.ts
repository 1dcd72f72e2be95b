import assert from "node:assert/strict";
import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import { realOpenClaw } from "../support/openclaw";
import { realModels, SearchService, stubModels, type Models } from "../support/search";
import { generatedNotes, LABELLED } from "../support/search-notes";

describe("contract of the search program with the gateway's Node and libraries", function () {
  this.timeout(120_000);
  let openclaw: InstalledOpenClaw;
  let service: SearchService;

  before(async function () {
    this.timeout(600_000);
    openclaw = await realOpenClaw(this);
  });
  beforeEach(() => {
    service = new SearchService(openclaw);
  });
  afterEach(() => service.dispose());

  describe("with a vault of 1,000 notes and a real model", function () {
    this.timeout(600_000);
    let models: Models;
    before(async () => {
      models = await realModels((line) => console.log(`    ${line}`));
    });
    after(() => models.stop());

    it("has the right note among the first three, by words and by meaning", async () => {
      for (const { path, text } of [...LABELLED, ...generatedNotes(1000 - LABELLED.length)]) service.write(path, text);

      await service.start();
      await service.untilReady();
      const wordsAlone = { words: await hits(service, "words"), meaning: await hits(service, "meaning") };
      const [first] = service.events("in step");
      await service.stop();

      const options = { embeddingModel: "minilm", rerankModel: "minilm" };
      await service.start({ embeddingModel: "minilm" }, models);
      await service.until("vectors", () => service.events("embedded").at(-1)?.pending === 0, 540);
      const [embedded] = service.events("embedded");
      const hybrid = { words: await hits(service, "words"), meaning: await hits(service, "meaning") };
      assert.match((await service.search("bread")).ranking, /^words and meaning$/);
      const latency = await latencies(service);
      const [memory, size] = [service.residentMi(), sizeOf(service.index)];
      await service.stop();

      await service.start(options, models);
      await service.untilReady();
      assert.match((await service.search("bread")).ranking, /reranked$/);
      const reranked = { words: await hits(service, "words"), meaning: await hits(service, "meaning") };
      assert.deepEqual(service.events("embedded"), [], "reranking needs no other vectors");

      const of = LABELLED.length;
      console.log(
        `    1,000 notes: words indexed in ${String(first?.ms)} ms, ${String(embedded?.texts)} vectors in ${String(embedded?.ms)} ms`,
      );
      console.log(`    query ${latency}; ${String(memory)} MiB resident, index ${(size / 1024 / 1024).toFixed(1)} MiB`);
      for (const [mode, { words, meaning }] of Object.entries({ "words alone": wordsAlone, hybrid, reranked })) {
        console.log(`    ${mode}: among the first three ${words}/${of} by words, ${meaning}/${of} by meaning`);
      }
      assert.equal(wordsAlone.words, of);
      assert.equal(hybrid.words, of);
      assert.ok(hybrid.meaning >= of - 1, `${String(hybrid.meaning)} of ${String(of)}`);
      assert.ok(wordsAlone.meaning < hybrid.meaning, "then the vectors would do nothing");
      assert.ok(reranked.words === of && reranked.meaning >= of - 1);
    });
  });

  describe("with a small vault", () => {
    beforeEach(() => {
      service.write(
        "garden/tomatoes.md",
        "---\ntags: [garden]\n---\n# Tomatoes\n\n## Care\n\nPinch out side shoots. See [[Water|watering]].\n",
      );
      service.write("Water.md", "Every evening, at the roots.\n");
    });

    it("answers with a note's path, title, heading, line and links", async () => {
      await service.start();
      await service.untilReady();
      const { ranking, results } = await service.search("shoots");
      assert.equal(ranking, "words");
      assert.deepEqual(
        results.map((hit) => ({ ...hit, score: 0 })),
        [
          {
            path: "garden/tomatoes.md",
            title: "Tomatoes",
            heading: "Tomatoes > Care",
            line: 8,
            text: "Pinch out side shoots. See [[Water|watering]].",
            links: ["Water"],
            score: 0,
          },
        ],
      );
      assert.deepEqual(await service.paths("GARDEN"), ["garden/tomatoes.md"], "front matter counts, case does not");
      assert.deepEqual(await service.paths('"*) OR NEAR( -'), [], "FTS5's operators are no caller's business");
    });

    it("notices what is written, renamed and deleted", async () => {
      await service.start();
      await service.untilReady();
      service.write("new/folder/bees.md", "Bees love lavender.\n");
      await service.until("the new note", async () => (await service.paths("lavender")).length === 1, 10);
      renameSync(join(service.vault, "new"), join(service.vault, "old"));
      await service.until(
        "the new path",
        async () => (await service.paths("bees")).join() === "old/folder/bees.md",
        10,
      );
      service.write("old/folder/bees.md", "Wasps do not.\n");
      await service.until("the new text", async () => (await service.paths("wasps")).length === 1, 10);
      assert.deepEqual(await service.paths("lavender"), []);
      rmSync(join(service.vault, "old"), { recursive: true });
      await service.until("the end of it", async () => (await service.paths("wasps")).length === 0, 10);
    });

    it("catches up after a start with what happened in between, and does nothing twice", async () => {
      await service.start();
      await service.untilReady();
      await service.stop();
      service.write("bees.md", "Bees.\n");
      rmSync(join(service.vault, "Water.md"));
      await service.start();
      await service.untilReady();
      const [{ written, removed, notes } = {}] = service.events("in step");
      assert.deepEqual({ written, removed, notes }, { written: 1, removed: 1, notes: 2 });
    });

    it("reads notes alone: no other file, no folder with a dot, nothing too large, and follows no link", async () => {
      writeFileSync(join(service.root, "secret.md"), "canary\n");
      symlinkSync(join(service.root, "secret.md"), join(service.vault, "link.md"));
      symlinkSync(service.root, join(service.vault, "folder"));
      service.write(".obsidian/plugin.md", "canary\n");
      service.write("picture.svg", "canary\n");
      service.write("large.md", "canary ".repeat(1000));
      await service.start({ maxNoteBytes: 4096 });
      await service.untilReady();
      assert.deepEqual(await service.paths("canary"), []);
      const [{ notes, tooLarge } = {}] = service.events("in step");
      assert.deepEqual({ notes, tooLarge }, { notes: 2, tooLarge: 1 });
    });

    it("keeps what it knows when the vault is gone, which no vault without notes is", async () => {
      await service.start({ refreshSeconds: 10 });
      await service.untilReady();
      renameSync(service.vault, `${service.vault}-gone`);
      await service.until("a failed round", () => service.events("round failed").length > 0, 30);
      assert.equal((await service.paths("shoots")).length, 1);
      renameSync(`${service.vault}-gone`, service.vault);
    });

    it("answers with the token alone, and nothing that is too large", async () => {
      await service.start({ maxQueryChars: 100, maxResults: 3 });
      await service.untilReady();
      assert.equal((await service.post("{}", "wrong")).status, 401);
      assert.equal((await fetch(`${service.url}/mcp`, { method: "POST", body: "{}" })).status, 401);
      assert.equal((await fetch(`${service.url}/ready`)).status, 404);
      const headers = { authorization: `Bearer ${service.token}` };
      assert.equal((await fetch(`${service.url}/mcp`, { headers })).status, 405);
      assert.equal((await service.post("no JSON")).status, 400);
      assert.equal((await service.post(JSON.stringify("x".repeat(70_000)))).status, 413);
      for (const args of [{ query: "x".repeat(101) }, { query: "" }, { query: "x", limit: 4 }, {}]) {
        assert.ok((await service.call(args)).isError, JSON.stringify(args));
      }
      assert.equal((await service.paths("evening", 3)).length, 1);
    });

    it("ends at once on SIGTERM", async () => {
      await service.start();
      await service.untilReady();
      const begin = Date.now();
      await service.stop();
      assert.ok(Date.now() - begin < 10_000);
    });

    it("writes neither notes nor their names, queries nor secrets into its log", async () => {
      const stub = await stubModels(() => 500);
      await service.start({ embeddingModel: "stub", rerankModel: "stub" }, stub);
      await service.untilReady();
      await service.paths("shoots evening");
      await service.until("a failed round", () => service.events("round failed").length > 0);
      await stub.stop();
      assert.ok(service.events("searched by words alone").length > 0);
      for (const canary of ["omatoes", "hoots", "evening", "Water", service.token, stub.key]) {
        assert.ok(!service.log.includes(canary), canary);
      }
    });
  });

  describe("when things break", () => {
    it("loses and doubles nothing when it is killed in the middle", async () => {
      for (const { path, text } of generatedNotes(1000)) service.write(path, text);
      for (let kills = 0; kills < 3; kills++) {
        await service.start();
        await service.until("some of the notes", () => sizeOf(service.index) > (kills + 1) * 150_000);
        await service.stop("SIGKILL");
      }
      await service.start();
      await service.untilReady();
      const [{ notes, chunks, written } = {}] = service.events("in step");
      assert.deepEqual({ notes, chunks }, { notes: 1000, chunks: 1000 });
      assert.ok(Number(written) < 1000, "what was indexed before it was killed is kept");
      assert.deepEqual(await service.paths("Falcon 907", 1), ["meetings/Falcon/907.md"]);
      assert.deepEqual(service.events("index begun anew"), []);
    });

    const damages: [string, (file: string) => void][] = [
      ["is cut off", (file) => truncateSync(file, 20_000)],
      ["is something else", (file) => writeFileSync(file, "no database at all, but long enough to be read as one")],
      ["has a page of noise", (file) => damagePage(file)],
    ];
    for (const [what, damage] of damages) {
      it(`builds the index anew when it ${what}`, async () => {
        for (const { path, text } of generatedNotes(200)) service.write(path, text);
        await service.start();
        await service.untilReady();
        await service.stop();
        for (const file of readdirSync(service.index).filter((name) => name !== "index.sqlite")) {
          rmSync(join(service.index, file));
        }
        damage(join(service.index, "index.sqlite"));
        await service.start();
        await service.untilReady();
        assert.deepEqual(
          service.events("index begun anew").map(({ why }) => why),
          ["damaged"],
        );
        assert.equal((await service.paths("Falcon 107", 1)).join(), "meetings/Falcon/107.md");
      });
    }

    it("finds by words while the model proxy is down, and by meaning when it is back", async () => {
      service.write("a.md", "Alpha.\n");
      let status = 503;
      const stub = await stubModels(() => status);
      try {
        await service.start({ embeddingModel: "stub" }, stub);
        await service.untilReady();
        const { ranking, results } = await service.search("alpha");
        assert.deepEqual([ranking, results.length], ["words", 1]);
        status = 200;
        await service.until("vectors", () => service.events("embedded").length > 0, 30);
        assert.equal((await service.search("something else")).ranking, "words and meaning");
      } finally {
        await stub.stop();
      }
    });

    it("embeds the other notes when the model refuses one, and asks for none of them again", async () => {
      for (const name of ["a", "b", "c", "refused", "d"]) service.write(`${name}.md`, `${name} text\n`);
      const asked: string[] = [];
      const stub = await stubModels((texts) => {
        asked.push(...texts);
        return texts.some((text) => text.includes("refused")) ? 400 : 200;
      });
      try {
        await service.start({ embeddingModel: "stub" }, stub);
        await service.until("vectors", () => service.events("embedded").length > 0, 30);
        const [{ refused, pending } = {}] = service.events("embedded");
        assert.deepEqual({ refused, pending }, { refused: 1, pending: 0 });
        await service.stop();
        asked.length = 0;
        service.write("e.md", "e text\n");
        renameSync(join(service.vault, "a.md"), join(service.vault, "moved.md"));
        await service.start({ embeddingModel: "stub" }, stub);
        await service.until("the new vector", () => service.events("embedded").length > 0, 30);
        assert.deepEqual(asked.sort(), ["e\ne text", "moved\na text"]);
      } finally {
        await stub.stop();
      }
    });

    it("builds the index anew for another model, whose vectors do not compare", async () => {
      service.write("a.md", "Alpha.\n");
      const stub = await stubModels(() => 200);
      try {
        for (const embeddingModel of ["one", "one", "other"]) {
          await service.start({ embeddingModel }, stub);
          await service.untilReady();
          assert.deepEqual(
            service.events("index begun anew").map(({ why }) => why),
            embeddingModel === "other" ? ["made with other settings"] : [],
          );
          await service.stop();
        }
      } finally {
        await stub.stop();
      }
    });
  });

  it("is an MCP server that the gateway lists the tool of, with the token alone", async function () {
    this.timeout(240_000);
    service.write("a.md", "Alpha.\n");
    await service.start();
    await service.untilReady();
    const config = {
      gateway: { mode: "local" },
      mcp: {
        servers: {
          search: {
            url: `${service.url}/mcp`,
            transport: "streamable-http",
            headers: { Authorization: "Bearer ${SEARCH_TOKEN}" },
          },
        },
      },
    };
    const path = join(service.root, "openclaw.json");
    writeFileSync(path, JSON.stringify(config));
    const probe = (token: string) =>
      openclaw.run(["mcp", "probe", "search", "--json"], {
        HOME: service.root,
        OPENCLAW_CONFIG_PATH: path,
        OPENCLAW_STATE_DIR: join(service.root, "state"),
        SEARCH_TOKEN: token,
      });
    const { tools, diagnostics } = JSON.parse(await probe(service.token)) as {
      tools: string[];
      diagnostics: unknown[];
    };
    assert.deepEqual({ tools, diagnostics }, { tools: ["search__search_notes"], diagnostics: [] });
    await assert.rejects(probe("wrong"), /MCP probe failed/);
  });

  it("answers the MCP client that the gateway is built with", async () => {
    service.write("a.md", "Alpha.\n");
    await service.start();
    await service.untilReady();
    const { tools, text } = await service.callBySdk("alpha");
    assert.deepEqual(
      tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint]),
      [["search_notes", true]],
    );
    const { ranking, results } = JSON.parse(text) as { ranking: string; results: { path: string }[] };
    assert.deepEqual([ranking, results.map(({ path }) => path)], ["words", [join(service.vault, "a.md")]]);
  });
});

async function hits(service: SearchService, kind: "words" | "meaning"): Promise<number> {
  let count = 0;
  for (const labelled of LABELLED) {
    const paths = await service.paths(labelled[kind]);
    if (paths.includes(labelled.path)) count++;
    else if (process.env.CLAWFLEET_DEBUG) console.log(`missed ${labelled[kind]}: ${paths.join()}`);
  }
  return count;
}

async function latencies(service: SearchService): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (const { meaning } of LABELLED) {
      const started = performance.now();
      await service.paths(`${meaning} ${String(round)}`); // a text that the model has not seen
      times.push(performance.now() - started);
    }
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => `${Math.round(times[Math.floor(times.length * share)] ?? 0)} ms`;
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, with its embedding`;
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}

function damagePage(file: string): void {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 8 * 4096, 12 * 4096);
  writeFileSync(file, bytes);
}
