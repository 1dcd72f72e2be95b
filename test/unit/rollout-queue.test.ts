import assert from "node:assert/strict";
import { Unhealthy } from "../../components/errors";
import { openCluster } from "../../stacks/cluster-connection";
import { soak } from "../../stacks/fleet/rollout/health";
import { grownQueue, IN_FLIGHT, queueLength, type QueueLength } from "../../stacks/fleet/rollout/queue";
import { ApiServer } from "../support/api-server";
import { VirtualClock } from "../support/virtual-clock";

const AT = { cell: "eu", namespace: "eu", service: "eu-gateway" };
const OF_CELL = `?labelSelector=${encodeURIComponent("app.kubernetes.io/instance=eu")}`;
const OF_BROKER = `?labelSelector=${encodeURIComponent("app.kubernetes.io/instance=eu,app.kubernetes.io/component=message-broker")}`;
const BROKER = "/apis/apps/v1/namespaces/eu/statefulsets/eu-broker";
const JSZ = "/api/v1/namespaces/eu/services/eu-broker:monitoring/proxy/jsz?accounts=true&streams=true";

const READY = {
  metadata: { name: "eu-broker", generation: 1 },
  status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1 },
};
const POD = { metadata: { name: "eu-broker-0", uid: "p1" }, spec: { nodeName: "node-1" } };
const streams = (outbound: number, deadLetters: number) => ({
  account_details: [
    {
      name: "acme",
      stream_detail: [
        { name: "outbound", state: { messages: outbound } },
        { name: "dead_letters", state: { messages: deadLetters } },
        { name: "inbound", state: { messages: 99 } },
      ],
    },
  ],
});

/** A stand-in for an API server with a broker behind its proxy; test/contract/messaging.test.ts has a real broker. */
describe("the queue of a cell that soaks", () => {
  const api = new ApiServer();
  const notices: string[] = [];
  before(() => api.start());
  after(() => api.dispose());
  beforeEach(() => {
    notices.length = 0;
    api.seen.length = 0;
    api.answers = {
      [`/apis/apps/v1/namespaces/eu/deployments${OF_CELL}`]: { items: [] },
      [`/apis/apps/v1/namespaces/eu/statefulsets${OF_CELL}`]: { items: [READY] },
      [`/api/v1/namespaces/eu/pods${OF_CELL}`]: { items: [POD] },
      [`/api/v1/namespaces/eu/pods${OF_BROKER}`]: { items: [POD] },
      [BROKER]: READY,
      "/api/v1/nodes/node-1": { metadata: { name: "node-1" } },
      [JSZ]: streams(0, 0),
    };
  });

  const open = (timeoutMs?: number) => openCluster({ kubeconfig: api.kubeconfig, context: "dev" }, "eu", timeoutMs);
  const soaked = async (timeoutMs?: number) =>
    soak(await open(timeoutMs), AT, { problems: [], restarts: new Map() }, 5, {
      clock: new VirtualClock(),
      signal: new AbortController().signal,
      notice: (message) => void notices.push(message),
    });
  /** Answers with the first at the first question, and so on. */
  const answers = (...each: object[]) => {
    let asked = 0;
    api.answers[JSZ] = (_, response) => response.end(JSON.stringify(each[asked++]));
  };
  const asked = () => api.seen.filter(({ url }) => url === JSZ).length;

  it("passes one that drains, and counts it at the beginning and at the end", async () => {
    answers(streams(500, 3), streams(500, 3));
    await soaked();
    answers(streams(500, 3), streams(20, 3));
    await soaked();
    assert.equal(asked(), 4);
    assert.deepEqual(notices, []);
  });

  it("does not pass one that grows", async () => {
    answers(streams(5, 0), streams(IN_FLIGHT + 1, 0));
    await assert.rejects(soaked(), (error) => {
      assert.ok(error instanceof Unhealthy, String(error));
      assert.match(error.message, /cell eu: the queue of outbound messages grew from 5 to 11/);
      return true;
    });
  });

  it("does not pass a message that was given up", async () => {
    answers(streams(5, 3), streams(0, 4));
    await assert.rejects(soaked(), /dead letters grew from 3 to 4/);
  });

  it("takes a few messages for ones that are on their way", () => {
    const counted = (pending: number): QueueLength => ({ state: "counted", pending, deadLetters: 0 });
    assert.deepEqual(grownQueue(counted(0), counted(IN_FLIGHT)), []);
    assert.equal(grownQueue(counted(0), counted(IN_FLIGHT + 1)).length, 1);
    assert.deepEqual(grownQueue({ state: "unchecked", why: "" }, counted(1000)), []);
  });

  it("asks nothing of a cell that sends no messages", async () => {
    api.answers[BROKER] = 404;
    assert.deepEqual(await queueLength(await open(), AT), { state: "none" });
    await soaked();
    assert.deepEqual([asked(), notices], [0, []]);
  });

  const unchecked: [string, () => void, RegExp][] = [
    [
      "a simulated node",
      () => (api.answers["/api/v1/nodes/node-1"] = { metadata: { annotations: { "kwok.x-k8s.io/node": "fake" } } }),
      /simulated/,
    ],
    ["no right to the proxy", () => (api.answers[JSZ] = 403), /services\/proxy/],
    ["a NetworkPolicy that refuses", () => (api.answers[JSZ] = 503), /no way through to it \(503\)/],
    ["another program's answer", () => (api.answers[JSZ] = { state: 1, account_details: "none" }), /not as NATS does/],
    ["streams that are not made yet", () => (api.answers[JSZ] = { account_details: [] }), /not been made/],
  ];
  for (const [what, change, why] of unchecked)
    it(`passes, and says so, with ${what}`, async () => {
      change();
      await soaked();
      assert.match(notices.join(), /^the queue of outbound messages was not counted: /);
      assert.match(notices.join(), why);
    });

  it("passes, and says so, with a NetworkPolicy that swallows what the proxy sends", async () => {
    api.answers[JSZ] = () => undefined;
    await soaked(200);
    assert.match(notices.join(), /gets no answer from it in time/);
  });
});
