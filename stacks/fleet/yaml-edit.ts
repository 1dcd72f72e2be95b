import { applyPatch, structuredPatch } from "diff";
import { isDeepStrictEqual } from "node:util";
import {
  isCollection,
  isMap as isYamlMap,
  isScalar,
  parseDocument,
  type Document,
  type Node,
  type ToStringOptions,
} from "../../components/yaml";
import { ValidationFailed } from "../../components/errors";
import { child } from "./leaves";
import { isMap, type YamlMap } from "./merge";
import { parseYaml } from "./yaml-file";

/**
 * The text of a YAML file with other settings: comments, order and every line that says nothing else stay as they are,
 * but for empty lines beyond the first where what is around them goes.
 * @param name what messages call the file.
 * @throws ValidationFailed for a text that is no YAML, and for one with anchors where a change would reach further.
 */
export function editYaml(text: string, settings: YamlMap, name: string): string {
  const said = parseYaml(text, name).value ?? {};
  if (isDeepStrictEqual(said, settings)) return text;
  const document = parseDocument(text);
  const style = styleOf(text);
  const before = document.toString(style);
  let after: string;
  try {
    change(document, [], isMap(said) ? said : {}, settings);
    after = document.toString(style);
    // An anchor that others refer to takes them along.
    if (!isDeepStrictEqual(parseYaml(after, name).value ?? {}, settings)) throw new Error("a change reached further");
  } catch (error) {
    throw new ValidationFailed(
      {
        what: "what is to change is said by an alias, or has an anchor that others refer to",
        where: name,
        fix: "write the aliases out",
      },
      { cause: error },
    );
  }
  // Printing leaves one of several empty lines, where the change may not find its place for them.
  for (const own of new Set([text, text.replace(/\n{3,}/g, "\n\n")])) {
    const edited = withOwnLines(own, before, after);
    if (edited !== undefined && isDeepStrictEqual(valueOf(edited, name), settings)) return edited;
  }
  return after;
}

function change(document: Document, path: readonly string[], from: YamlMap, to: YamlMap): void {
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const at = [...path, key];
    const [before, after] = [child(from, key), child(to, key)];
    if (isDeepStrictEqual(before, after)) continue;
    if (after === undefined) document.deleteIn(at);
    else if (isMap(before) && isMap(after) && Object.keys(after).length > 0) change(document, at, before, after);
    else {
      makeRoom(path.length === 0 ? document.contents : document.getIn(path, true));
      const old = document.getIn(at, true);
      const isPlain = isScalar(old) && (typeof after !== "object" || after === null);
      document.setIn(
        at,
        isPlain ? after : replacing(old, document.createNode(after, { aliasDuplicateObjects: false })),
      );
    }
  }
}

/** `{}` was to say that there is nothing; with something in it, it reads better as lines. */
function makeRoom(map: unknown): void {
  if (!isYamlMap(map) || map.items.length > 0) return;
  map.flow = false;
  map.commentBefore = [map.commentBefore, map.comment].filter((text) => text).join("\n") || null;
  map.comment = null;
}

/** A list or a map in the place of another, in the same style and with the comment behind it. */
function replacing(old: unknown, node: Node): Node {
  if (!isCollection(old) || !isCollection(node)) return node;
  node.flow = old.flow;
  node.comment = old.flow === true ? old.comment : undefined;
  return node;
}

/** The lines of the edited text, but those that only the printing changed as they were. */
function withOwnLines(text: string, before: string, after: string): string | undefined {
  const patch = structuredPatch("", "", before, after, undefined, undefined, { context: 1 });
  const squeezed = (line: string | undefined) => line?.replace(/\s+/g, "");
  const edited = applyPatch(text, patch, {
    compareLine: (_, line: string | undefined, __, expected) => squeezed(line) === squeezed(expected),
  });
  return edited === false ? undefined : edited;
}

/** How a text is indented, as far as it shows. */
function styleOf(text: string): ToStringOptions {
  const indent = /^( +)[^\s#-]/m.exec(text)?.[1]?.length ?? 2;
  return { lineWidth: 0, indent, indentSeq: !/^( *)[^\s#-][^\n]*:[ \t]*\n\1- /m.test(text) };
}

function valueOf(text: string, name: string): unknown {
  try {
    return parseYaml(text, name).value ?? {};
  } catch (error) {
    if (error instanceof ValidationFailed) return undefined;
    throw error;
  }
}
