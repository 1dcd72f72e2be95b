import assert from "node:assert/strict";
import { AuthExpired, Unhealthy } from "../../components/errors";
import { openCluster } from "../../stacks/cluster-connection";
import { gatewayHealth, look, restartedSince, soak, waitUntilHealthy } from "../../stacks/fleet/rollout/health";
import { renewedConnection } from "../../stacks/fleet/rollout/renewed-connection";
import { ApiServer } from "../support/api-server";
import { VirtualClock } from "../support/virtual-clock";

const AT = { cell: "eu", namespace: "eu", service: "eu-gateway" };
const QUERY = `?labelSelector=${encodeURIComponent("app.kubernetes.io/instance=eu")}`;
const GATEWAY = `?labelSelector=${encodeURIComponent("app.kubernetes.io/instance=eu,app.kubernetes.io/component=gateway")}`;
const PROXY = "/api/v1/namespaces/eu/services/eu-gateway:http/proxy/startupz";

const statefulSet = (status: object, generation = 2) => ({
  items: [{ metadata: { name: "eu-gateway", uid: "u1", generation }, spec: { replicas: 1 }, status }],
});
const READY = { observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1 };
const podList = (container: object = {}, phase = "Running") => ({
  items: [
    {
      metadata: { name: "eu-gateway-0", uid: "p1" },
      spec: { nodeName: "node-1" },
      status: { phase, containerStatuses: [{ name: "gateway", restartCount: 0, state: {}, ...container }] },
    },
  ],
});

/** The gate against a stand-in for an API server: a gateway that really runs is in no test cluster. */
describe("the health gate", () => {
  const api = new ApiServer();
  const clock = new VirtualClock();
  const notices: string[] = [];
  before(() => api.start());
  after(() => api.dispose());
  beforeEach(() => {
    notices.length = 0;
    api.answers = {
      [`/apis/apps/v1/namespaces/eu/deployments${QUERY}`]: { items: [] },
      [`/apis/apps/v1/namespaces/eu/statefulsets${QUERY}`]: statefulSet(READY),
      [`/api/v1/namespaces/eu/pods${QUERY}`]: podList(),
      [`/api/v1/namespaces/eu/pods${GATEWAY}`]: podList(),
      "/api/v1/nodes/node-1": { metadata: { name: "node-1" } },
      [PROXY]: { status: "started" },
    };
  });

  const open = () => openCluster({ kubeconfig: api.kubeconfig, context: "dev" }, "eu");
  const gate = (signal = new AbortController().signal) => ({
    clock,
    signal,
    notice: (message: string) => void notices.push(message),
  });

  it("passes a cell that is Ready at its newest generation, whose gateway says that it has started", async () => {
    const health = await waitUntilHealthy(await open(), AT, gate());
    assert.deepEqual(health.problems, []);
    assert.deepEqual(notices, []);
    assert.ok(api.seen.some(({ url }) => url === PROXY));
  });

  const unready: [string, object, RegExp][] = [
    ["the generation before", { ...READY, observedGeneration: 1 }, /has not been looked at since its change/],
    ["Pods of the revision before", { ...READY, updatedReplicas: 0 }, /0 of 1 Pods updated/],
    ["no Ready Pod", { ...READY, readyReplicas: 0 }, /0 of 1 Pods Ready/],
  ];
  for (const [what, status, message] of unready)
    it(`does not pass ${what}`, async () => {
      api.answers[`/apis/apps/v1/namespaces/eu/statefulsets${QUERY}`] = statefulSet(status);
      const { problems } = await look(await open(), AT);
      assert.match(problems.join(), message);
    });

  it("does not pass a namespace without any workload", async () => {
    api.answers[`/apis/apps/v1/namespaces/eu/statefulsets${QUERY}`] = { items: [] };
    assert.match((await look(await open(), AT)).problems.join(), /no workload/);
  });

  it("says what a Pod waits for", async () => {
    api.answers[`/apis/apps/v1/namespaces/eu/statefulsets${QUERY}`] = statefulSet({ ...READY, readyReplicas: 0 });
    api.answers[`/api/v1/namespaces/eu/pods${QUERY}`] = podList(
      { state: { waiting: { reason: "ImagePullBackOff" } } },
      "Pending",
    );
    assert.match((await look(await open(), AT)).problems.join(), /eu-gateway-0\/gateway: ImagePullBackOff/);
  });

  it("waits until it is, and tells what it was not when the time is over", async () => {
    const path = `/apis/apps/v1/namespaces/eu/statefulsets${QUERY}`;
    let looks = 0;
    api.answers[path] = (_, response) => {
      looks += 1;
      response.end(JSON.stringify(statefulSet(looks < 4 ? { ...READY, readyReplicas: 0 } : READY)));
    };
    await waitUntilHealthy(await open(), AT, gate());
    assert.equal(looks, 4);

    api.answers[path] = statefulSet({ ...READY, readyReplicas: 0 });
    const late = new AbortController();
    void clock.sleep(5).then(() => {
      late.abort();
    });
    await assert.rejects(waitUntilHealthy(await open(), AT, gate(late.signal)), (error) => {
      assert.ok(error instanceof Unhealthy, String(error));
      assert.match(error.message, /cell eu: StatefulSet eu-gateway has 0 of 1[^]*Fix: /);
      return true;
    });
  });

  it("takes a page, as OpenClaw has one for any path, for no health", async () => {
    api.answers[PROXY] = (_, response) => void response.end("<!doctype html>");
    assert.deepEqual(await gatewayHealth(await open(), AT), {
      state: "unhealthy",
      detail: '/startupz answered 200, without "status": "started"',
    });
    api.answers[PROXY] = 500;
    assert.equal((await gatewayHealth(await open(), AT)).state, "unhealthy");
  });

  const unchecked: [string, (answers: ApiServer["answers"]) => void, RegExp][] = [
    [
      "a simulated node",
      (answers) => (answers["/api/v1/nodes/node-1"] = { metadata: { annotations: { "kwok.x-k8s.io/node": "fake" } } }),
      /simulated/,
    ],
    ["no right to the proxy", (answers) => (answers[PROXY] = 403), /services\/proxy/],
    ["a NetworkPolicy in the way", (answers) => (answers[PROXY] = 503), /no way through to it \(503\)/],
  ];
  for (const [what, change, why] of unchecked)
    it(`passes, and says so, with ${what}`, async () => {
      change(api.answers);
      await waitUntilHealthy(await open(), AT, gate());
      assert.match(notices.join(), why);
    });

  it("asks for credentials again when they have expired, and only then", async () => {
    let opened = 0;
    const reader = await renewedConnection(async () => {
      opened += 1;
      api.writeKubeconfig({ token: `token-${String(opened)}` });
      return open();
    });
    const path = `/api/v1/namespaces/eu/pods${QUERY}`;
    const onlyWith = (token: string) => {
      api.answers[path] = ({ headers }, response) => {
        response.writeHead(headers.authorization === `Bearer ${token}` ? 200 : 401).end("{}");
      };
    };
    onlyWith("token-1");
    await reader.get(path);
    assert.equal(opened, 1);
    onlyWith("token-2");
    await reader.get(path);
    onlyWith("token-3");
    assert.equal((await reader.ask(path)).status, 200);
    assert.equal(opened, 3);
    onlyWith("nobody's");
    await assert.rejects(reader.get(path), AuthExpired);
  });

  it("watches for restarts while a cell soaks", async () => {
    const reader = await open();
    const healthy = await waitUntilHealthy(reader, AT, gate());
    await soak(reader, AT, healthy, 5, gate());
    api.answers[`/api/v1/namespaces/eu/pods${QUERY}`] = podList({ restartCount: 1 });
    await assert.rejects(soak(reader, AT, healthy, 5, gate()), /eu-gateway-0\/gateway restarted/);
    assert.deepEqual(restartedSince(healthy, healthy), []);
  });
});
