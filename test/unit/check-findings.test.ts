import assert from "node:assert/strict";
import type { EngineRun, PolicyEvent } from "../../stacks/fleet/check/engine-events";
import { findingsOf, keysOf, type PropertyOfCell } from "../../stacks/fleet/check/findings";
import { settingOf, traceIn } from "../../stacks/fleet/check/trace";
import type { Layer } from "../../stacks/fleet/merge";
import { mergeSettings } from "../../stacks/fleet/merge";
import { locateIn, parseYaml } from "../../stacks/fleet/yaml-file";
import type { YamlMap } from "../../stacks/fleet/merge";

const PREFIX = "urn:pulumi:prod::clawfleet::clawfleet:index:AgentStack";
const CELL = `${PREFIX}::prod-eu`;
const PROXY = `${PREFIX}$clawfleet:index:ModelProxy::prod-eu-model-proxy`;
const DATABASE = `${PREFIX}$clawfleet:index:ModelProxy$clawfleet:index:Postgres::prod-eu-model-proxy-db`;
const SET = `${PREFIX}$clawfleet:index:ModelProxy$clawfleet:index:Postgres$kubernetes:apps/v1:StatefulSet::db`;
const GATEWAY = `${PREFIX}$clawfleet:index:OpenClawGateway::prod-eu-gateway`;
const POD = `${PREFIX}$clawfleet:index:OpenClawGateway$kubernetes:apps/v1:StatefulSet::prod-eu-gateway`;
const CANARY = "canary-9000";

function run(...policies: Partial<PolicyEvent>[]): EngineRun {
  const step = (urn: string, parent: string | undefined, inputs: Record<string, unknown> = {}) => ({
    op: "create",
    urn,
    newState: { type: "", ...(parent !== undefined && { parent }), inputs },
  });
  return {
    steps: [
      step(CELL, undefined, { retain: false }),
      step(PROXY, CELL),
      step(DATABASE, PROXY),
      step(SET, DATABASE, { spec: { image: CANARY } }),
      step(GATEWAY, CELL),
      step(POD, GATEWAY, { spec: { containers: [{ image: "registry/openclaw:1" }] } }),
    ],
    policies: policies.map((policy) => ({
      message: "About.\nspec.image: wrong; do right",
      policyName: "images-pinned",
      policyPackName: "clawfleet",
      enforcementLevel: "mandatory",
      ...policy,
    })),
    errors: [],
    warnings: [],
    finished: true,
  };
}

describe("the findings of a run", () => {
  const none = () => undefined;

  it("have policy, property, problem and fix apart", () => {
    const [finding] = findingsOf(run({ resourceUrn: SET }), none);
    assert.deepEqual(finding, {
      level: "mandatory",
      policy: "images-pinned",
      description: "About.",
      urn: SET,
      type: "kubernetes:apps/v1:StatefulSet",
      name: "db",
      cell: "prod-eu",
      path: "spec.image",
      message: "wrong",
      fix: "do right",
    });
  });

  it("are told once each, the gravest first, and what is not known yet as undecided", () => {
    const findings = findingsOf(
      run(
        {
          resourceUrn: SET,
          message: "About.\n2 fields not decidable in preview: spec.image, spec.replicas",
          enforcementLevel: "advisory",
        },
        { resourceUrn: SET, enforcementLevel: "advisory", policyName: "probes-present" },
        { resourceUrn: SET },
        { resourceUrn: SET },
      ),
      none,
    );
    assert.deepEqual(
      findings.map(({ level, policy, path }) => [level, policy, path]),
      [
        ["mandatory", "images-pinned", "spec.image"],
        ["advisory", "probes-present", "spec.image"],
        ["undecided", "images-pinned", "spec.image, spec.replicas"],
      ],
    );
  });

  it("of a stack as a whole, or without a path, are told as they are", () => {
    const [finding] = findingsOf(run({ message: "About.\nno policy denies by default" }), none);
    assert.deepEqual(
      [finding?.urn, finding?.path, finding?.message, finding?.fix],
      [undefined, "", "no policy denies by default", undefined],
    );
  });

  it("are traced by the part of the cell that made the resource, and by the value, which they do not have", () => {
    const asked: PropertyOfCell[] = [];
    const findings = findingsOf(
      run(
        { resourceUrn: SET },
        { resourceUrn: POD, message: "About.\nspec.containers[0].image: wrong" },
        { resourceUrn: CELL, message: "About.\nretain: wrong" },
      ),
      (property) => {
        asked.push(property);
        return { file: "stacks/overlays/base.yaml", line: 3 };
      },
    );
    assert.deepEqual(
      asked.map(({ cell, part, path, value }) => [cell, part, path, value]),
      [
        ["prod-eu", "modelProxy", "spec.image", CANARY],
        ["prod-eu", "gateway", "spec.containers[0].image", "registry/openclaw:1"],
        ["prod-eu", undefined, "retain", false],
      ],
    );
    assert.deepEqual([findings[0]?.file, findings[0]?.line], ["stacks/overlays/base.yaml", 3]);
    assert.ok(!JSON.stringify(findings).includes(CANARY));
  });
});

describe("the setting behind a property", () => {
  const layer = (name: string, text: string): Layer => {
    const document = parseYaml(text, `overlays/${name}.yaml`);
    return { name, settings: document.value as YamlMap, locate: locateIn(document) };
  };
  const layers = [
    layer("base", "gateway:\n  image: registry/openclaw:1\n  resources:\n    requestsMemory: 1Gi\nvault: {}\n"),
    layer(
      "environment/prod",
      "retain: true\ngateway:\n  resources:\n    requestsMemory: 2Gi\n    limitsCpu: '2'\nbrowser: {}\n",
    ),
    layer("cluster/prod-eu", "retain: false\n"),
  ];
  const settings = mergeSettings(layers);
  const trace = traceIn(
    (id) => (id === "prod-eu" ? { settings, layers } : undefined),
    (file) => `stacks/${file}`,
  );
  const of = (part: string | undefined, path: string, value?: unknown, cell = "prod-eu") => {
    const source = trace({ cell, part, path, value });
    return source && `${source.file}:${String(source.line)}`;
  };

  it("is the last one that set an option of the cell", () => {
    assert.equal(of(undefined, "retain", false), "stacks/overlays/cluster/prod-eu.yaml:1");
    assert.equal(of(undefined, "gateway.resources.requestsMemory"), "stacks/overlays/environment/prod.yaml:4");
    assert.equal(of(undefined, "gateway.openclaw.extraConfig"), "stacks/overlays/environment/prod.yaml:2");
  });

  it("is the one of the part with the same value, else the same name, else the part itself", () => {
    assert.equal(of("gateway", "spec.containers[0].image", "registry/openclaw:1"), "stacks/overlays/base.yaml:2");
    assert.equal(
      of("gateway", "spec.containers[0].resources.requests.memory", "4Gi"),
      "stacks/overlays/environment/prod.yaml:4",
    );
    assert.equal(
      of("gateway", "spec.containers[0].resources.limits.cpu", 2),
      "stacks/overlays/environment/prod.yaml:5",
    );
    assert.equal(of("gateway", "spec.hostNetwork", true), "stacks/overlays/environment/prod.yaml:2");
    assert.equal(of("browser", "spec.hostNetwork", true), "stacks/overlays/environment/prod.yaml:6");
  });

  it("is none where no overlay says anything of it", () => {
    assert.equal(of("telemetry", "spec.replicas", 1), undefined);
    assert.equal(of(undefined, "spec.replicas", 1), undefined);
    assert.equal(of("gateway", "spec.replicas", 1, "another"), undefined);
    assert.equal(settingOf({ cell: "", part: "telemetry", path: "", value: 1 }, settings), undefined);
  });

  it("is named by keys that may have dots of their own", () => {
    assert.deepEqual(keysOf('metadata.labels["a.b/c"].items[10].name'), [
      "metadata",
      "labels",
      "a.b/c",
      "items",
      "10",
      "name",
    ]);
  });
});
