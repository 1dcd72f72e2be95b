import assert from "node:assert/strict";
import { networkDefaultDeny } from "../../policy/policies/network-default-deny";
import { UNKNOWN, validateStack } from "./support";

const workload = (name: string, namespace?: unknown) => ({
  type: "kubernetes:apps/v1:Deployment",
  name,
  props: { metadata: { namespace }, spec: { template: { spec: { containers: [] } } } },
});
const namespaceNamed = (name: string) => ({
  type: "kubernetes:core/v1:Namespace",
  name: `namespace-${name}`,
  props: { metadata: { name } },
});
const policy = (spec: unknown, namespace: unknown = "agents") => ({
  type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
  name: "policy",
  props: { metadata: { namespace }, spec },
});
const DENY = policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const FIX = "by default; add a NetworkPolicy with an empty podSelector and no rules";
const BOTH = `a metadata.namespace: nothing denies ingress and egress ${FIX}`;
const EGRESS = `a metadata.namespace: nothing denies egress ${FIX}`;
const OPEN = "lets everything through; name the peers, or the ports";

const violations = async (
  ...args: Parameters<typeof validateStack> extends [unknown, ...infer Rest] ? Rest : never
) => {
  const verdict = await validateStack(networkDefaultDeny, ...args);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};

describe("policy network-default-deny", () => {
  it("accepts a namespace that denies both directions, with one policy or two", async () => {
    assert.deepEqual(await violations([workload("a", "agents"), namespaceNamed("agents"), DENY]), []);
    const split = [policy({ podSelector: {} }), policy({ podSelector: {}, policyTypes: ["Egress"], egress: [] })];
    assert.deepEqual(await violations([workload("a", "agents"), ...split]), []);
    const inDefault = policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] }, undefined);
    inDefault.props.metadata.namespace = undefined;
    assert.deepEqual(await violations([workload("a"), inDefault]), []);
  });

  it("refuses a namespace without one, once", async () => {
    assert.deepEqual(await violations([workload("a", "agents"), workload("b", "agents")]), [BOTH]);
    assert.deepEqual(await violations([namespaceNamed("agents")]), [
      `namespace-agents metadata.name: nothing denies ingress and egress ${FIX}`,
    ]);
    assert.deepEqual(await violations([workload("a", "other"), DENY]), [BOTH]);
  });

  const insufficient: [string, unknown, string][] = [
    ["ingress alone", { podSelector: {}, policyTypes: ["Ingress"] }, EGRESS],
    ["no types, which is ingress", { podSelector: {} }, EGRESS],
    ["a selector", { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Ingress", "Egress"] }, BOTH],
    ["an expression", { podSelector: { matchExpressions: [{}] }, policyTypes: ["Ingress", "Egress"] }, BOTH],
    ["rules", { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [{ to: [{}] }] }, EGRESS],
  ];
  for (const [what, spec, problem] of insufficient) {
    it(`does not take a policy with ${what} for it`, async () => {
      assert.deepEqual(await violations([workload("a", "agents"), policy(spec)]), [problem]);
    });
  }

  it("refuses a rule that opens everything again", async () => {
    const open = policy({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }, {}], egress: [{ to: [] }] });
    assert.deepEqual(await violations([DENY, open]), [
      `policy spec.ingress[1]: ${OPEN}`,
      `policy spec.egress[0]: ${OPEN}`,
    ]);
  });

  describe("of Cilium", () => {
    const cilium = (spec: unknown, kind = "CiliumNetworkPolicy") => ({
      type: `kubernetes:cilium.io/v2:${kind}`,
      name: "cilium",
      props: { metadata: { namespace: "agents" }, spec },
    });
    const ALL = { endpointSelector: {}, ingress: [{}], egress: [{}] };

    it("takes a policy that selects every Pod and has rules for default deny", async () => {
      const pods = [workload("a", "agents")];
      assert.deepEqual(await violations([...pods, cilium(ALL)]), []);
      assert.deepEqual(await violations([...pods, cilium(ALL, "CiliumClusterwideNetworkPolicy")]), []);
      const denied = { endpointSelector: {}, ingressDeny: [{ fromEntities: ["world"] }], egress: [{}] };
      assert.deepEqual(await violations([...pods, cilium(denied)]), []);
      const switchedOn = { endpointSelector: {}, enableDefaultDeny: { ingress: true, egress: true } };
      assert.deepEqual(await violations([...pods, cilium(switchedOn)]), []);
      const listed = { ...cilium(undefined), props: { metadata: { namespace: "agents" }, specs: [ALL] } };
      assert.deepEqual(await violations([...pods, listed]), []);
    });

    it("does not take one that selects some, has no rules, or says that it does not deny", async () => {
      const pods = [workload("a", "agents")];
      for (const spec of [
        { ...ALL, endpointSelector: { matchLabels: { app: "a" } } },
        { endpointSelector: {}, ingress: [], egress: [] },
        { ...ALL, enableDefaultDeny: { ingress: false, egress: false } },
      ]) {
        assert.deepEqual(await violations([...pods, cilium(spec)]), [BOTH]);
      }
      assert.deepEqual(await violations([...pods, cilium({ endpointSelector: {}, ingress: [{}] })]), [EGRESS]);
    });

    it("refuses peers that are everybody, and accepts names and entities of the cluster", async () => {
      const everybody = "lets everything through; name the peers";
      const open = {
        endpointSelector: { matchLabels: { app: "a" } },
        ingress: [{ fromEntities: ["ingress", "all"] }],
        egress: [
          { toFQDNs: [{ matchName: "api.example.com" }, { matchPattern: "*" }] },
          { toCIDR: ["10.0.0.0/8", "0.0.0.0/0"] },
          { toEntities: ["world"] },
          { toEndpoints: [{}], toPorts: [{ rules: { dns: [{ matchPattern: "*" }] } }] },
        ],
      };
      assert.deepEqual(await violations([DENY, cilium(open)]), [
        `cilium spec.ingress[0].fromEntities[1]: ${everybody}`,
        `cilium spec.egress[0].toFQDNs[1].matchPattern: ${everybody}`,
        `cilium spec.egress[1].toCIDR[1]: ${everybody}`,
        `cilium spec.egress[2].toEntities[0]: ${everybody}`,
      ]);
    });

    it("names what is not known", async () => {
      assert.deepEqual(
        await validateStack(networkDefaultDeny, [
          workload("a", "agents"),
          cilium({ ...ALL, endpointSelector: UNKNOWN }),
        ]),
        { violations: [], advisory: "1 field not decidable in preview: cilium spec.endpointSelector" },
      );
    });
  });

  it("trusts the config on namespaces that are denied elsewhere", async () => {
    assert.deepEqual(await violations([workload("a", "agents")], { otherwiseDenied: ["agents"] }), []);
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(await validateStack(networkDefaultDeny, [workload("u", UNKNOWN), workload("a", "agents")]), {
      violations: [BOTH],
      advisory: "1 field not decidable in preview: u metadata.namespace",
    });
  });

  it("blames nobody where a policy that may deny everything is not known", async () => {
    for (const [unknown, path] of [
      [policy({ podSelector: UNKNOWN, policyTypes: ["Ingress", "Egress"] }), "spec.podSelector"],
      [policy({ podSelector: {}, policyTypes: UNKNOWN }), "spec.policyTypes"],
      [policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] }, UNKNOWN), "metadata.namespace"],
    ] as const) {
      assert.deepEqual(await validateStack(networkDefaultDeny, [workload("a", "agents"), unknown]), {
        violations: [],
        advisory: `1 field not decidable in preview: policy ${path}`,
      });
    }
  });

  it("leaves other kinds alone", async () => {
    assert.deepEqual(await violations([{ type: "kubernetes:core/v1:ConfigMap", props: { metadata: {} } }]), []);
    assert.deepEqual(await violations([{ type: "aws:s3/bucket:Bucket", props: {} }]), []);
  });
});
