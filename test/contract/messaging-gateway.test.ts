import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayConfig, GATEWAY_TOKEN_ENV, providerKeyEnv } from "../../components/openclaw/config";
import { mergePatch } from "../../components/openclaw/extra-config";
import { EVENTS_TOKEN_ENV, EVENTS_URL_ENV, eventsHookFiles, HOOKS_TOKEN_ENV } from "../../components/openclaw/hooks";
import type { OpenClawConfig } from "../../components/openclaw/validate";
import { modelStandIn, type ModelStandIn } from "../support/http-stand-ins";
import { Messaging, until } from "../support/messaging";
import {
  bearer,
  freePort,
  realOpenClaw,
  secret,
  send,
  startGateway,
  untilStarted,
  type Gateway,
} from "../support/openclaw";

/** Telegram's Bot API, as far as the gateway asks for it. */
class BotApi {
  readonly sent: { chat_id: string; text: string }[] = [];
  private server: Server | undefined;
  port = 0;

  async start(): Promise<void> {
    this.port = await freePort();
    const server = createServer((incoming, outgoing) => {
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
      incoming.on("end", () => {
        const method = incoming.url?.split("?")[0]?.split("/").at(-1) ?? "";
        if (method === "sendMessage") this.sent.push(JSON.parse(body) as { chat_id: string; text: string });
        const results: Record<string, unknown> = {
          getMe: { id: 1, is_bot: true, first_name: "bot", username: "stub_bot" },
          getUpdates: [],
          sendMessage: { message_id: this.sent.length, date: 1, chat: { id: 42, type: "private" }, text: "" },
        };
        const answer = () => outgoing.end(JSON.stringify({ ok: true, result: results[method] ?? true }));
        outgoing.setHeader("content-type", "application/json");
        if (method === "getUpdates") setTimeout(answer, 1000);
        else answer();
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
  }
}

/** Files as the kubelet lays out a ConfigMap. */
function mounted(directory: string, files: Record<string, string>): string {
  mkdirSync(join(directory, "..2026_11_21"), { recursive: true });
  symlinkSync("..2026_11_21", join(directory, "..data"));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, "..2026_11_21", name), text);
    symlinkSync(join("..data", name), join(directory, name));
  }
  return directory;
}

describe("messages through the real broker, relay and OpenClaw gateway", function () {
  this.timeout(300_000);
  const botApi = new BotApi();
  const gatewayToken = secret();
  let messaging: Messaging;
  let model: ModelStandIn;
  let gateway: Gateway;
  let start: () => Gateway;

  before(async function () {
    this.timeout(1_200_000); // the first run installs and builds
    const openclaw = await realOpenClaw(this);
    messaging = await Messaging.create({ turnTimeoutSeconds: 90, admissionSeconds: 30 });
    await messaging.gateway.stop();
    await botApi.start();
    model = await modelStandIn("your import is done");
    const { port } = messaging.gateway;
    const options = {
      models: {
        primary: "stand-in/echo",
        providers: { "stand-in": { baseUrl: `http://127.0.0.1:${String(model.port)}/v1`, models: [{ id: "echo" }] } },
      },
    };
    const channel = {
      enabled: true,
      botToken: { source: "env", provider: "default", id: "TELEGRAM_BOT_TOKEN" },
      apiRoot: `http://127.0.0.1:${String(botApi.port)}`,
      dmPolicy: "allowlist",
      allowFrom: ["42"],
    };
    const hooks = {
      agents: ["main"],
      eventsHookDir: mounted(join(messaging.root, "events-hook"), eventsHookFiles()),
    };
    const config = mergePatch(gatewayConfig(options, { environment: "dev", port, connections: { hooks } }), {
      channels: { telegram: channel },
      plugins: { entries: { telegram: { enabled: true } } },
    }) as OpenClawConfig;
    start = () =>
      startGateway(openclaw, config, port, {
        [GATEWAY_TOKEN_ENV]: gatewayToken,
        [providerKeyEnv("stand-in")]: secret(),
        [HOOKS_TOKEN_ENV]: messaging.hooksToken,
        [EVENTS_URL_ENV]: `http://127.0.0.1:${String(messaging.eventsPort)}/events`,
        [EVENTS_TOKEN_ENV]: messaging.eventsToken,
        TELEGRAM_BOT_TOKEN: "123456:AAStubTokenOfATelegramBot0000000000",
      });
    gateway = start();
    await untilStarted(gateway);
    await messaging.startBroker();
    assert.equal(await messaging.setup(), 0);
    await messaging.startRelay();
  });

  after(async () => {
    await gateway?.dispose();
    await messaging?.dispose();
    await model?.close();
    await botApi.stop();
  });

  const hook = (key: string): Promise<{ status: number; body: string }> =>
    send({
      port: gateway.port,
      path: "/hooks/agent",
      headers: { ...bearer(messaging.hooksToken), "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify({
        message: "tell them",
        name: "message-relay",
        agentId: "main",
        channel: "telegram",
        to: "42",
        deliver: true,
        waitForCompletion: true,
        timeoutSeconds: 90,
      }),
    });

  it("reaches the channel once, and is acknowledged after that", async () => {
    const client = await messaging.jetstream("billing");
    const message = JSON.stringify({ message: "tell them", channel: "telegram", to: "42" });
    await client.publish("outbound.billing", message, { msgID: "import-7" });
    await until("it is acknowledged", 200, async () => (await messaging.pending()).outbound === 0);
    assert.deepEqual(
      botApi.sent.map(({ chat_id: chat, text }) => [chat, text]),
      [["42", "your import is done"]],
    );
    assert.equal((await messaging.pending()).dead_letters, 0);
  });

  it("is told to whoever subscribes, as the gateway's hook reports it", async () => {
    const consumer = await (await messaging.jetstream("crm")).consumers.get("inbound", "crm");
    const event = await consumer.next({ expires: 10_000 });
    const { channel, to, text, success } = event?.json<Record<string, unknown>>() ?? {};
    assert.deepEqual(
      [event?.subject, channel, to, text, success],
      ["inbound.sent", "telegram", "42", "your import is done", true],
    );
  });

  it("is answered again, and not sent again, for the same key", async () => {
    const { status, body } = await hook("import-7");
    assert.equal(status, 200, body);
    assert.match(body, /"delivered":true/);
    assert.equal(botApi.sent.length, 1);
  });

  it("holds the right to start turns, and no other: the relay's token opens nothing else", async () => {
    const headers = { ...bearer(messaging.hooksToken), "content-type": "application/json" };
    const invoke = JSON.stringify({
      tool: "message",
      action: "send",
      args: { channel: "telegram", target: "42", message: "x" },
    });
    assert.equal((await send({ port: gateway.port, path: "/tools/invoke", headers, body: invoke })).status, 401);
    const other = JSON.stringify({ message: "x", agentId: "another" });
    assert.equal((await send({ port: gateway.port, path: "/hooks/agent", headers, body: other })).status, 400);
    assert.ok(!gateway.output().includes(messaging.hooksToken), "the token is in the gateway's log");
    assert.equal(botApi.sent.length, 1);
  });

  it("would be sent twice by /tools/invoke, which takes no notice of its idempotencyKey", async () => {
    const headers = { ...bearer(gatewayToken), "content-type": "application/json" };
    const args = { channel: "telegram", target: "42", message: "verbatim" };
    const body = JSON.stringify({ tool: "message", action: "send", args, idempotencyKey: "same" });
    const invoke = () => send({ port: gateway.port, path: "/tools/invoke", headers, body });
    assert.deepEqual([(await invoke()).status, (await invoke()).status], [200, 200]);
    assert.equal(botApi.sent.filter(({ text }) => text === "verbatim").length, 2);
  });

  it("forgets its keys with its process: after a restart the same key is a new turn", async () => {
    const before = botApi.sent.length;
    await gateway.dispose();
    gateway = start();
    await untilStarted(gateway);
    await sleep(3000); // the channel connects after the start
    let answer = await hook("import-7");
    // Admission has 15 s, and the first turn after a start may take longer on a busy machine.
    for (let again = 0; again < 3 && answer.status === 503; again += 1) answer = await hook("import-7");
    assert.equal(answer.status, 200, answer.body);
    assert.equal(botApi.sent.length, before + 1);
  });
});
