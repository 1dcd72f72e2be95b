import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "yaml";
import { Environment } from "../../components/environment";
import { SecretFrom } from "../../components/secrets";
import { cellArgs } from "../../stacks/cell-args";
import { cellsOf, parseStackConfig, type Cell } from "../../stacks/config";

const CLUSTER = { id: "eu", region: "eu-west", context: "eu" };
const parseConfig = (values: Record<string, unknown>) => parseStackConfig(values, "Pulumi.dev.yaml");
const withCell = (cell: object) => parseConfig({ environment: "dev", clusters: [CLUSTER], cell });

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.match(error.message, /^Pulumi\.dev\.yaml/);
    assert.match(error.message, /Fix: /);
    return error.message;
  }
  return assert.fail("nothing was refused");
}

describe("the config of a stack", () => {
  it("accepts the one of dev", () => {
    const file = join(__dirname, "../../../stacks/Pulumi.dev.yaml");
    const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    const values = Object.fromEntries(Object.entries(config).map(([key, value]) => [key.split(":")[1] ?? "", value]));
    const parsed = parseConfig(values);
    assert.equal(parsed.environment, Environment.Dev);
    assert.deepEqual(
      parsed.clusters.map(({ id, embedded }) => [id, embedded]),
      [
        ["dev-eu", true],
        ["dev-us", true],
      ],
    );
  });

  describe("an unknown key", () => {
    const unknown: [string, () => unknown, RegExp][] = [
      [
        "at the top",
        () => parseConfig({ enviroment: "dev", environment: "dev", clusters: [CLUSTER] }),
        /clawfleet:enviroment: unknown key; did you mean environment\?/,
      ],
      [
        "of a cluster in the list",
        () => parseConfig({ environment: "dev", clusters: [CLUSTER, { ...CLUSTER, id: "us", contxt: "us" }] }),
        /clawfleet:clusters\[1\]\.contxt: unknown key; did you mean context\?/,
      ],
      [
        "of a cell within a cluster",
        () => parseConfig({ environment: "dev", clusters: [{ ...CLUSTER, cell: { gateway: { imagee: "x" } } }] }),
        /clawfleet:clusters\[0\]\.cell\.gateway\.imagee: unknown key; did you mean image\?/,
      ],
      [
        "deep in the gateway's options",
        () => withCell({ gateway: { openclaw: { controlUi: { allowUser: ["a"] } } } }),
        /clawfleet:cell\.gateway\.openclaw\.controlUi\.allowUser: unknown key; did you mean allowUsers\?/,
      ],
      [
        "of a map's value",
        () => withCell({ gateway: { providerKeys: { litellm: { configkey: "x" } } } }),
        /clawfleet:cell\.gateway\.providerKeys\.litellm\.configkey: unknown key; did you mean configKey\?/,
      ],
      [
        "of an object in a list in a map's value",
        () =>
          withCell({
            gateway: {
              openclaw: { models: { providers: { p: { baseUrl: "http://p", models: [{ id: "m", inputs: [] }] } } } },
            },
          }),
        /clawfleet:cell\.gateway\.openclaw\.models\.providers\.p\.models\[0\]\.inputs: unknown key; did you mean input\?/,
      ],
      [
        "that resembles none",
        () => withCell({ vault: { somethingElse: 1 } }),
        /clawfleet:cell\.vault\.somethingElse: unknown key; known keys: enabled, gitSync, volume/,
      ],
    ];
    for (const [where, action, message] of unknown) {
      it(`${where} is refused with its path and the nearest name`, () => assert.match(messageOf(action), message));
    }

    it("is refused wherever it is", () => {
      const paths = [
        [],
        ["tenancy"],
        ["tenancy", "quota"],
        ["gateway"],
        ["gateway", "openclaw"],
        ["entry", "tls"],
        ["vault"],
      ];
      fc.assert(
        fc.property(fc.constantFrom(...paths), fc.stringMatching(/^zz[a-z]{1,8}$/), (path, key) => {
          const cell = path.reduceRight<object>((inner, part) => ({ [part]: inner }), { [key]: 1 });
          assert.ok(
            messageOf(() => withCell(cell)).includes(`clawfleet:${["cell", ...path, key].join(".")}: unknown key`),
          );
        }),
        { numRuns: 50 },
      );
    });
  });

  it("names every problem at once", () => {
    const message = messageOf(() =>
      parseConfig({ environment: "test", clusters: [{ ...CLUSTER, id: "EU" }], cell: { retain: "yes" } }),
    );
    assert.match(message, /clawfleet:environment: .*"dev"\|"stage"\|"prod"/);
    assert.match(message, /clawfleet:clusters\[0\]\.id: use at most 32 lower-case letters/);
    assert.match(message, /clawfleet:cell\.retain: .*expected boolean/);
  });

  const wrong: [string, object, RegExp][] = [
    ["a number for a text", { gateway: { image: 1 } }, /cell\.gateway\.image: .*expected string/],
    ["a text for a number", { gateway: { terminationGracePeriodSeconds: "345" } }, /expected number/],
    ["a fraction", { tenancy: { quota: { pods: 1.5 } } }, /cell\.tenancy\.quota\.pods: .*expected int/],
    [
      "a range that is none",
      { gateway: { egress: [{ cidr: "10.0.0.0" }] } },
      /egress\[0\]\.cidr: write an address range/,
    ],
    ["a port that is none", { gateway: { egress: [{ cidr: "10.0.0.0/8", ports: [0] }] } }, /egress\[0\]\.ports\[0\]/],
    ["a namespace that is none", { namespace: "Agents" }, /cell\.namespace: use at most 63 lower-case letters/],
    [
      "a preset that is none",
      { entry: { host: "a.example.com", ingress: { preset: "haproxy" } } },
      /preset: .*"nginx"/,
    ],
    ["a missing host", { entry: { ingress: {} } }, /cell\.entry\.host: .*expected string/],
  ];
  for (const [what, cell, message] of wrong) {
    it(`refuses ${what}`, () =>
      assert.match(
        messageOf(() => withCell(cell)),
        message,
      ));
  }

  it("refuses a stack without cluster, and a region that is no label", () => {
    assert.match(
      messageOf(() => parseConfig({ environment: "dev", clusters: [] })),
      /clusters: list at least one cluster/,
    );
    const clusters = [{ ...CLUSTER, region: "eu west" }];
    assert.match(
      messageOf(() => parseConfig({ environment: "dev", clusters })),
      /clusters\[0\]\.region: use at most 63/,
    );
  });

  it("refuses the same cluster twice", () => {
    const message = messageOf(() =>
      parseConfig({ environment: "dev", clusters: [CLUSTER, { ...CLUSTER, context: "other" }] }),
    );
    assert.match(message, /clawfleet:clusters: the cluster eu is listed twice/);
  });

  it("refuses an embedded cluster that names a context or a kubeconfig", () => {
    for (const more of [{ context: "eu" }, { kubeconfig: "~/.kube/config" }]) {
      const clusters = [{ id: "eu", region: "eu", embedded: true, ...more }];
      assert.match(
        messageOf(() => parseConfig({ environment: "dev", clusters })),
        /clusters\[0\]: an embedded cluster has no kubeconfig and no context/,
      );
    }
  });

  describe("precedence", () => {
    it("lets a cluster win over the stack: maps merge, all else is replaced", () => {
      const cells = cellsOf(
        parseConfig({
          environment: "dev",
          clusters: [
            {
              ...CLUSTER,
              cell: {
                tenant: "acme",
                gateway: { egress: [{ cidr: "203.0.113.0/24" }], resources: { limitsMemory: "4Gi" } },
              },
            },
            { ...CLUSTER, id: "us" },
          ],
          cell: {
            gateway: { egress: [{ cidr: "0.0.0.0/0" }], resources: { limitsMemory: "2Gi", limitsCpu: "4" } },
            vault: { enabled: false },
          },
        }),
      );
      assert.deepEqual(
        cells.map(({ id, config }) => [id, config]),
        [
          [
            "eu",
            {
              tenant: "acme",
              gateway: { egress: [{ cidr: "203.0.113.0/24" }], resources: { limitsMemory: "4Gi", limitsCpu: "4" } },
              vault: { enabled: false },
            },
          ],
          [
            "us",
            {
              gateway: { egress: [{ cidr: "0.0.0.0/0" }], resources: { limitsMemory: "2Gi", limitsCpu: "4" } },
              vault: { enabled: false },
            },
          ],
        ],
      );
    });
  });
});

describe("the args of a cell", () => {
  const cell = (config: Cell["config"]): Cell => ({ id: "eu", cluster: { id: "eu", region: "eu-west" }, config });
  const args = (config: Cell["config"]) =>
    cellArgs(cell(config), Environment.Dev, ["10.42.0.0/16"], (key) => `value of ${key}`);

  it("are the config's, with the place of the cluster", () => {
    assert.deepEqual(args({ tenant: "acme", gateway: { state: { size: "20Gi" } }, vault: { enabled: false } }), {
      environment: "dev",
      region: "eu-west",
      tenant: "acme",
      podCidrs: ["10.42.0.0/16"],
      gateway: { state: { size: "20Gi" } },
      vault: { enabled: false },
    });
  });

  it("look up each secret by its key", () => {
    const value = (configKey: string) => ({ from: SecretFrom.Value, configKey });
    const { gateway, vault } = args({
      gateway: {
        token: { ...value("token"), version: 3 },
        providerKeys: { litellm: value("litellm"), other: { from: SecretFrom.Existing, existingName: "mine" } },
      },
      vault: { gitSync: { repository: "https://git.example.com/v.git", credential: value("git"), egress: [] } },
    });
    assert.deepEqual(gateway?.token, { from: "value", version: 3, value: "value of token" });
    assert.deepEqual(gateway?.providerKeys, {
      litellm: { from: "value", value: "value of litellm" },
      other: { from: "existing", existingName: "mine" },
    });
    assert.deepEqual(vault?.gitSync?.credential, { from: "value", value: "value of git" });
  });

  it("refuse a secret whose value is nowhere, or somewhere without being asked for", () => {
    assert.throws(
      () => args({ gateway: { token: { from: SecretFrom.Value } } }),
      /cell\.gateway\.token: from is value, and no configKey says where it is[^]*Fix: .*pulumi config set --secret/,
    );
    assert.throws(
      () => args({ gateway: { providerKeys: { litellm: { configKey: "litellm" } } } }),
      /cell\.gateway\.providerKeys\.litellm: configKey is given, and from is not value/,
    );
  });
});
