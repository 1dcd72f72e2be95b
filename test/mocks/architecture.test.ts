import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AgentStack, planAgentStack, type AgentStackArgs } from "../../components/agent-stack";
import { architectureDocument, cellMatrix, podGroups, type ArchitectureObject } from "../../engine/architecture";
import type { Connection } from "../../engine/network-matrix";
import { cellArgs } from "../../stacks/cell-args";
import { cellsOf } from "../../stacks/config";
import { POD_CIDRS } from "./cells";
import { providers, record } from "./support";

const ROOT = join(__dirname, "../../..");
const DOCUMENT = join(ROOT, "docs", "architecture.md");

/** The dev cell with every part on, and what dev lacks. */
function completeArgs(): AgentStackArgs {
  const gitSync = {
    repository: "https://git.example.com/team/vault.git",
    credential: { from: "existing", existingName: "git" },
    egress: [{ cidr: "203.0.113.0/24" }],
  };
  const [cell] = cellsOf("dev", { cell: { vault: { gitSync } } }, join(ROOT, "stacks"));
  assert.ok(cell);
  return cellArgs(cell, POD_CIDRS, (key) => key);
}

async function objectsOf(args: AgentStackArgs): Promise<ArchitectureObject[]> {
  const recorder = await record((mocks) => {
    new AgentStack("cell", args, { providers: providers(), transformations: [mocks.observe] });
  });
  return recorder.objects().map(({ inputs }) => inputs as unknown as ArchitectureObject);
}

describe("the architecture of a cell with every part on", function () {
  this.timeout(60_000);
  let objects: ArchitectureObject[];
  let matrix: Connection[];
  const senders = (to: string) => matrix.filter((connection) => connection.to === to).map(({ from }) => from);

  before(async () => {
    objects = await objectsOf(completeArgs());
    matrix = cellMatrix(objects);
  });

  it("is what docs/architecture.md says", () => {
    const { listeners } = planAgentStack("cell", completeArgs());
    const proxied = listeners.map(({ component, allowedHosts = [] }) => ({ component, hosts: allowedHosts }));
    const text = architectureDocument(objects, proxied);
    if (process.env.UPDATE_ARCHITECTURE !== undefined) writeFileSync(DOCUMENT, text);
    assert.equal(
      readFileSync(DOCUMENT, "utf8"),
      text,
      "run `npm run architecture`, and say in CHANGELOG.md who reaches whom now",
    );
  });

  it("has no Pod that no policy confines", () => {
    for (const { ports, from, to } of matrix) assert.ok(!ports.includes("any"), `${from} > ${to}`);
    assert.ok(podGroups(objects).length > 14);
  });

  it("lets nothing reach the metadata address, private ranges, the API server, or another namespace but DNS", () => {
    for (const to of ["metadata address", "private ranges", "API server", "other namespaces"])
      assert.deepEqual(senders(to), [], to);
    assert.deepEqual(senders("cluster DNS"), ["dns-filter"]);
  });

  it("lets the forward proxy, admin access and git sync alone reach the internet", () => {
    // Git sync is a container of the gateway's Pod; its rule opens the git host's range and nothing more.
    assert.deepEqual(senders("internet"), ["admin-access", "forward-proxy", "gateway"]);
    const direct = objects
      .filter(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "cell-gateway")
      .flatMap(({ spec }) => (spec as { egress: { to: { ipBlock?: { cidr: string } }[] }[] }).egress)
      .flatMap(({ to }) => to.flatMap(({ ipBlock }) => ipBlock?.cidr ?? []));
    assert.deepEqual(direct, ["203.0.113.0/24"]);
  });

  it("lets the gateway alone reach the browser, and its own clients alone reach a data store", () => {
    assert.deepEqual(senders("browser"), ["gateway"]);
    assert.deepEqual(senders("model-database"), ["model-proxy"]);
    assert.deepEqual(senders("console-database"), ["telemetry-console"]);
    assert.deepEqual(senders("telemetry-database"), ["telemetry-collector", "telemetry-console"]);
    assert.deepEqual(senders("telemetry-console"), []);
  });

  it("lets nothing in from outside but the entry's proxy to the gateway", () => {
    assert.deepEqual(
      matrix.filter(({ from }) => from === "outside").map(({ to, ports }) => [to, ports]),
      [["gateway", ["18789/TCP"]]],
    );
  });

  it("sends model proxy, channels and browser to the internet through the forward proxy alone", () => {
    for (const component of ["model-proxy", "browser"]) {
      const ways = matrix.filter(({ from, to }) => from === component && to === "forward-proxy");
      assert.equal(ways.length, 1, component);
      assert.ok(!senders("internet").includes(component));
    }
  });

  describe("pain 9: egress that is too open, or blocks what is in the cell", () => {
    it("without git sync, the gateway reaches no public address at all", async () => {
      const { vault, ...args } = completeArgs();
      assert.ok(vault?.gitSync);
      const reached = cellMatrix(await objectsOf(args)).filter(({ from }) => from === "gateway");
      assert.ok(!reached.some(({ to }) => to === "internet"));
      for (const part of ["model-proxy", "search", "browser", "forward-proxy", "telemetry-collector"])
        assert.ok(
          reached.some(({ to }) => to === part),
          part,
        );
    });
  });
});
