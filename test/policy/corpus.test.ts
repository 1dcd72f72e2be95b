import assert from "node:assert/strict";
import { policies } from "../../policy/policies";
import { corpus, corpusContext } from "./corpus";
import { findingsIn, verdictOn } from "./pack";

describe("the corpus of manifests", () => {
  const manifests = corpus();
  const context = corpusContext();

  it("has a context that the pack has nothing against", async () => {
    assert.deepEqual(await findingsIn(context.resources), []);
  });

  for (const { name, resources, expected } of manifests) {
    it(`${expected.length > 0 ? "bad " : "good"} ${name.replaceAll("-", " ")}`, async () => {
      const findings = await verdictOn([...context.resources, ...resources]);
      assert.deepEqual(findings.map(({ policy, path }) => `${policy} ${path}`).sort(), expected);
      // What a file is there to show is what it is found out for.
      if (expected.length > 0) assert.ok(findings.some(({ policy }) => name.startsWith(`${policy}/`)));
    });
  }

  it("is large, of every policy, and shows good ones as well as bad ones", () => {
    const folders = new Set(manifests.map(({ name }) => name.split("/")[0]));
    const counted = policies.map(({ name }) => name).filter((name) => name !== "preview-decided");
    assert.deepEqual([...folders].sort(), counted.sort());
    assert.ok(manifests.length >= 200, String(manifests.length));
    assert.ok(manifests.filter(({ expected }) => expected.length === 0).length >= 40);
  });
});
