import assert from "node:assert/strict";
import { cellHealth, readWorkloads, type CellWorkloads } from "../../stacks/cell-health";

const READY = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, readyReplicas: 2 };
const workload = (status: object, name = "eu-gateway") => ({
  metadata: { name, generation: 3 },
  spec: { replicas: 2 },
  status: { ...READY, ...status },
});
const pod = (at: string, kind = "StatefulSet", deletionTimestamp?: string) => ({
  metadata: { name: "eu-0", uid: "u", ownerReferences: [{ kind }], deletionTimestamp },
  status: {
    conditions: [
      { type: "PodScheduled", lastTransitionTime: "2031-01-01T00:00:00Z" },
      { type: "Ready", lastTransitionTime: at },
    ],
  },
});
const seen = (status: object, pods: CellWorkloads["pods"] = []): CellWorkloads => ({
  controllers: new Map([["StatefulSet eu-gateway", workload(status)]]),
  pods,
});

describe("a cell's health", () => {
  const problems = (status: object) => cellHealth(["StatefulSet eu-gateway"], seen(status)).problems;

  it("is good when every workload is Ready at its current generation, with all of its replicas", () => {
    assert.deepEqual(cellHealth(["StatefulSet eu-gateway"], seen({})), { healthy: true, at: undefined, problems: [] });
  });

  it("says what is not as it should be", () => {
    assert.deepEqual(problems({ observedGeneration: 2 }), [
      "StatefulSet eu-gateway has not been looked at since its change",
    ]);
    assert.deepEqual(problems({ updatedReplicas: 1 }), ["StatefulSet eu-gateway has 1 of 2 Pods updated"]);
    assert.deepEqual(problems({ replicas: 3 }), ["StatefulSet eu-gateway has 1 Pods that should be gone"]);
    assert.deepEqual(problems({ readyReplicas: undefined }), ["StatefulSet eu-gateway has 0 of 2 Pods Ready"]);
    const { healthy, problems: missing } = cellHealth(["Deployment eu-gateway"], seen({}));
    assert.equal(healthy, false);
    assert.deepEqual(missing, ["Deployment eu-gateway is not there"]);
  });

  it("counts one replica where none is said, and none where none is wanted", () => {
    const one = { metadata: { name: "a", generation: 1 }, status: { ...READY, replicas: 1, updatedReplicas: 1 } };
    const none = { metadata: { name: "b", generation: 1 }, spec: { replicas: 0 }, status: { observedGeneration: 1 } };
    const controllers = new Map<string, object>([
      ["Deployment a", one],
      ["Deployment b", none],
    ]) as CellWorkloads["controllers"];
    assert.equal(cellHealth(["Deployment a", "Deployment b"], { controllers, pods: [] }).healthy, true);
  });

  it("holds since the last of the lasting Pods changed", () => {
    const pods = [
      pod("2030-01-01T00:00:00Z"),
      pod("2030-01-02T00:00:00Z", "ReplicaSet"),
      pod("2030-01-03T00:00:00Z", "Job"),
      pod("2030-01-04T00:00:00Z", "ReplicaSet", "2030-01-04T00:00:01Z"),
    ];
    assert.equal(cellHealth(["StatefulSet eu-gateway"], seen({}, pods)).at, "2030-01-02T00:00:00Z");
  });
});

describe("the workloads of a cell", () => {
  it("are asked for by its label, in its namespace", async () => {
    const paths: string[] = [];
    const items = (path: string) => (path.includes("statefulsets") ? { items: [workload({})] } : undefined);
    const get = (path: string) => {
      paths.push(path);
      return Promise.resolve(items(path));
    };
    const { controllers, pods } = await readWorkloads({ get }, "agents", "eu-acme");
    assert.deepEqual([...controllers.keys()], ["StatefulSet eu-gateway"]);
    assert.deepEqual(pods, []);
    assert.deepEqual(paths, [
      "/apis/apps/v1/namespaces/agents/deployments?labelSelector=app.kubernetes.io%2Finstance%3Deu-acme",
      "/apis/apps/v1/namespaces/agents/statefulsets?labelSelector=app.kubernetes.io%2Finstance%3Deu-acme",
      "/api/v1/namespaces/agents/pods?labelSelector=app.kubernetes.io%2Finstance%3Deu-acme",
    ]);
  });
});
