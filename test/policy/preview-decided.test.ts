import assert from "node:assert/strict";
import { imagesPinned } from "../../policy/policies/images-pinned";
import { networkDefaultDeny } from "../../policy/policies/network-default-deny";
import { podSecurity } from "../../policy/policies/pod-security";
import { previewDecided } from "../../policy/policies/preview-decided";
import { UNKNOWN, validate, validateStack } from "./support";

const pod = (name: string, spec: Record<string, unknown>) => ({
  type: "kubernetes:core/v1:Pod",
  name,
  props: { metadata: { namespace: UNKNOWN }, spec },
});

describe("policy preview-decided", () => {
  beforeEach(async () => {
    // Other tests leave things undecided as well.
    await validateStack(previewDecided, []);
  });

  it("says nothing when all was known", async () => {
    await validate(imagesPinned, pod("a", { containers: [{ image: "nginx" }] }));
    assert.deepEqual(await validateStack(previewDecided, []), { violations: [] });
  });

  it("counts every field and every resource once, whatever policies looked at them", async () => {
    const a = pod("a", { containers: [{ image: UNKNOWN }], hostNetwork: UNKNOWN });
    for (const policy of [imagesPinned, podSecurity]) await validate(policy, a);
    await validate(imagesPinned, pod("b", { containers: UNKNOWN }));
    await validateStack(networkDefaultDeny, [a]);
    assert.deepEqual(await validateStack(previewDecided, []), {
      violations: [],
      advisory: "4 fields of 2 resources not decidable in preview; the update decides",
    });
    assert.deepEqual(await validateStack(previewDecided, []), { violations: [] });
  });
});
