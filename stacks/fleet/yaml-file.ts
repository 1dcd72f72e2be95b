import { readFileSync } from "node:fs";
import {
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Alias,
  type Document,
} from "../../components/yaml";
import { NotFound, ValidationFailed } from "../../components/errors";
import type { Locate } from "./problems";

/** A YAML file with where things stand in it. */
export interface YamlFile {
  /** As it was asked for, for messages. */
  file: string;
  value: unknown;
  /** The line, from 1, of the key or item at a path; of the nearest one above it where it does not exist. */
  lineOf: (path: readonly PropertyKey[]) => number;
}

/**
 * Reads a YAML file that holds one document.
 * @param file the path; `name` is what messages call it.
 * @throws NotFound when it is missing; ValidationFailed with the line for what is no YAML, for a key that is there
 * twice, and for several documents in one file.
 */
export function readYaml(file: string, name: string = file): YamlFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new NotFound({ what: `cannot be read (${code})`, where: name, fix: "create it, or correct its name" });
  }
  return parseYaml(text, name);
}

/** The same for a text. */
export function parseYaml(text: string, name: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new ValidationFailed({
      what: problem.code === "MULTIPLE_DOCS" ? "a second document begins here" : problem.message,
      where: `${name}:${String(lines.linePos(problem.pos[0]).line)}`,
      fix: problem.code === "MULTIPLE_DOCS" ? "write one document in a file" : "correct the YAML",
    });
  }
  return { file: name, value: valueOf(document, lines, name), lineOf: (path) => lineOf(document, lines, path) };
}

/**
 * Says where in a file a path stands.
 * @param below the path in the file that paths begin at.
 */
export function locateIn({ file, lineOf }: YamlFile, below: readonly PropertyKey[] = []): Locate {
  return (path) => `${file}:${String(lineOf([...below, ...path]))}`;
}

function valueOf(document: Document, lines: LineCounter, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    let alias: Alias | undefined;
    visit(document, {
      Alias: (_, node) => {
        // The one that means nothing, or else the last: it is there that there were too many.
        alias = node;
        return node.resolve(document) === undefined ? visit.BREAK : undefined;
      },
    });
    const what = error instanceof Error ? error.message : String(error);
    const line = lines.linePos(alias?.range?.[0] ?? 0).line;
    throw new ValidationFailed({ what, where: `${name}:${String(line)}`, fix: "write the aliases out" });
  }
}

function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!isPair(pair)) break;
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = (node as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}
