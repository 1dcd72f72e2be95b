import { basename } from "node:path/posix";
import { parse } from "yaml";

/** A piece of a note: what is found, and what is embedded. */
export interface Chunk {
  /** The headings above it, from the outermost to its own, for example `Trips > Lisbon`. */
  heading: string;
  text: string;
  /** Its first line in the file, counted from 1. */
  line: number;
  /** The notes that its wiki links name. */
  links: string[];
}

/** A note as it is indexed. */
export interface Note {
  /** The front matter's title, else the first top heading, else the file's name. */
  title: string;
  /** The values of the front matter, for example its tags and aliases. */
  properties: string;
  chunks: Chunk[];
}

const FRONT_MATTER = /^---\r?\n([\s\S]*?)(?:\r?\n)?---[ \t]*(?:\r?\n|$)/;
const HEADING = /^(#{1,6})[ \t]+(.*?)[ \t]*#*$/;
const FENCE = /^[ \t]*(`{3,}|~{3,})/;
const WIKI_LINK = /!?\[\[([^\]|#\n]*)(?:#[^\]|\n]*)?(?:\|([^\]\n]*))?\]\]/g;

/**
 * Takes a note apart by its headings, as Obsidian writes them. A section that is longer than `chunkChars` is divided
 * between its paragraphs, and a longer paragraph between its words.
 */
export function parseNote(path: string, content: string, chunkChars: number): Note {
  const matter = FRONT_MATTER.exec(content);
  const properties = matter?.[1] === undefined ? undefined : frontMatter(matter[1]);
  const body = matter === null ? content : content.slice(matter[0].length);
  const firstLine = matter === null ? 1 : matter[0].split("\n").length;
  const sections = sectionsOf(body.split(/\r?\n/), firstLine);
  const given = isRecord(properties) && typeof properties.title === "string" ? properties.title : undefined;
  const topHeading = sections.find(({ level }) => level === 1)?.path[0];
  return {
    title: given ?? topHeading ?? basename(path, ".md"),
    properties: scalars(properties).join(" "),
    chunks: worthFinding(sections).flatMap(({ path: headings, lines, line }) =>
      divide(lines, line, chunkChars).map(({ text, line: start }) => ({
        heading: headings.join(" > "),
        text,
        line: start,
        links: linksOf(text),
      })),
    ),
  };
}

/** The text that is embedded: where it stands belongs to what it means, and link marks do not. */
export function embeddingText(title: string, { heading, text }: Pick<Chunk, "heading" | "text">): string {
  const readable = text.replace(WIKI_LINK, (_, target: string, alias: string | undefined) => alias ?? target);
  return [title, heading === title ? "" : heading, readable].filter((part) => part !== "").join("\n");
}

function linksOf(text: string): string[] {
  const targets = [...text.matchAll(WIKI_LINK)].map(([, target = ""]) => target.trim());
  return [...new Set(targets.filter((target) => target !== ""))];
}

function frontMatter(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined; // a person's typing error; the note itself is still worth finding
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function scalars(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  if (typeof value !== "object" || value === null || value instanceof Date) return [];
  return Object.values(value).flatMap(scalars);
}

interface Section {
  level: number;
  path: string[];
  lines: string[];
  /** The file's line that `lines` begins at. */
  line: number;
}

function sectionsOf(lines: string[], firstLine: number): Section[] {
  const sections: Section[] = [{ level: 0, path: [], lines: [], line: firstLine }];
  const headings: { level: number; text: string }[] = [];
  let fence: string | undefined;
  lines.forEach((line, index) => {
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark : undefined;
    }
    const heading = fence === undefined && mark === undefined ? HEADING.exec(line) : null;
    if (heading?.[1] === undefined) {
      sections.at(-1)?.lines.push(line);
      return;
    }
    const level = heading[1].length;
    while ((headings.at(-1)?.level ?? 0) >= level) headings.pop();
    headings.push({ level, text: heading[2] ?? "" });
    sections.push({ level, path: headings.map(({ text }) => text), lines: [], line: firstLine + index + 1 });
  });
  return sections;
}

/** A heading without text says something only when nothing below it repeats it; a note without either is one section. */
function worthFinding(sections: Section[]): Section[] {
  const kept = sections.filter(
    ({ level, lines }, index) =>
      lines.some((line) => line.trim() !== "") || (level > 0 && (sections[index + 1]?.level ?? 0) <= level),
  );
  return kept.length > 0 ? kept : sections.slice(0, 1);
}

function divide(lines: string[], firstLine: number, chunkChars: number): { text: string; line: number }[] {
  const pieces: { text: string; line: number }[] = [];
  let current: string[] = [];
  let start = firstLine;
  let length = 0;
  const flush = (next: number) => {
    const text = current.join("\n").trim();
    if (text !== "") pieces.push({ text, line: start });
    current = [];
    length = 0;
    start = next;
  };
  lines.forEach((line, index) => {
    const paragraph = line.trim() === "" ? paragraphLength(lines, index + 1) : 0;
    if (length > 0 && (length + line.length > chunkChars || length + paragraph > chunkChars)) flush(firstLine + index);
    for (const part of wordsUpTo(line, chunkChars)) {
      if (length + part.length > chunkChars) flush(firstLine + index);
      if (length === 0 && part.trim() === "") {
        start = firstLine + index + 1;
        continue;
      }
      current.push(part);
      length += part.length + 1;
    }
  });
  flush(0);
  return pieces.length > 0 ? pieces : [{ text: "", line: Math.max(1, firstLine - 1) }];
}

function paragraphLength(lines: string[], from: number): number {
  let length = 0;
  for (let index = from; index < lines.length && lines[index]?.trim() !== ""; index++) {
    length += (lines[index]?.length ?? 0) + 1;
  }
  return length;
}

/** A line in pieces of at most that many characters, between words where there are any. */
function wordsUpTo(line: string, chars: number): string[] {
  const parts: string[] = [];
  let rest = line;
  while (rest.length > chars) {
    const space = rest.lastIndexOf(" ", chars);
    const end = space > 0 ? space : chars;
    parts.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...parts, rest];
}
