import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamClient } from "@nats-io/jetstream";
import { queueLength } from "../../stacks/fleet/rollout/queue";
import { DELIVERED, Messaging, until } from "../support/messaging";

const COUNT = 10_000;

const text = (value: object): string => JSON.stringify(value);
const toChannel = (message: string): string => text({ message, channel: "telegram", to: "42" });

/** Publishes until the broker has acknowledged, always with the same id, as a publisher should. */
async function publish(client: JetStreamClient, id: string, payload: string): Promise<{ duplicate: boolean }> {
  for (const end = Date.now() + 60_000; ; await sleep(100)) {
    try {
      return await client.publish("outbound.billing", payload, { msgID: id });
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

describe("contract with the real NATS and the real Bento", function () {
  this.timeout(120_000);
  let messaging: Messaging;

  before(async function () {
    this.timeout(900_000); // the first run builds
    messaging = await Messaging.create();
    await messaging.startBroker();
    assert.equal(await messaging.setup(), 0, messaging.log.join(""));
    await messaging.startRelay();
  });

  after(async () => {
    await messaging.dispose();
  });

  beforeEach(() => {
    messaging.gateway.answer = () => Promise.resolve(DELIVERED);
  });

  const drained = (stream = "outbound", seconds = 30): Promise<void> =>
    until(`${stream} is empty`, seconds, async () => (await messaging.pending())[stream] === 0);
  const callsOf = (key: string) => messaging.gateway.calls.filter((call) => call.key === key);

  it("makes the streams again without changing them", async () => {
    assert.equal(await messaging.setup(), 0, messaging.log.join(""));
    assert.deepEqual(Object.keys(await messaging.pending()).sort(), ["dead_letters", "inbound", "outbound"]);
  });

  it("is counted by a rollout as the broker's own figures are", async () => {
    const api: Record<string, unknown> = {
      pods: { items: [{ spec: { nodeName: "node" } }] },
      "statefulsets/eu-broker": {},
    };
    const count = () =>
      queueLength(
        {
          get: (path) => Promise.resolve(api[path.replace(/^.*\/namespaces\/eu\/|\?.*$/g, "")]),
          ask: async (path) => {
            const [, own] = path.split("/services/eu-broker:monitoring/proxy");
            if (own === undefined) return { status: 200, body: "{}" }; // the node
            const answer = await fetch(`http://127.0.0.1:${String(messaging.monitoringPort)}${own}`);
            return { status: answer.status, body: await answer.text() };
          },
        },
        { cell: "eu", namespace: "eu" },
      );
    assert.deepEqual(await count(), { state: "counted", pending: 0, deadLetters: 0 });
    await messaging.killRelay("SIGTERM");
    const client = await messaging.jetstream("billing");
    for (const id of ["queued-1", "queued-2", "queued-3"]) await publish(client, id, toChannel("later"));
    assert.deepEqual(await count(), { state: "counted", pending: 3, deadLetters: 0 });
    await messaging.startRelay();
    await drained();
    assert.deepEqual(await count(), { state: "counted", pending: 0, deadLetters: 0 });
  });

  it("asks the gateway for one turn per message, with the hooks' token and the message's id", async () => {
    const client = await messaging.jetstream("billing");
    assert.equal((await publish(client, "order-1", toChannel("paid"))).duplicate, false);
    await drained();
    const [call, ...more] = callsOf("order-1");
    assert.deepEqual(more, []);
    assert.equal(call?.authorization, `Bearer ${messaging.hooksToken}`);
    assert.deepEqual(call.body, {
      message: "paid",
      name: "message-relay",
      agentId: "main",
      channel: "telegram",
      to: "42",
      deliver: true,
      waitForCompletion: true,
      timeoutSeconds: 2,
    });
  });

  it("drops a second message of the same id, and says so to the publisher", async () => {
    const client = await messaging.jetstream("billing");
    assert.equal((await publish(client, "order-2", toChannel("paid"))).duplicate, false);
    assert.equal((await publish(client, "order-2", toChannel("paid"))).duplicate, true);
    await drained();
    assert.equal((await publish(client, "order-2", toChannel("paid"))).duplicate, true);
    await sleep(300);
    assert.equal(callsOf("order-2").length, 1);
  });

  describe("an answer that is no delivery", () => {
    for (const [what, answer] of [
      ["status 503", { status: 503, body: { ok: false, error: "not admitted" } }],
      ["a turn that failed, with status 200", { status: 200, body: { ok: true, completion: { status: "error" } } }],
      ["status 200 without a completion", { status: 200, body: { ok: true, runId: "1" } }],
      ["a web page, as an unknown path answers", { status: 200, body: "<html>" }],
      ["a refused token", { status: 401, body: "Unauthorized" }],
      ["no answer", undefined],
    ] as const) {
      it(`is tried again with the same key after ${what}`, async () => {
        const client = await messaging.jetstream("billing");
        const id = `again-${what}`;
        messaging.gateway.answer = (_, nth) => Promise.resolve(nth === 1 ? answer : DELIVERED);
        const begin = Date.now();
        await publish(client, id, toChannel("x"));
        await drained();
        // Go's HTTP client itself repeats a request with an Idempotency-Key when its connection breaks.
        assert.ok(callsOf(id).length >= 2);
        if (answer !== undefined) assert.ok(Date.now() - begin >= 1000, "there was no back-off");
        assert.equal(messaging.gateway.channel.get(id), 1);
      });
    }

    for (const [what, payload, answer, reason] of [
      ["is no JSON", "paid", undefined, /no JSON object/],
      ["has no text", text({ channel: "telegram" }), undefined, /no JSON object with a text/],
      [
        "the gateway refuses",
        toChannel("x"),
        { status: 400, body: { ok: false, error: "channel must be last|telegram" } },
        /400: channel must be last/,
      ],
      [
        "did not reach its channel",
        toChannel("x"),
        {
          status: 200,
          body: { ok: true, completion: { status: "ok", delivered: false, deliveryError: "delivery-failed" } },
        },
        /delivery-failed/,
      ],
    ] as const) {
      it(`is a dead letter at once, with the reason, for a message that ${what}`, async () => {
        const client = await messaging.jetstream("billing");
        const id = `dead-${what}`;
        messaging.gateway.answer = () => Promise.resolve(answer ?? assert.fail("it reached the gateway"));
        const before = (await messaging.pending()).dead_letters ?? 0;
        await publish(client, id, payload);
        await until("it is a dead letter", 10, async () => (await messaging.pending()).dead_letters === before + 1);
        await drained();
        assert.equal(callsOf(id).length, answer === undefined ? 0 : 1);
        const letter = await messaging.lastDeadLetter();
        assert.equal(letter.headers["Clawfleet-Message-Id"], id);
        assert.match(letter.headers["Clawfleet-Reason"] ?? "", reason);
        // The same JSON, with its keys in another order, once the relay has looked into it.
        const readable = (it: string): unknown => (it.startsWith("{") ? JSON.parse(it) : it);
        assert.deepEqual(readable(letter.text), readable(payload));
      });
    }
  });

  it("makes a dead letter of what failed in every attempt, and brings it back when told", async () => {
    const client = await messaging.jetstream("billing");
    messaging.gateway.answer = () => Promise.resolve({ status: 503, body: {} });
    const before = (await messaging.pending()).dead_letters ?? 0;
    await publish(client, "exhausted", toChannel("late"));
    await until("it is a dead letter", 20, async () => (await messaging.pending()).dead_letters === before + 1);
    assert.equal(callsOf("exhausted").length, 3);
    const letter = await messaging.lastDeadLetter();
    assert.deepEqual(
      [letter.headers["Clawfleet-Outcome"], letter.headers["Clawfleet-Attempts"], letter.subject],
      ["exhausted", "3", "dead.outbound.billing"],
    );
    messaging.gateway.answer = () => Promise.resolve(DELIVERED);
    assert.equal(await messaging.redrive(), 0, messaging.log.join("").slice(-2000));
    await drained("dead_letters");
    const brought = (): string | undefined =>
      [...messaging.gateway.channel.keys()].find((key) => key.startsWith("exhausted:redrive:"));
    await until("it is delivered", 10, () => brought() !== undefined);
    assert.equal(messaging.gateway.channel.get(brought() ?? ""), 1);
  });

  describe("rights", () => {
    it("refuses a wrong password, and takes one of digits alone", async () => {
      await assert.rejects(messaging.client("billing", "wrong"), /Authorization Violation/);
      await messaging.client("shop");
    });

    for (const [user, subject] of [
      ["billing", "outbound.shop"],
      ["billing", "dead.outbound.billing"],
      ["billing", "inbound.received"],
      ["billing", "$JS.API.STREAM.DELETE.outbound"],
      ["billing", "$JS.API.STREAM.PURGE.outbound"],
      ["billing", "$JS.API.CONSUMER.MSG.NEXT.outbound.relay"],
      ["crm", "outbound.billing"],
      ["crm", "$JS.API.CONSUMER.MSG.NEXT.outbound.relay"],
      ["relay", "outbound.billing"],
      ["relay", "$JS.API.STREAM.UPDATE.outbound"],
      ["relay", "$JS.API.STREAM.DELETE.outbound"],
      ["setup", "$JS.API.STREAM.DELETE.outbound"],
      ["setup", "$JS.API.STREAM.PURGE.outbound"],
      ["redrive", "inbound.received"],
    ] as const) {
      it(`lets ${user} not publish ${subject}`, async () => {
        const client = await messaging.client(user);
        await assert.rejects(client.request(subject, "{}", { timeout: 1000 }), /[Pp]ermissions? [Vv]iolation/);
      });
    }

    it("lets no publisher listen to what others get", async () => {
      const client = await messaging.client("billing");
      for (const subject of [">", "_INBOX.>", "outbound.>", "inbound.>", "$JS.EVENT.>"]) {
        const subscription = client.subscribe(subject);
        const error = await subscription.closed;
        assert.match(String(error), /[Pp]ermissions? [Vv]iolation/, subject);
      }
    });
  });

  describe("the other way", () => {
    const post = (body: object, token = messaging.eventsToken): Promise<Response> =>
      fetch(`http://127.0.0.1:${String(messaging.eventsPort)}/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: text(body),
      });

    it("takes the gateway's events, once each, for whoever subscribes", async () => {
      const event = { id: "telegram:42:5:received", action: "received", channel: "telegram", text: "hello" };
      assert.equal((await post(event)).status, 200);
      assert.equal((await post(event)).status, 200);
      const client = await messaging.jetstream("crm");
      const consumer = await client.consumers.get("inbound", "crm");
      const message = await consumer.next({ expires: 5000 });
      assert.equal(message?.subject, "inbound.received");
      assert.deepEqual(message.json(), { action: "received", channel: "telegram", text: "hello" });
      assert.equal(await message.ackAck(), true);
      assert.equal(await consumer.next({ expires: 1000 }), null);
    });

    it("refuses a wrong token and what is no event", async () => {
      assert.equal((await post({ id: "1", action: "sent" }, "wrong")).status, 401);
      assert.equal((await post({ id: "1", action: "deleted" })).status, 400);
      assert.equal((await messaging.pending()).inbound, 1);
    });
  });

  it("delivers once when the relay is killed between the gateway's answer and its acknowledgement", async () => {
    const client = await messaging.jetstream("billing");
    let relayKilled: Promise<void> | undefined;
    messaging.gateway.answer = (_, nth) => {
      // The gateway has delivered and remembers that; the relay never hears of it.
      if (nth === 1) relayKilled = messaging.killRelay();
      return Promise.resolve(DELIVERED);
    };
    await publish(client, "torn", toChannel("x"));
    await until("the relay is gone", 10, () => relayKilled !== undefined);
    await relayKilled;
    assert.equal((await messaging.pending()).outbound, 1, "it was acknowledged by nobody");
    await messaging.startRelay();
    await drained("outbound", 60);
    assert.equal(callsOf("torn").length, 2);
    assert.equal(messaging.gateway.channel.get("torn"), 1);
  });

  it("delivers twice when the gateway has forgotten the key as well: its memory ends with its process", async () => {
    const client = await messaging.jetstream("billing");
    let relayKilled: Promise<void> | undefined;
    messaging.gateway.answer = (_, nth) => {
      if (nth === 1) relayKilled = messaging.killRelay();
      return Promise.resolve(DELIVERED);
    };
    await publish(client, "torn-twice", toChannel("x"));
    await until("the relay is gone", 10, () => relayKilled !== undefined);
    await relayKilled;
    messaging.gateway.forget();
    await messaging.startRelay();
    await drained("outbound", 60);
    assert.equal(messaging.gateway.channel.get("torn-twice"), 2);
  });

  it(`loses and doubles none of ${String(COUNT)} messages while broker and relay are killed`, async () => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => messaging.jetstream("billing")));
    const { channel } = messaging.gateway;
    channel.clear();
    const calledBefore = messaging.gateway.calls.length;
    messaging.gateway.answer = async () => {
      await sleep(5);
      return DELIVERED;
    };
    const begin = Date.now();
    let published = 0;
    let duplicates = 0;
    const publishing = Promise.all(
      Array.from({ length: 200 }, async (_, lane) => {
        const client = clients[lane % clients.length] as JetStreamClient;
        for (let index = lane; index < COUNT; index += 200) {
          const { duplicate } = await publish(client, `volume-${String(index)}`, toChannel(`message ${String(index)}`));
          duplicates += duplicate ? 1 : 0;
          published += 1;
        }
      }),
    );
    let kills = 0;
    for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      await until(`${String(share)} is published`, 60, () => published >= COUNT * share);
      await messaging.killBroker();
      await messaging.startBroker();
      await messaging.killRelay();
      await messaging.startRelay();
      kills += 2;
    }
    await publishing;
    const publishedSeconds = (Date.now() - begin) / 1000;
    await until("everything is delivered", 90, () => channel.size >= COUNT);
    await drained("outbound", 90);
    const seconds = (Date.now() - begin) / 1000;
    const { broker, relay } = messaging.memory();
    const calls = messaging.gateway.calls.length - calledBefore;
    console.log(
      `    ${String(COUNT)} messages, ${String(kills)} SIGKILLs: published in ${publishedSeconds.toFixed(1)} s, delivered in ${seconds.toFixed(1)} s; ` +
        `${String(duplicates)} published again and dropped, ${String(calls - COUNT)} sent again and recognized; ` +
        `${String(COUNT - channel.size)} lost, ${String(messaging.gateway.doubled())} doubled; peak memory: broker ${String(broker)} MiB, relay ${String(relay)} MiB`,
    );
    assert.equal(channel.size, COUNT);
    assert.equal(messaging.gateway.doubled(), 0);
    assert.equal((await messaging.pending()).dead_letters, 0);
  });

  it("says no secret in a log", () => {
    const log = messaging.log.join("");
    for (const value of [...Object.values(messaging.passwords), messaging.hooksToken, messaging.eventsToken]) {
      assert.ok(!log.includes(value), "a secret is in the log");
    }
  });
});

describe("a full stream of the real NATS", function () {
  this.timeout(60_000);

  it("refuses the publisher, and loses nothing of what it has", async () => {
    const messaging = await Messaging.create({ outboundBytes: 2 ** 20 });
    try {
      await messaging.startBroker();
      assert.equal(await messaging.setup(), 0);
      const client = await messaging.jetstream("billing");
      let taken = 0;
      await assert.rejects(async () => {
        for (; taken < 100; taken += 1)
          await client.publish("outbound.billing", toChannel("x".repeat(100_000)), { msgID: String(taken) });
      }, /maximum bytes exceeded/);
      assert.ok(taken >= 8 && taken < 12, `${String(taken)} were taken`);
      await messaging.startRelay();
      await until("they are delivered", 20, () => messaging.gateway.channel.size === taken);
      await client.publish("outbound.billing", toChannel("room again"), { msgID: "room" });
    } finally {
      await messaging.dispose();
    }
  });
});
