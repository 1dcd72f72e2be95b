import assert from "node:assert/strict";
import { rbacNarrow } from "../../policy/policies/rbac-narrow";
import { UNKNOWN, validate } from "./support";

const GROUP = "kubernetes:rbac.authorization.k8s.io/v1";
const role = (...rules: unknown[]) => ({ type: `${GROUP}:Role`, props: { rules } });
const binding = (roleRef: unknown, ...subjects: unknown[]) => ({
  type: `${GROUP}:ClusterRoleBinding`,
  props: { roleRef, subjects },
});
const READ = { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch"] };
const WILDCARD = "a wildcard; name what is needed";
const LISTS = "lists Secrets, which reads them all; allow get of named ones";

describe("policy rbac-narrow", () => {
  const accepted: [string, unknown][] = [
    ["named rights", READ],
    ["named Secrets", { apiGroups: [""], resources: ["secrets"], resourceNames: ["token"], verbs: ["get"] }],
    ["paths below one", { nonResourceURLs: ["/healthz/*"], verbs: ["get"] }],
    ["writing Secrets", { apiGroups: [""], resources: ["secrets"], verbs: ["create"] }],
  ];
  for (const [what, rule] of accepted) {
    it(`accepts ${what}`, async () => {
      assert.deepEqual(await validate(rbacNarrow, role(rule)), { violations: [] });
    });
  }

  const refused: [string, Record<string, unknown>, string, string][] = [
    ["every verb", { ...READ, verbs: ["get", "*"] }, "verbs[1]", WILDCARD],
    ["every resource", { ...READ, resources: ["*"] }, "resources[0]", WILDCARD],
    ["every subresource", { ...READ, resources: ["*/*"] }, "resources[0]", WILDCARD],
    ["every subresource of one", { ...READ, resources: ["pods/*"] }, "resources[0]", WILDCARD],
    ["every group", { ...READ, apiGroups: ["*"] }, "apiGroups[0]", WILDCARD],
    ["every URL", { nonResourceURLs: ["*"], verbs: ["get"] }, "nonResourceURLs[0]", WILDCARD],
    ...["escalate", "bind", "impersonate"].map<[string, Record<string, unknown>, string, string]>((verb) => [
      verb,
      { ...READ, verbs: [verb] },
      "verbs[0]",
      "a way to more rights; leave it out",
    ]),
    ["listing Secrets", { ...READ, resources: ["secrets"], verbs: ["list"] }, "resources", LISTS],
    [
      "watching Secrets, named or not",
      { ...READ, resources: ["secrets"], resourceNames: ["a"], verbs: ["watch"] },
      "resources",
      LISTS,
    ],
    [
      "reading every Secret",
      { ...READ, resources: ["secrets"], verbs: ["get"] },
      "resources",
      "reads every Secret; name them in resourceNames",
    ],
    [
      "others' tokens",
      { ...READ, resources: ["serviceaccounts/token"], verbs: ["create"] },
      "resources",
      "makes tokens of other accounts; leave it out",
    ],
  ];
  for (const [what, rule, path, problem] of refused) {
    it(`refuses ${what}, of a Role and of a ClusterRole`, async () => {
      for (const kind of ["Role", "ClusterRole"]) {
        const resource = { ...role(READ, rule), type: `${GROUP}:${kind}` };
        assert.deepEqual(await validate(rbacNarrow, resource), { violations: [`rules[1].${path}: ${problem}`] });
      }
    });
  }

  it("refuses bindings to roles that are too wide, by the config's list", async () => {
    const problem = "roleRef.name: a role of rbac-narrow.refusedRoles; write one with what is needed";
    const refusedOf = async (roleRef: unknown, config?: Record<string, unknown>) =>
      (await validate(rbacNarrow, binding(roleRef), config)).violations;
    for (const name of ["cluster-admin", "admin", "edit"]) {
      assert.deepEqual(await refusedOf({ kind: "ClusterRole", name }), [problem]);
    }
    assert.deepEqual(await refusedOf({ kind: "ClusterRole", name: "view" }), []);
    assert.deepEqual(await refusedOf({ kind: "Role", name: "admin" }), []);
    assert.deepEqual(await refusedOf({ kind: "ClusterRole", name: "view" }, { refusedRoles: ["view"] }), [problem]);
  });

  it("refuses rights for everybody", async () => {
    for (const name of ["system:masters", "system:anonymous", "system:unauthenticated", "system:authenticated"]) {
      const subjects = [
        { kind: "Group", name: "team" },
        { kind: "Group", name },
      ];
      assert.deepEqual(await validate(rbacNarrow, binding({ kind: "ClusterRole", name: "view" }, ...subjects)), {
        violations: ["subjects[1].name: not accounts of one's own; name the account"],
      });
    }
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(await validate(rbacNarrow, role({ ...READ, resources: [UNKNOWN, "*"], verbs: UNKNOWN })), {
      violations: [`rules[0].resources[1]: ${WILDCARD}`],
      advisory: "2 fields not decidable in preview: rules[0].verbs, rules[0].resources[0]",
    });
    const secrets = { resources: ["secrets"], resourceNames: UNKNOWN, verbs: ["get"] };
    assert.deepEqual(await validate(rbacNarrow, role(secrets)), {
      violations: [],
      advisory: "1 field not decidable in preview: rules[0].resourceNames",
    });
  });

  it("leaves other kinds alone", async () => {
    const resource = { type: "kubernetes:example.com/v1:Role", props: { rules: [{ verbs: ["*"] }] } };
    assert.deepEqual(await validate(rbacNarrow, resource), { violations: [] });
  });
});
