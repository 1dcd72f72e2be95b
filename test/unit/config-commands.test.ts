import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkFleet } from "../../cli/config";
import { projectRoot } from "../../cli/workspace";
import { jsonSchema, SCHEMA_NAMES } from "../../stacks/fleet/json-schema";
import { differencesOf } from "../../stacks/fleet/leaves";
import { writeFleet } from "../support/fleet-folder";

const CLI = join(projectRoot, "dist", "cli", "main.js");

/** A fleet with every kind of layer. */
const FILES = {
  "fleet.yaml": {
    clusters: [
      { id: "eu", region: "eu-west", context: "eu" },
      { id: "us", region: "us-east", context: "us" },
    ],
    tenants: [{ id: "acme" }],
    environments: [{ id: "prod", stacks: "cell" }],
    cells: [
      { environment: "prod", clusters: ["eu"], tenants: ["acme"] },
      { environment: "dev", clusters: ["us"] },
    ],
  },
  "overlays/base.yaml": "retain: true\ntenancy:\n  quota:\n    pods: 10\n",
  "overlays/environment/prod.yaml": "tenancy:\n  quota:\n    pods: 20\n    requestsCpu: '4'\n",
  "overlays/tenant/acme.yaml": "tenancy:\n  appTeamGroups: [acme-developers, 'true']\nnamespace: agents\n",
  "Pulumi.eu-acme.yaml": "config:\n  clawfleet:cell:\n    retain: false\n",
};

describe("clawfleet's commands for the fleet's files", () => {
  let folder: string;
  let dispose: () => void;
  before(() => {
    ({ folder, dispose } = writeFleet(FILES));
  });
  after(() => {
    dispose();
  });
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [CLI, ...args, "--folder", folder], { encoding: "utf8" });

  it("show a cell's settings, with the file and line of each", () => {
    const settings = {
      retain: false,
      tenancy: { quota: { pods: 20, requestsCpu: "4" }, appTeamGroups: ["acme-developers", "true"] },
      namespace: "agents",
    };
    assert.deepEqual(parse(run("config", "show", "eu-acme")), settings);
    const annotated = run("config", "show", "eu-acme", "--origin");
    assert.deepEqual(parse(annotated), settings);
    assert.equal(
      annotated,
      [
        "retain: false # Pulumi.eu-acme.yaml:3",
        "tenancy:",
        "  quota:",
        "    pods: 20 # overlays/environment/prod.yaml:3",
        '    requestsCpu: "4" # overlays/environment/prod.yaml:4',
        '  appTeamGroups: [acme-developers, "true"] # overlays/tenant/acme.yaml:2',
        "namespace: agents # overlays/tenant/acme.yaml:3",
        "",
      ].join("\n"),
    );
    assert.deepEqual((JSON.parse(run("config", "show", "eu-acme", "--origin", "--json")) as unknown[])[1], {
      path: "tenancy.quota.pods",
      value: 20,
      origin: "overlays/environment/prod.yaml:3",
    });
  });

  it("show what differs between cells, and between environments", () => {
    assert.equal(
      run("config", "diff", "us", "eu-acme"),
      [
        '+ namespace: "agents"',
        "~ retain: true -> false",
        '+ tenancy.appTeamGroups: ["acme-developers","true"]',
        "~ tenancy.quota.pods: 10 -> 20",
        '+ tenancy.quota.requestsCpu: "4"',
        "",
      ].join("\n"),
    );
    assert.deepEqual(JSON.parse(run("config", "diff", "prod", "dev", "--json")), [
      { path: "tenancy.quota.pods", from: 20, to: 10 },
      { path: "tenancy.quota.requestsCpu", from: "4" },
    ]);
  });

  it("list the stacks with their cells", () => {
    assert.deepEqual(JSON.parse(run("stacks", "list", "--json")), [
      { name: "eu-acme", cells: [{ id: "eu-acme" }] },
      { name: "dev", cells: [{ id: "us" }] },
    ]);
  });

  it("end with the error's code, and name what may be meant", () => {
    const { status, stderr } = spawnSync(process.execPath, [CLI, "config", "show", "eu-acm", "--folder", folder], {
      encoding: "utf8",
    });
    assert.equal(status, 3);
    assert.match(stderr, /there is no cell eu-acm\n {2}Fix: did you mean eu-acme\?/);
  });

  it("end with 2 when a check finds something", () => {
    const bad = writeFleet({ ...FILES, "overlays/base.yaml": "retained: true\n" });
    try {
      const { status, stdout } = spawnSync(process.execPath, [CLI, "config", "check", "--folder", bad.folder], {
        encoding: "utf8",
      });
      assert.equal(status, 2);
      assert.equal(stdout, "overlays/base.yaml:1: retained: unknown key; did you mean retain?\n\nproblems: 1\n");
    } finally {
      bad.dispose();
    }
  });
});

describe("a check of a fleet", () => {
  function problemsOf(files: Record<string, unknown>): string[] {
    const { folder, dispose } = writeFleet({ ...FILES, ...files });
    try {
      return checkFleet(folder).problems;
    } finally {
      dispose();
    }
  }

  it("finds nothing in one that is right, nor in ours", () => {
    assert.deepEqual(problemsOf({}), []);
    assert.deepEqual(checkFleet(join(projectRoot, "stacks")).problems, []);
  });

  it("names all that is wrong, in whatever file, once", () => {
    assert.deepEqual(
      problemsOf({
        "overlays/base.yaml": "retain: 1\nnamespace: Agents\n",
        "overlays/cluster/us.yaml": "entry:\n  ingress: {}\n",
        "overlays/region/eu-wets.yaml": "vault:\n  enabld: true\n",
        "overlays/tenants/acme.yaml": "{}",
        "Pulumi.dev.yaml": "config:\n  clawfleet:cells: [uss]\n",
      }),
      [
        "overlays/base.yaml:1: retain: Invalid input: expected boolean, received number",
        "overlays/base.yaml:2: namespace: use at most 63 lower-case letters, digits and hyphens",
        "overlays/region/eu-wets.yaml: belongs to no region of the fleet; did you mean eu-west.yaml?",
        "overlays/region/eu-wets.yaml:2: vault.enabld: unknown key; did you mean enabled?",
        "overlays/tenants: is no kind of overlay; there are environment, region, tenant, cluster and base.yaml",
        "Pulumi.dev.yaml: clawfleet:cells: there is no cell uss; did you mean us?",
      ],
    );
  });

  it("names every problem of the inventory", () => {
    const fleet = FILES["fleet.yaml"];
    const cells = [
      { environment: "dev", clusters: ["euu", "us"], tenants: ["acmee"] },
      { environment: "dev", clusters: ["usa"] },
    ];
    assert.deepEqual(problemsOf({ "fleet.yaml": { ...fleet, tenants: [{ id: "acme" }, { id: "acme" }], cells } }), [
      "fleet.yaml:10: acme is listed twice; give each an id of its own",
      "fleet.yaml:17: euu is not among the clusters; did you mean eu?",
      "fleet.yaml:20: acmee is not among the tenants; did you mean acme?",
      "fleet.yaml:23: usa is not among the clusters; did you mean us?",
    ]);
  });

  it("tells what only the whole of a cell shows, with the cell", () => {
    assert.deepEqual(problemsOf({ "overlays/cluster/us.yaml": "entry:\n  ingress: {}\n" }), [
      "cell us: overlays/cluster/us.yaml:1: entry.host: is missing: expected string",
    ]);
  });

  it("finds a cell that no stack has", () => {
    const cells = [{ environment: "dev", clusters: ["us", "eu"] }];
    assert.deepEqual(
      problemsOf({
        "fleet.yaml": { ...FILES["fleet.yaml"], tenants: [], cells },
        "overlays/tenant/acme.yaml": undefined,
        "overlays/environment/prod.yaml": undefined,
        "Pulumi.dev.yaml": "config:\n  clawfleet:cells: [us]\n",
      }),
      ["fleet.yaml: the cell eu is in no stack; list it below clawfleet:cells of one"],
    );
  });
});

describe("differences", () => {
  it("are none between equal settings, and see what is beneath an empty map", () => {
    assert.deepEqual(differencesOf({ a: { b: [1] } }, { a: { b: [1] } }), []);
    assert.deepEqual(differencesOf({ a: {} }, { a: { b: null } }), [
      { path: "a", from: {}, to: undefined },
      { path: "a.b", from: undefined, to: null },
    ]);
  });
});

describe("the JSON Schemas", () => {
  for (const name of SCHEMA_NAMES) {
    it(`of the ${name} is checked in as it is`, () => {
      const file = join(projectRoot, "stacks", "schemas", `${name}.schema.json`);
      assert.equal(readFileSync(file, "utf8"), jsonSchema(name), "it is out of date: run `npm run schema`");
    });
  }

  it("describes the options by their docstrings", () => {
    const { properties } = JSON.parse(jsonSchema("overlay")) as {
      properties: Record<string, { description: string }>;
    };
    assert.match(properties.gateway?.description ?? "", /OpenClaw gateway/);
    for (const [key, { description }] of Object.entries(properties)) assert.ok(description, key);
  });
});

describe("the completion", () => {
  const script = (shell: string) => execFileSync(process.execPath, [CLI, "completion", shell], { encoding: "utf8" });

  it("completes commands and options in bash", function () {
    const bash = script("bash");
    const complete = (...words: string[]) =>
      execFileSync(
        "bash",
        [
          "-c",
          `${bash}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _clawfleet; echo "\${COMPREPLY[*]}"`,
          "-",
          ...words,
        ],
        { encoding: "utf8" },
      ).trim();
    assert.equal(complete("clawfleet", "conf"), "config");
    assert.equal(complete("clawfleet", "config", "s"), "show schema");
    assert.equal(complete("clawfleet", "config", "show", "dev-eu", "--"), "--folder --json --origin --help");
    assert.equal(complete("clawfleet", "local", "up", "--st"), "--stack");
  });

  it("is there for fish and zsh, and for no other", () => {
    assert.match(
      script("fish"),
      /^complete -c clawfleet -n '__fish_seen_subcommand_from config; and not .*' -f -a show -d 'show the settings/m,
    );
    assert.match(script("zsh"), /^#compdef clawfleet\n.*bashcompinit/);
    const { status, stderr } = spawnSync(process.execPath, [CLI, "completion", "tcsh"], { encoding: "utf8" });
    assert.equal(status, 2);
    assert.match(stderr, /use one of: bash, zsh, fish/);
  });
});

describe("docs/cli.md", () => {
  const text = readFileSync(join(projectRoot, "docs", "cli.md"), "utf8");
  const help = (...args: string[]) => execFileSync(process.execPath, [CLI, ...args, "--help"], { encoding: "utf8" });
  const commandsIn = (output: string) =>
    [...output.slice(output.indexOf("Commands:")).matchAll(/^ {2}([a-z-]+)/gm)].flatMap(([, name = ""]) =>
      name === "help" ? [] : [name],
    );

  it("has every command and every exit code", () => {
    const output = help();
    for (const name of commandsIn(output)) {
      const inner = ["local", "config", "stacks", "emit"].includes(name) ? commandsIn(help(name)) : [];
      const commands = inner.length === 0 ? [name] : inner.map((child) => `${name} ${child}`);
      for (const command of commands) assert.match(text, new RegExp(`\\| \`clawfleet ${command}[ \`]`), command);
    }
    const codes = [...(output.split("Exit codes:")[1] ?? "").matchAll(/(\d+) ([A-Z]\w+)/g)];
    assert.equal(codes.length, 10);
    for (const [, code, type] of codes) assert.match(text, new RegExp(`\\| ${code ?? ""} +\\| ${type ?? ""} `));
  });
});
