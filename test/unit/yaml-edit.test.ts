import assert from "node:assert/strict";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { ValidationFailed } from "../../components/errors";
import type { YamlMap } from "../../stacks/fleet/merge";
import { editYaml } from "../../stacks/fleet/yaml-edit";

const TEXT = `# yaml-language-server: $schema=../../schemas/overlay.schema.json
# As prod in what it is made of.

externalSecrets:
    store:   clawfleet-stage   # made by hand


modelProxy:
    # the two Pods count requests together
    cache: {kind: own}
    replicas: 2 # not one
    fallbacks:
    - chat
    - 'other'
gateway:
    image: "old" # pinned
    egress: [ {cidr: 203.0.113.0/24} ]
`;

const changed = (change: (settings: YamlMap) => void, text = TEXT) => {
  const settings = parse(text) as YamlMap;
  change(settings);
  const edited = editYaml(text, settings, "stage.yaml");
  assert.deepEqual(parse(edited), settings);
  const before = text.split("\n");
  return edited.split("\n").filter((line) => !before.includes(line));
};
const part = (settings: YamlMap, name: string) => settings[name] as YamlMap;

describe("an edit of a YAML file", () => {
  it("changes the lines of what changes, and no other", () => {
    assert.deepEqual(
      changed((settings) => (part(settings, "gateway").image = "new")),
      ['    image: "new" # pinned'],
    );
    assert.deepEqual(
      changed((settings) => {
        part(settings, "modelProxy").retries = 3;
        part(settings, "modelProxy").replicas = 3;
      }),
      ["    replicas: 3 # not one", "    retries: 3"],
    );
  });

  it("adds texts of several lines as such, and maps as lines", () => {
    assert.deepEqual(
      changed((settings) => (part(settings, "gateway").files = { "AGENTS.md": "# Who\n\nYou.\n" })),
      ["    files:", "        AGENTS.md: |", "            # Who", "            You."],
    );
    assert.deepEqual(
      changed((settings) => (settings.browser = { image: "b" }), "browser: {} # small\n"),
      ["browser:", "  # small", "  image: b"],
    );
  });

  it("takes away what goes, with the comment behind it", () => {
    const edited = editYaml(TEXT, { ...(parse(TEXT) as YamlMap), gateway: { egress: [] } }, "stage.yaml");
    assert.equal(edited, TEXT.slice(0, TEXT.indexOf("gateway:")) + "gateway:\n    egress: []\n");
  });

  it("leaves a file as it is when nothing changes, and writes one that was empty or all comments", () => {
    assert.equal(editYaml(TEXT, parse(TEXT) as YamlMap, "stage.yaml"), TEXT);
    assert.equal(editYaml("", { gateway: { image: "a" } }, "stage.yaml"), "gateway:\n  image: a\n");
    assert.equal(editYaml("# Stage.\n", { retain: true }, "stage.yaml"), "# Stage.\n\nretain: true\n");
  });

  it("refuses to change what is said by an alias", () => {
    const text = "a: &a { x: 1 }\nb: *a\n";
    const wanted: YamlMap[] = [{ a: { x: 1 }, b: { x: 2 } }, { a: { x: 2 }, b: { x: 1 } }, { b: { x: 1 } }];
    for (const settings of wanted)
      assert.throws(
        () => editYaml(text, settings, "stage.yaml"),
        (error: Error) => {
          assert.ok(error instanceof ValidationFailed);
          assert.match(error.message, /^stage\.yaml: .*alias.*\n {2}Fix: write the aliases out$/);
          return true;
        },
      );
  });

  it("keeps lines in a style that printing does not know when what goes has more than one empty line before it", () => {
    const rest = "b:\n    x:\n      - b\n    y: a\n";
    assert.equal(editYaml(`${rest}\n\n# about a\na: a\n`, { b: { x: ["b"], y: "a" } }, "stage.yaml"), rest);
  });

  it("keeps every block that does not change, byte by byte, whatever its style", () => {
    const value = fc.oneof(
      fc.integer(),
      fc.constantFrom("a", "true", "a: b", "two\nlines\n", ""),
      fc.array(fc.integer(), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom<unknown>(1, "a", ["b"]), { noNullPrototype: true }),
    );
    const settings = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), value, { noNullPrototype: true });
    const style = fc.record({
      indent: fc.constantFrom(2, 4),
      indentSeq: fc.boolean(),
      flowCollectionPadding: fc.boolean(),
      blankLines: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(settings, settings, style, (from, to, { blankLines, ...options }) => {
        const block = (key: string) =>
          `# about ${key}\n${stringify({ [key]: from[key] }, { ...options, aliasDuplicateObjects: false })}`;
        const text = Object.keys(from).map(block).join("\n".repeat(blankLines));
        const edited = editYaml(text, to as YamlMap, "stage.yaml");
        assert.deepEqual(parse(edited) ?? {}, to);
        for (const key of Object.keys(from))
          if (JSON.stringify(from[key]) === JSON.stringify(to[key])) assert.ok(edited.includes(block(key)), edited);
      }),
      { numRuns: 500 },
    );
  });
});
