import assert from "node:assert/strict";
import fc from "fast-check";
import { embeddingText, parseNote } from "../../components/search/chunks";

const NOTE = `---
title: Trips
tags: [travel, portugal]
aliases:
  - Journeys
---
Planned with [[People/Ada|Ada]].

# Lisbon

## Hotels
We stay in [[Alfama#South]].

\`\`\`sh
# no heading
\`\`\`

## Empty

# Porto
Wine.
`;

describe("the division of notes", () => {
  it("goes by headings, and tells where each section stands", () => {
    const { title, properties, chunks } = parseNote("a/trips.md", NOTE, 1500);
    assert.equal(title, "Trips");
    assert.equal(properties, "Trips travel portugal Journeys");
    assert.deepEqual(
      chunks.map(({ heading, line, links }) => [heading, line, links]),
      [
        ["", 7, ["People/Ada"]],
        ["Lisbon > Hotels", 12, ["Alfama"]],
        ["Lisbon > Empty", 18, []],
        ["Porto", 21, []],
      ],
    );
    assert.equal(chunks[1]?.text, "We stay in [[Alfama#South]].\n\n```sh\n# no heading\n```");
  });

  it("names a note by its first top heading, else by its file", () => {
    assert.equal(parseNote("a/b.md", "text\n# Real name\n", 1500).title, "Real name");
    assert.equal(parseNote("a/b.md", "# Real name\n\n## Section\ntext\n", 1500).title, "Real name");
    assert.equal(parseNote("a/b.md", "text\n", 1500).title, "b");
  });

  it("finds something in every note, also an empty one", () => {
    assert.deepEqual(parseNote("empty.md", "", 1500).chunks, [{ heading: "", text: "", line: 1, links: [] }]);
  });

  it("reads on after front matter that is no YAML, and with a rule at its end", () => {
    const { title, chunks } = parseNote("x.md", "---\na: [\n---\nbody\n", 1500);
    assert.deepEqual([title, chunks[0]?.text, chunks[0]?.line], ["x", "body", 4]);
  });

  it("divides what is too long between paragraphs, then between words", () => {
    const paragraphs = `${"one ".repeat(20).trim()}\n\n${"two ".repeat(20).trim()}`;
    assert.deepEqual(
      parseNote("x.md", paragraphs, 100).chunks.map(({ text, line }) => [text.slice(0, 3), line]),
      [
        ["one", 1],
        ["two", 3],
      ],
    );
    const long = parseNote("x.md", "word ".repeat(100), 100).chunks;
    assert.ok(long.length >= 5 && long.every(({ text }) => text.length <= 100 && !text.includes("wor\n")));
  });

  it("loses no word and makes no piece too long, whatever the note", () => {
    const line = fc.oneof(
      fc.constantFrom("", "# One", "## Two", "```", "~~~", "---", "[[a|b]]"),
      fc.stringMatching(/^[a-z ]{0,300}$/),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.integer({ min: 50, max: 400 }), (lines, chars) => {
        // A line of its own first, so that a rule is no front matter.
        const { chunks } = parseNote("x.md", ["start", ...lines].join("\n"), chars);
        const found = chunks.map(({ heading, text }) => `${heading} ${text}`).join(" ");
        for (const { text } of chunks) assert.ok(text.length <= chars + 1, `${String(text.length)} > ${String(chars)}`);
        const letters = (text: string) => text.replace(/[^a-z]/g, "").length;
        const prose = lines.filter((text) => !text.startsWith("#")).join("");
        assert.ok(letters(found) >= letters(prose), "something is missing");
      }),
    );
  });

  it("embeds where a section stands and what a link is called", () => {
    const text = embeddingText("Trips", { heading: "Lisbon", text: "With [[People/Ada|her]] in [[Alfama#South]]." });
    assert.equal(text, "Trips\nLisbon\nWith her in Alfama.");
    assert.equal(embeddingText("Porto", { heading: "Porto", text: "Wine." }), "Porto\nWine.");
  });
});
