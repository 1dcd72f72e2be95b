import assert from "node:assert/strict";
import { cellProblems, stackState, type ExportedStack } from "../../cli/stack-state";

const URN = "urn:pulumi:dev::clawfleet::";
const STACK = { urn: `${URN}pulumi:pulumi:Stack::clawfleet-dev`, type: "pulumi:pulumi:Stack" };
const hashes = { imagesHash: "i", configHash: "c" };
const cell = (id: string) => ({
  urn: `${URN}clawfleet:index:AgentStack::${id}`,
  type: "clawfleet:index:AgentStack",
  parent: STACK.urn,
});
const gateway = (id: string) => ({
  urn: `${URN}clawfleet:index:AgentStack$kubernetes:apps/v1:StatefulSet::${id}-gateway`,
  type: "kubernetes:apps/v1:StatefulSet",
  parent: cell(id).urn,
});
const HEALTHY = { ...hashes, healthy: true };

/** The problems of two cells of a stack. */
function problems(
  cells: Record<string, object>,
  deployment: ExportedStack["deployment"] = {},
  result = "succeeded",
): string[][] {
  const resources = [{ ...STACK, outputs: { cells } }, cell("eu"), cell("us"), ...(deployment?.resources ?? [])];
  const state = stackState({ deployment: { ...deployment, resources } }, [{ result }]);
  return ["eu", "us"].map((id) => cellProblems(id, state, hashes));
}

describe("what a stack's state tells of its cells", () => {
  it("is nothing where all is well", () => {
    assert.deepEqual(problems({ eu: HEALTHY, us: HEALTHY }, { resources: [gateway("eu")] }), [[], []]);
  });

  it("is what was not found healthy, or is not what the files say", () => {
    assert.deepEqual(problems({ eu: { ...HEALTHY, healthy: false }, us: { ...HEALTHY, imagesHash: "j" } }), [
      ["its last update did not find it healthy"],
      ["its last update was of other files (imagesHash)"],
    ]);
    assert.deepEqual(problems({ us: {} }), [
      ["it was never brought up"],
      ["its last update was of other files (imagesHash, configHash)", "its last update did not find it healthy"],
    ]);
  });

  it("is what did not become ready, and what was interrupted, of the cell that it is a part of", () => {
    const initErrors = ["Pod eu-gateway-0 is not scheduled\nand more", "another"];
    assert.deepEqual(
      problems(
        { eu: HEALTHY, us: HEALTHY },
        {
          resources: [{ ...gateway("eu"), initErrors }, gateway("us")],
          pending_operations: [{ resource: gateway("us"), type: "updating" }],
        },
      ),
      [
        ["StatefulSet eu-gateway did not become ready: Pod eu-gateway-0 is not scheduled"],
        ["StatefulSet us-gateway was interrupted while updating it"],
      ],
    );
  });

  it("is how its last update ended, for all of them", () => {
    assert.deepEqual(problems({ eu: HEALTHY, us: HEALTHY }, {}, "failed"), [
      ["the last update of its stack failed"],
      ["the last update of its stack failed"],
    ]);
  });

  it("is nothing of a stack that cannot be read, or that has no state yet", () => {
    assert.deepEqual(cellProblems("eu", undefined, hashes), [
      "the state of its stack cannot be read: see Pulumi's message above",
    ]);
    assert.deepEqual(cellProblems("eu", stackState({ deployment: null }, []), hashes), ["it was never brought up"]);
  });
});
