import assert from "node:assert/strict";
import { exemptable, exemptableStack } from "../../policy/kubernetes/exemptions";
import type { StackPolicy } from "../../policy/kubernetes/policy";
import { imagesPinned } from "../../policy/policies/images-pinned";
import { UNKNOWN, validate, validateStack } from "./support";

const policy = exemptable(imagesPinned);
const pod = (name: string, image: unknown = "nginx:1.29.1") => ({
  type: "kubernetes:core/v1:Pod",
  name,
  props: { spec: { containers: [{ image }] } },
});
const NO_DIGEST = "spec.containers[0].image: the image has no sha256 digest; write it as NAME:TAG@sha256:DIGEST";
const reason = "the vendor signs no digests yet";
const exemption = (urn: string, expires = "2999-12-31") => ({ exemptions: [{ urn, reason, expires }] });
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
const past = (expires: string) => `exempt until ${expires}, which is past; fix it, or decide anew`;

/** Reports every resource. */
const everyone: StackPolicy = {
  name: "everyone",
  description: "Refuses everything.",
  why: "A test.",
  severity: "low",
  remediationSteps: "None.",
  validateStack: ({ resources }, report) => {
    for (const { urn } of resources) report("refused", urn);
  },
};

describe("exemptions", () => {
  it("let be what their pattern matches, and nothing else", async () => {
    for (const urn of ["urn:pulumi:dev::test::kubernetes:core/v1:Pod::old", "*::old", "*Pod::o*"]) {
      assert.deepEqual(await validate(policy, pod("old"), exemption(urn)), { violations: [] }, urn);
    }
    for (const urn of ["old", "*::ol", "*::new", "urn:pulumi:prod::*", "*core.v1*"]) {
      assert.deepEqual(await validate(policy, pod("old"), exemption(urn)), { violations: [NO_DIGEST] }, urn);
    }
  });

  it("hold to the end of their last day, and then fail", async () => {
    assert.deepEqual(await validate(policy, pod("old"), exemption("*::old", inDays(0))), { violations: [] });
    assert.deepEqual(await validate(policy, pod("old"), exemption("*::old", inDays(-1))), {
      violations: [past(inDays(-1)), NO_DIGEST],
    });
  });

  it("fail when expired or no date, even where nothing else is wrong", async () => {
    const pinned = pod("old", `nginx:1.29.1@sha256:${"0".repeat(64)}`);
    for (const expires of ["2020-01-31", "2999-99-99"]) {
      assert.deepEqual(await validate(policy, pinned, exemption("*", expires)), { violations: [past(expires)] });
    }
  });

  it("give way to a newer one for the same resource", async () => {
    const exemptions = [...exemption("*::old", "2020-01-31").exemptions, ...exemption("*").exemptions];
    assert.deepEqual(await validate(policy, pod("old"), { exemptions }), { violations: [] });
  });

  it("do not ask for what is not known", async () => {
    assert.deepEqual(await validate(policy, pod("old", UNKNOWN), exemption("*::old")), { violations: [] });
  });

  it("work in policies of whole stacks", async () => {
    const stackPolicy = exemptableStack(everyone);
    assert.deepEqual(await validateStack(stackPolicy, [pod("old"), pod("new")], exemption("*::old")), {
      violations: ["new refused"],
    });
    assert.deepEqual(await validateStack(stackPolicy, [pod("old")], exemption("*::old", "2020-01-31")), {
      violations: [`old ${past("2020-01-31")}`, "old refused"],
    });
  });

  it("need a URN, a reason and a date, and keep the policy's own config", () => {
    const { properties } = policy.configSchema ?? {};
    assert.deepEqual(Object.keys(properties ?? {}), ["allowedRegistries", "catalogue", "exemptions"]);
    const items = (properties?.exemptions as { items: { required: string[] } }).items;
    assert.deepEqual(items.required, ["urn", "reason", "expires"]);
  });
});
