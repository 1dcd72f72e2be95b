import assert from "node:assert/strict";
import { Environment } from "../../components/environment";
import type { FleetCell } from "../../stacks/fleet/inventory";
import { touchedStacks } from "../../stacks/fleet/check/touched";

const cell = (id: string, environment: Environment, region: string, labels = {}): FleetCell => ({
  id,
  environment,
  cluster: { id, region },
  tenant: undefined,
  labels,
});
const EU = cell("prod-eu", Environment.Prod, "eu-west");
const US = cell("prod-us", Environment.Prod, "us-east");
const DEV = cell("dev", Environment.Dev, "eu-west");
const HEAD = new Map([
  ["prod-eu", [EU]],
  ["prod-us", [US]],
  ["dev", [DEV]],
]);

/** What files touch; the fleet is in `stacks`, and the code in the same repository. */
function touched(
  files: string[],
  options: { base?: Map<string, FleetCell[]>; folder?: string; project?: string } = {},
) {
  return touchedStacks({
    files,
    folder: options.folder ?? "stacks",
    project: "project" in options ? options.project : "",
    layersOf: ({ id, environment, cluster }) => [
      "base",
      `environment/${environment}`,
      `region/${cluster.region}`,
      `cluster/${id}`,
    ],
    base: "base" in options ? options.base : HEAD,
    head: HEAD,
  });
}
const names = (...args: Parameters<typeof touched>) => [...touched(...args).stacks.keys()];

describe("the stacks that a change touches", () => {
  const cases: [file: string, stacks: string[]][] = [
    ["stacks/overlays/base.yaml", ["prod-eu", "prod-us", "dev"]],
    ["stacks/overlays/environment/prod.yaml", ["prod-eu", "prod-us"]],
    ["stacks/overlays/region/eu-west.yaml", ["prod-eu", "dev"]],
    ["stacks/overlays/cluster/prod-us.yaml", ["prod-us"]],
    ["stacks/overlays/environment/stage.yaml", []],
    ["stacks/Pulumi.dev.yaml", ["dev"]],
    ["stacks/Pulumi.nowhere.yaml", []],
    ["elsewhere/overlays/base.yaml", []],
    ["stacks/program.ts", ["prod-eu", "prod-us", "dev"]],
    ["components/gateway.ts", ["prod-eu", "prod-us", "dev"]],
    ["components/images.json", ["prod-eu", "prod-us", "dev"]],
    ["policy/config/prod.json", ["prod-eu", "prod-us", "dev"]],
    ["schema.json", ["prod-eu", "prod-us", "dev"]],
    ["package-lock.json", ["prod-eu", "prod-us", "dev"]],
    ["Pulumi.yaml", ["prod-eu", "prod-us", "dev"]],
    ["test/unit/x.test.ts", []],
    ["docs/cli.md", []],
    ["README.md", []],
    [".github/workflows/check.yml", []],
  ];
  for (const [file, stacks] of cases)
    it(`by ${file}: ${stacks.join(", ") || "none"}`, () => {
      assert.deepEqual(names([file]), stacks);
    });

  it("by the inventory are those with other cells than before", () => {
    const base = new Map([...HEAD, ["prod-us", [cell("prod-us", Environment.Prod, "us-west")]]]);
    const { stacks } = touched(["stacks/fleet.yaml"], { base });
    assert.deepEqual([...stacks], [["prod-us", ["stacks/fleet.yaml"]]]);
    // A comment in it.
    assert.deepEqual(names(["stacks/fleet.yaml"]), []);
  });

  it("are all of them when the inventory before is not understood", () => {
    assert.deepEqual(names(["stacks/fleet.yaml"], { base: undefined }), ["prod-eu", "prod-us", "dev"]);
  });

  it("tell a stack that is there no more, and each file of one that is", () => {
    const base = new Map([...HEAD, ["old", [cell("old", Environment.Dev, "eu-west")]]]);
    const { stacks, removed, code } = touched(["stacks/overlays/cluster/dev.yaml", "stacks/Pulumi.dev.yaml"], { base });
    assert.deepEqual(stacks.get("dev"), ["stacks/Pulumi.dev.yaml", "stacks/overlays/cluster/dev.yaml"]);
    assert.deepEqual([removed, code], [["old"], false]);
  });

  it("are found where fleet and code are elsewhere in the repository, or the code is a package", () => {
    assert.deepEqual(names(["overlays/cluster/dev.yaml"], { folder: "", project: undefined }), ["dev"]);
    assert.deepEqual(names(["infra/package-lock.json"], { folder: "infra/fleet", project: "infra" }).length, 3);
    assert.deepEqual(names(["web/package-lock.json"], { folder: "infra/fleet", project: "infra" }), []);
    assert.deepEqual(names(["package-lock.json"], { folder: "fleet", project: undefined }).length, 3);
  });
});
