import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { Environment } from "../../components/environment";
import { FleetError } from "../../components/errors";
import { SecretFrom } from "../../components/secrets";
import { cellArgs } from "../../stacks/cell-args";
import { cellsOf, type Cell } from "../../stacks/config";
import { writeFleet } from "../support/fleet-folder";

const CLUSTER = { id: "eu", region: "eu-west", context: "eu" };
const FLEET = { clusters: [CLUSTER], cells: [{ environment: "dev", clusters: ["eu"] }] };

/** The cells of stack dev, of a fleet with these files beside fleet.yaml. */
function cellsWith(
  files: Record<string, unknown>,
  fleet: object = FLEET,
  values: Record<string, unknown> = {},
): Cell[] {
  const { folder, dispose } = writeFleet({ "fleet.yaml": fleet, ...files });
  try {
    return cellsOf("dev", values, folder);
  } finally {
    dispose();
  }
}
const withCell = (cell: object) => cellsWith({ "overlays/base.yaml": cell });

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof FleetError, String(error));
    assert.match(error.message, /Fix: /);
    return error.message;
  }
  return assert.fail("nothing was thrown");
}

describe("the cells of a stack", () => {
  it("are, of dev, one on each of two embedded clusters", () => {
    const cells = cellsOf("dev", {}, join(__dirname, "../../../stacks"));
    assert.deepEqual(
      cells.map(({ id, environment, cluster }) => [id, environment, cluster.embedded]),
      [
        ["dev-eu", Environment.Dev, true],
        ["dev-us", Environment.Dev, true],
      ],
    );
  });

  describe("an unknown key", () => {
    const unknown: [string, () => unknown, RegExp][] = [
      [
        "of the inventory",
        () => cellsWith({}, { ...FLEET, cluster: [] }),
        /^fleet\.yaml:\d+: cluster: unknown key; did you mean clusters\?/,
      ],
      [
        "of a cluster in the list",
        () => cellsWith({}, { ...FLEET, clusters: [CLUSTER, { ...CLUSTER, id: "us", contxt: "us" }] }),
        /^fleet\.yaml:8: clusters\[1\]\.contxt: unknown key; did you mean context\?/,
      ],
      [
        "of the stack's own settings",
        () => cellsWith({}, FLEET, { cels: ["eu"] }),
        /^Pulumi\.dev\.yaml: clawfleet: cels: unknown key; did you mean cells\?/,
      ],
      [
        "of the stack's own layer",
        () => cellsWith({}, FLEET, { cell: { gateway: { imagee: "x" } } }),
        /^Pulumi\.dev\.yaml: clawfleet:cell: gateway\.imagee: unknown key; did you mean image\?/,
      ],
      [
        "of an overlay",
        () => cellsWith({ "overlays/cluster/eu.yaml": { gateway: { imagee: "x" } } }),
        /^overlays\/cluster\/eu\.yaml:2: gateway\.imagee: unknown key; did you mean image\?/,
      ],
      [
        "deep in the gateway's options",
        () => withCell({ gateway: { openclaw: { controlUi: { allowUser: ["a"] } } } }),
        /^overlays\/base\.yaml:4: gateway\.openclaw\.controlUi\.allowUser: unknown key; did you mean allowUsers\?/,
      ],
      [
        "of a map's value",
        () => withCell({ gateway: { providerKeys: { litellm: { configkey: "x" } } } }),
        /gateway\.providerKeys\.litellm\.configkey: unknown key; did you mean configKey\?/,
      ],
      [
        "of an object in a list in a map's value",
        () =>
          withCell({
            gateway: {
              openclaw: { models: { providers: { p: { baseUrl: "http://p", models: [{ id: "m", inputs: [] }] } } } },
            },
          }),
        /gateway\.openclaw\.models\.providers\.p\.models\[0\]\.inputs: unknown key; did you mean input\?/,
      ],
      [
        "that resembles none",
        () => withCell({ vault: { somethingElse: 1 } }),
        /vault\.somethingElse: unknown key; known keys: enabled, gitSync, volume/,
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
          assert.ok(messageOf(() => withCell(cell)).includes(`: ${[...path, key].join(".")}: unknown key`));
        }),
        { numRuns: 50 },
      );
    });
  });

  it("names every problem at once", () => {
    const message = messageOf(() =>
      cellsWith({}, { clusters: [{ ...CLUSTER, id: "EU" }], cells: [{ environment: "test", clusters: [] }] }),
    );
    assert.match(message, /fleet\.yaml:2: clusters\[0\]\.id: use at most 32 lower-case letters/);
    assert.match(message, /fleet\.yaml:6: cells\[0\]\.environment: .*"dev"\|"stage"\|"prod"/);
  });

  const wrong: [string, object, RegExp][] = [
    ["a number for a text", { gateway: { image: 1 } }, /gateway\.image: .*expected string/],
    ["a text for a number", { gateway: { terminationGracePeriodSeconds: "345" } }, /expected number/],
    ["a fraction", { tenancy: { quota: { pods: 1.5 } } }, /tenancy\.quota\.pods: .*expected int/],
    [
      "a range that is none",
      { gateway: { egress: [{ cidr: "10.0.0.0" }] } },
      /egress\[0\]\.cidr: write an address range/,
    ],
    ["a port that is none", { gateway: { egress: [{ cidr: "10.0.0.0/8", ports: [0] }] } }, /egress\[0\]\.ports\[0\]/],
    ["a namespace that is none", { namespace: "Agents" }, /namespace: use at most 63 lower-case letters/],
    [
      "a preset that is none",
      { entry: { host: "a.example.com", ingress: { preset: "haproxy" } } },
      /preset: .*"nginx"/,
    ],
    ["a missing host", { entry: { ingress: {} } }, /cell eu: overlays\/base\.yaml:1: entry\.host: .*expected string/],
  ];
  for (const [what, cell, message] of wrong) {
    it(`refuses ${what}`, () =>
      assert.match(
        messageOf(() => withCell(cell)),
        message,
      ));
  }

  const wrongFleets: [string, object, RegExp][] = [
    ["no cluster", { ...FLEET, clusters: [] }, /clusters: /],
    [
      "a region that is no label",
      { ...FLEET, clusters: [{ ...CLUSTER, region: "eu west" }] },
      /region: use at most 63/,
    ],
    ["the same cluster twice", { ...FLEET, clusters: [CLUSTER, CLUSTER] }, /fleet\.yaml:\d+: eu is listed twice/],
    [
      "an embedded cluster with a context",
      { ...FLEET, clusters: [{ ...CLUSTER, embedded: true }] },
      /clusters\[0\]: is reached in one way, not by embedded and by kubeconfig and context/,
    ],
    [
      "a server without credentials",
      { ...FLEET, clusters: [{ id: "eu", region: "eu", server: "https://203.0.113.1" }] },
      /server and exec go together/,
    ],
    [
      "a cell on a cluster that does not exist",
      { ...FLEET, cells: [{ environment: "dev", clusters: ["euu"] }] },
      /fleet\.yaml:8: euu is not among the clusters[^]*did you mean eu\?/,
    ],
    [
      "labels that no cluster has",
      { ...FLEET, cells: [{ environment: "dev", clusters: { matchLabels: { tier: "x" } } }] },
      /no one of the clusters has these labels/,
    ],
    [
      "a cell twice",
      { ...FLEET, cells: [...FLEET.cells, { environment: "stage", clusters: ["eu"] }] },
      /the cell eu is there twice/,
    ],
    [
      "a tenant that does not exist",
      { ...FLEET, cells: [{ environment: "dev", clusters: ["eu"], tenants: ["acme"] }] },
      /acme is not among the tenants/,
    ],
  ];
  for (const [what, fleet, message] of wrongFleets) {
    it(`refuses ${what}`, () =>
      assert.match(
        messageOf(() => cellsWith({}, fleet)),
        message,
      ));
  }

  it("are where all labels of a selector are, the region among them", () => {
    const tier = (id: string, region: string, value: string) => ({ id, region, context: id, labels: { tier: value } });
    const clusters = [tier("eu-1", "eu", "small"), tier("eu-2", "eu", "large"), tier("us-1", "us", "large")];
    const tenants = ["acme", "globex", "initech"].map((id, index) => ({
      id,
      labels: { plan: index < 2 ? "paid" : "" },
    }));
    const ids = (selected: object) =>
      cellsWith({}, { clusters, tenants, cells: [{ environment: "dev", ...selected }] }).map(({ id }) => id);
    assert.deepEqual(ids({ clusters: { matchLabels: { tier: "large" } } }), ["eu-2", "us-1"]);
    assert.deepEqual(ids({ clusters: { matchLabels: { tier: "large", region: "eu" } } }), ["eu-2"]);
    assert.deepEqual(ids({ clusters: ["us-1"], tenants: { matchLabels: { plan: "paid" } } }), [
      "us-1-acme",
      "us-1-globex",
    ]);
    const [cell] = cellsWith(
      {},
      { clusters, tenants, cells: [{ environment: "dev", clusters: ["eu-1"], tenants: ["acme"] }] },
    );
    assert.deepEqual(cell?.labels, {
      tier: "small",
      plan: "paid",
      environment: "dev",
      region: "eu",
      tenant: "acme",
      cluster: "eu-1",
    });
  });

  it("share a cluster in namespaces of their own alone", () => {
    const fleet = {
      clusters: [CLUSTER],
      tenants: [{ id: "acme" }, { id: "globex" }],
      cells: [{ environment: "dev", clusters: ["eu"], tenants: ["acme", "globex"] }],
    };
    assert.equal(cellsWith({}, fleet).length, 2);
    const message = messageOf(() => cellsWith({ "overlays/base.yaml": { namespace: "agents" } }, fleet));
    assert.match(message, /cell eu-globex: overlays\/base\.yaml:1: namespace: agents is eu-acme's on the cluster eu/);
  });

  it("come from the layers: base, environment, region, tenant, cluster, the stack", () => {
    const fleet = {
      clusters: [CLUSTER, { id: "us", region: "us-east" }],
      tenants: [{ id: "acme" }, { id: "globex" }],
      cells: [{ environment: "dev", clusters: ["eu", "us"], tenants: ["acme", "globex"] }],
    };
    const quota = (pods: number) => ({ tenancy: { quota: { pods } } });
    const layers = {
      "overlays/base.yaml": { ...quota(1), retain: true },
      "overlays/environment/dev.yaml": quota(2),
      "overlays/region/eu-west.yaml": quota(3),
      "overlays/tenant/acme.yaml": quota(4),
      "overlays/cluster/us.yaml": { ...quota(5), retain: null },
    };
    const pods = (values: Record<string, unknown>) =>
      cellsWith(layers, fleet, values).map(({ id, config }) => [id, config.tenancy?.quota?.pods, config.retain]);
    assert.deepEqual(pods({}), [
      ["eu-acme", 4, true],
      ["eu-globex", 3, true],
      ["us-acme", 5, undefined],
      ["us-globex", 5, undefined],
    ]);
    assert.deepEqual(pods({ cell: quota(6), cells: ["us-acme"] }), [["us-acme", 6, undefined]]);
  });
});

describe("the args of a cell", () => {
  const cell = (config: Cell["config"]): Cell => ({
    id: "eu-acme",
    environment: Environment.Dev,
    cluster: { id: "eu", region: "eu-west" },
    tenant: "acme",
    labels: {},
    config,
  });
  const args = (config: Cell["config"]) => cellArgs(cell(config), ["10.42.0.0/16"], (key) => `value of ${key}`);

  it("are the config's, with the place of the cluster", () => {
    assert.deepEqual(args({ gateway: { state: { size: "20Gi" } }, vault: { enabled: false } }), {
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
