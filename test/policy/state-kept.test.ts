import assert from "node:assert/strict";
import { stateKept } from "../../policy/policies/state-kept";
import { UNKNOWN, validate } from "./support";

const refused: [
  type: string,
  props: (value: unknown) => Record<string, unknown>,
  bad: unknown[],
  good: unknown[],
  problem: string,
][] = [
  [
    "kubernetes:apps/v1:StatefulSet",
    (whenDeleted) => ({ spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted } } }),
    ["Delete"],
    ["Retain", undefined],
    "spec.persistentVolumeClaimRetentionPolicy.whenDeleted: deletes the data of its Pods; use Retain",
  ],
  [
    "kubernetes:apps/v1:StatefulSet",
    (whenScaled) => ({ spec: { persistentVolumeClaimRetentionPolicy: { whenScaled } } }),
    ["Delete"],
    ["Retain", undefined],
    "spec.persistentVolumeClaimRetentionPolicy.whenScaled: deletes the data of its Pods; use Retain",
  ],
  [
    "kubernetes:storage.k8s.io/v1:StorageClass",
    (reclaimPolicy) => ({ reclaimPolicy }),
    ["Delete", undefined],
    ["Retain"],
    "reclaimPolicy: deletes a volume with its claim; use Retain",
  ],
  [
    "kubernetes:core/v1:PersistentVolume",
    (persistentVolumeReclaimPolicy) => ({ spec: { persistentVolumeReclaimPolicy } }),
    ["Delete", "Recycle"],
    ["Retain", undefined],
    "spec.persistentVolumeReclaimPolicy: deletes its data with its claim; use Retain",
  ],
  [
    "clawfleet:index:AgentStack",
    (retain) => ({ environment: "prod", retain }),
    [false],
    [true, undefined],
    "retain: not kept in production; leave it out",
  ],
];

describe("policy state-kept", () => {
  for (const [type, props, bad, good, problem] of refused) {
    it(`decides on ${problem.split(":")[0] ?? ""} of ${type}`, async () => {
      for (const value of bad) {
        assert.deepEqual(await validate(stateKept, { type, props: props(value) }), { violations: [problem] });
      }
      for (const value of good)
        assert.deepEqual(await validate(stateKept, { type, props: props(value) }), { violations: [] });
      assert.deepEqual(await validate(stateKept, { type, props: props(UNKNOWN) }), {
        violations: [],
        advisory: `1 field not decidable in preview: ${problem.split(":")[0] ?? ""}`,
      });
    });
  }

  it("finds a violation beside an unknown", async () => {
    const persistentVolumeClaimRetentionPolicy = { whenDeleted: UNKNOWN, whenScaled: "Delete" };
    const resource = {
      type: "kubernetes:apps/v1:StatefulSet",
      props: { spec: { persistentVolumeClaimRetentionPolicy } },
    };
    assert.equal((await validate(stateKept, resource)).violations.length, 1);
  });

  it("asks for protected claims where the config does", async () => {
    const claim = { type: "kubernetes:core/v1:PersistentVolumeClaim", props: { spec: {} } };
    assert.deepEqual(await validate(stateKept, claim), { violations: [] });
    const config = { protectClaims: true };
    assert.deepEqual(await validate(stateKept, { ...claim, protect: true }, config), { violations: [] });
    assert.deepEqual((await validate(stateKept, claim, config)).violations, [
      "opts.protect: not set, so a slip deletes the data; set it",
    ]);
  });

  it("leaves cells of other environments, and other kinds, alone", async () => {
    const cell = { type: "clawfleet:index:AgentStack", props: { environment: "dev", retain: false } };
    assert.deepEqual(await validate(stateKept, cell), { violations: [] });
    const other = { type: "kubernetes:example.com/v1:StorageClass", props: { reclaimPolicy: "Delete" } };
    assert.deepEqual(await validate(stateKept, other), { violations: [] });
  });
});
