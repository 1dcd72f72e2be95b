import assert from "node:assert/strict";
import { resourcePolicies } from "../../policy/policies";
import { labelsPresent } from "../../policy/policies/labels-present";
import { podSecurity } from "../../policy/policies/pod-security";
import { remediate, UNKNOWN, validate, workloads } from "./support";

const container = {
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
  },
};
const RUNTIME_DEFAULT = { seccompProfile: { type: "RuntimeDefault" } };

describe("remediations", () => {
  it("are of two policies, and do only what their validations ask for", () => {
    const names = resourcePolicies
      .filter(({ remediateResource }) => remediateResource !== undefined)
      .map(({ name }) => name);
    assert.deepEqual(names, ["pod-security", "labels-present"]);
    // Pulumi runs them at the level `remediate`, which nothing here sets.
    for (const { enforcementLevel } of resourcePolicies) assert.equal(enforcementLevel, undefined);
  });

  it("give Pods a seccomp profile and no token, of every kind of Kubernetes' own", async () => {
    for (const { path, resource } of workloads({ containers: [container] })) {
      const props = await remediate(podSecurity, resource);
      if (resource.type.includes("argoproj.io")) {
        assert.equal(props, undefined);
        continue;
      }
      assert.ok(props !== undefined, path);
      assert.deepEqual(await validate(podSecurity, { ...resource, props }), { violations: [] }, resource.type);
      assert.equal(await remediate(podSecurity, { ...resource, props }), undefined, "again");
    }
  });

  it("leave what is said as it is, and what is not known", async () => {
    const pod = (spec: Record<string, unknown>) => ({ type: "kubernetes:core/v1:Pod", props: { spec } });
    const said = { automountServiceAccountToken: true, securityContext: { seccompProfile: { type: "Unconfined" } } };
    assert.equal(await remediate(podSecurity, pod(said)), undefined);
    assert.deepEqual(await remediate(podSecurity, pod({ securityContext: UNKNOWN, containers: UNKNOWN })), {
      spec: { securityContext: UNKNOWN, containers: UNKNOWN, automountServiceAccountToken: false },
    });
    assert.deepEqual(await remediate(podSecurity, pod({}), { serviceAccountTokens: true }), {
      spec: { securityContext: RUNTIME_DEFAULT },
    });
    assert.equal(await remediate(podSecurity, { type: "kubernetes:core/v1:ConfigMap", props: {} }), undefined);
  });

  it("label objects and Pods from their names in Pulumi", async () => {
    const props = { metadata: { labels: { "app.kubernetes.io/name": "mine" } }, spec: { template: { spec: {} } } };
    const resource = { type: "kubernetes:apps/v1:Deployment", name: "_a b*", props };
    const remediated = await remediate(labelsPresent, resource);
    assert.deepEqual(remediated, {
      metadata: {
        labels: {
          "app.kubernetes.io/name": "mine",
          "app.kubernetes.io/instance": "dev",
          "app.kubernetes.io/part-of": "test",
        },
      },
      spec: {
        template: {
          spec: {},
          metadata: { labels: { "app.kubernetes.io/name": "a-b", "app.kubernetes.io/instance": "dev" } },
        },
      },
    });
    assert.deepEqual(await validate(labelsPresent, { ...resource, props: remediated ?? {} }), { violations: [] });
    assert.equal(await remediate(labelsPresent, { ...resource, props: remediated ?? {} }), undefined);
  });

  it("label nothing that is no object, and invent no label that the config asks for", async () => {
    assert.equal(await remediate(labelsPresent, { type: "pulumi:providers:kubernetes", props: {} }), undefined);
    const configMap = { type: "kubernetes:core/v1:ConfigMap", props: {} };
    assert.equal(await remediate(labelsPresent, configMap, { required: ["team"], owners: [] }), undefined);
    const unknown = { type: "kubernetes:core/v1:ConfigMap", props: { metadata: { labels: UNKNOWN } } };
    assert.equal(await remediate(labelsPresent, unknown), undefined);
  });
});
