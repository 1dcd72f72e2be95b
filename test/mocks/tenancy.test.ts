import assert from "node:assert/strict";
import { Tenancy, type TenancyArgs } from "../../components/tenancy";
import { everything, recordCell } from "./cells";
import { providers, record } from "./support";

function recordTenancy(args: TenancyArgs = {}) {
  return record((recorder) => {
    new Tenancy("team", args, { providers: providers(), transformations: [recorder.observe] });
  });
}

const NAMESPACE = "kubernetes:core/v1:Namespace";

describe("Tenancy", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordTenancy()).list(), [
      "clawfleet:index:Tenancy team",
      "kubernetes:core/v1:LimitRange team-limits",
      "kubernetes:core/v1:Namespace team",
      "kubernetes:core/v1:ResourceQuota team-quota",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy team-default-deny",
    ]);
  });

  it("enforces, audits and warns at the level `restricted`", async () => {
    const { metadata } = (await recordTenancy()).get(NAMESPACE, "team").inputs as {
      metadata: { name: string; labels: Record<string, string> };
    };
    assert.equal(metadata.name, "team");
    const levels = Object.entries(metadata.labels).filter(([key]) => key.startsWith("pod-security.kubernetes.io/"));
    assert.deepEqual(Object.fromEntries(levels), {
      "pod-security.kubernetes.io/enforce": "restricted",
      "pod-security.kubernetes.io/enforce-version": "latest",
      "pod-security.kubernetes.io/audit": "restricted",
      "pod-security.kubernetes.io/audit-version": "latest",
      "pod-security.kubernetes.io/warn": "restricted",
      "pod-security.kubernetes.io/warn-version": "latest",
    });
  });

  it("denies all traffic of every Pod by default", async () => {
    const policy = (await recordTenancy()).get("kubernetes:networking.k8s.io/v1:NetworkPolicy", "team-default-deny");
    assert.deepEqual(policy.inputs.spec, { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  });

  it("limits what the cell uses, and leaves no way in by a Service of its own", async () => {
    const hard = async (args: TenancyArgs) =>
      (
        (await recordTenancy(args)).get("kubernetes:core/v1:ResourceQuota", "team-quota").inputs.spec as {
          hard: object;
        }
      ).hard;
    const defaults = {
      "requests.cpu": "4",
      "requests.memory": "12Gi",
      "limits.cpu": "32",
      "limits.memory": "32Gi",
      "limits.ephemeral-storage": "30Gi",
      "requests.storage": "100Gi",
      pods: "40",
      persistentvolumeclaims: "15",
      "services.loadbalancers": "0",
      "services.nodeports": "0",
    };
    assert.deepEqual(await hard({}), defaults);
    const quota = { requestsCpu: "8", limitsMemory: "48Gi", pods: 60 };
    assert.deepEqual(await hard({ quota }), { ...defaults, "requests.cpu": "8", "limits.memory": "48Gi", pods: "60" });
  });

  it("gives resources to containers that ask for none", async () => {
    const { inputs } = (await recordTenancy()).get("kubernetes:core/v1:LimitRange", "team-limits");
    assert.deepEqual(inputs.spec, {
      limits: [
        {
          type: "Container",
          defaultRequest: { cpu: "50m", memory: "64Mi", "ephemeral-storage": "64Mi" },
          default: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "512Mi" },
        },
      ],
    });
  });

  it("keeps the Namespace only when told so", async () => {
    assert.equal((await recordTenancy()).options(NAMESPACE, "team").retainOnDelete, false);
    assert.equal((await recordTenancy({ retain: true })).options(NAMESPACE, "team").retainOnDelete, true);
  });

  describe("the app team's Role", () => {
    it("is bound to the groups that are named", async () => {
      const recorder = await recordCell(everything());
      const { roleRef, subjects } = recorder.get(
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "cell-app-team",
      ).inputs;
      assert.deepEqual(roleRef, { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "app-team" });
      assert.deepEqual(subjects, [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "acme-developers" }]);
    });

    it("changes nothing but the app's objects, by name, and sees no Secret", async () => {
      const recorder = await recordCell(everything());
      const { rules } = recorder.get("kubernetes:rbac.authorization.k8s.io/v1:Role", "cell-app-team").inputs as {
        rules: { resources: string[]; resourceNames?: string[]; verbs: string[] }[];
      };
      const reading = new Set(["get", "list", "watch"]);
      const changing = rules.filter(({ verbs }) => verbs.some((verb) => !reading.has(verb)));
      const config = recorder.get("kubernetes:core/v1:ConfigMap", "cell-gateway-config").inputs.metadata as {
        name: string;
      };
      assert.deepEqual(
        changing.map(({ resources, resourceNames, verbs }) => [resources, resourceNames, verbs]),
        [
          [["statefulsets"], ["cell-gateway"], ["patch", "update"]],
          [["configmaps"], [config.name], ["patch", "update"]],
          [["services"], ["cell-gateway"], ["patch", "update"]],
          [["pods"], undefined, ["delete"]],
        ],
      );
      const everywhere = rules.flatMap(({ resources, verbs }) => [...resources, ...verbs]);
      assert.ok(!everywhere.some((word) => word === "secrets" || word === "*" || word === "pods/exec"));
    });
  });
});
