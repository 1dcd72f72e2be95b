import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import { AgentStack, type AgentStackArgs } from "../../components/agent-stack";
import { Environment } from "../../components/environment";
import { record, type Recorder } from "./support";

const stack = (args: Partial<AgentStackArgs> = {}): Promise<Recorder> =>
  record(() => {
    const provider = new k8s.Provider("cluster", { clusterIdentifier: "cluster" });
    new AgentStack("cell", { environment: Environment.Dev, ...args }, { provider });
  });

describe("AgentStack", () => {
  it("registers exactly these resources by default", async () => {
    const recorder = await stack();
    assert.deepEqual(recorder.list(), [
      "clawfleet:index:AgentStack cell",
      "clawfleet:index:OpenClawGateway cell-gateway",
      "clawfleet:index:Tenancy cell",
      "clawfleet:index:Vault cell-vault",
      "kubernetes:apps/v1:StatefulSet cell-gateway",
      "kubernetes:core/v1:ConfigMap cell-gateway-config",
      "kubernetes:core/v1:LimitRange cell-limits",
      "kubernetes:core/v1:Namespace cell",
      "kubernetes:core/v1:PersistentVolumeClaim cell-gateway-state",
      "kubernetes:core/v1:PersistentVolumeClaim cell-vault",
      "kubernetes:core/v1:ResourceQuota cell-quota",
      "kubernetes:core/v1:Secret cell-gateway-token",
      "kubernetes:core/v1:Service cell-gateway",
      "kubernetes:core/v1:ServiceAccount cell-gateway",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-default-deny",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-gateway",
      "kubernetes:policy/v1:PodDisruptionBudget cell-gateway",
      "random:index/randomPassword:RandomPassword cell-gateway-token",
    ]);
  });
});
