import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, type JetStreamClient, type JsMsg } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { brokerConfig } from "../../components/message-broker-config";
import {
  BROKER_ADDRESS_ENV,
  GATEWAY_URL_ENV,
  inboundConfig,
  outboundConfig,
  redriveConfig,
  serviceConfig,
  setupConfig,
} from "../../components/message-relay-config";
import type { RelayConfigArgs } from "../../components/message-streams";
import { BROKER_USERS, inboxPrefix, passwordEnv } from "../../components/messaging";
import { EVENTS_TOKEN_ENV, HOOKS_TOKEN_ENV } from "../../components/openclaw/hooks";
import { ensureTools } from "../../engine/toolchain";
import { freePort, secret } from "./openclaw";

/** The users of the tests' broker beside its own. */
const PUBLISHERS = ["billing", "shop"];
const SUBSCRIBERS = ["crm"];

/** What the gateway was asked: once per request that reached it. */
export interface HookCall {
  key: string;
  authorization: string;
  body: Record<string, unknown>;
}

/** Answers one call; `undefined` drops the connection without an answer. */
export type HookAnswer = (call: HookCall, nth: number) => Promise<{ status: number; body: unknown } | undefined>;

/** What the gateway answers when a turn ended and its reply reached the channel. */
export const DELIVERED = {
  status: 200,
  body: { ok: true, runId: "1", completion: { status: "ok", delivered: true, deliveryAttempted: true } },
};

/**
 * A gateway that remembers idempotency keys, as the real one does, and delivers to a channel that counts. The memory is
 * lost by `restart`.
 */
export class StubGateway {
  readonly calls: HookCall[] = [];
  /** How often the channel was given a message, by key. */
  readonly channel = new Map<string, number>();
  answer: HookAnswer = () => Promise.resolve(DELIVERED);
  private readonly remembered = new Map<string, { status: number; body: unknown }>();
  private server: Server | undefined;
  port = 0;

  async start(): Promise<void> {
    this.port ||= await freePort();
    const server = createServer((incoming, outgoing) => {
      let text = "";
      incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
      incoming.on("end", () => {
        const key = String(incoming.headers["idempotency-key"]);
        const call = {
          key,
          authorization: incoming.headers.authorization ?? "",
          body: JSON.parse(text) as HookCall["body"],
        };
        this.calls.push(call);
        void this.answerOf(call).then((answer) => {
          if (answer === undefined) return void incoming.destroy();
          outgoing.writeHead(answer.status, { "content-type": "application/json" });
          outgoing.end(JSON.stringify(answer.body));
        });
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  private async answerOf(call: HookCall): Promise<{ status: number; body: unknown } | undefined> {
    const replayed = this.remembered.get(call.key);
    if (replayed !== undefined) return replayed;
    const nth = this.calls.filter(({ key }) => key === call.key).length;
    const answer = await this.answer(call, nth);
    if (answer === DELIVERED) {
      this.remembered.set(call.key, answer);
      this.channel.set(call.key, (this.channel.get(call.key) ?? 0) + 1);
    }
    return answer;
  }

  /** The gateway's memory of keys is in its process alone. */
  forget(): void {
    this.remembered.clear();
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  /** Deliveries beyond the first of each message. */
  doubled(): number {
    return [...this.channel.values()].reduce((sum, times) => sum + times - 1, 0);
  }
}

/** The options that tests differ in. */
export type MessagingOptions = Partial<
  Pick<RelayConfigArgs, "outboundBytes" | "turnTimeoutSeconds" | "admissionSeconds">
>;

/** A real broker and a real relay, with the configs that the components make, on loopback. */
export class Messaging {
  readonly root = mkdtempSync(join(tmpdir(), "clawfleet-messaging-"));
  readonly gateway = new StubGateway();
  readonly passwords: Record<string, string>;
  readonly hooksToken = secret();
  readonly eventsToken = secret();
  readonly log: string[] = [];
  port = 0;
  monitoringPort = 0;
  relayMonitoringPort = 0;
  eventsPort = 0;
  private broker: ChildProcess | undefined;
  private relay: ChildProcess | undefined;
  private readonly connections: NatsConnection[] = [];
  private readonly held: JsMsg[] = [];
  private programs = { nats: "", bento: "" };

  private constructor(private readonly options: MessagingOptions) {
    const users = [...BROKER_USERS, ...PUBLISHERS, ...SUBSCRIBERS];
    // Digits alone for one of them: the server would read a number.
    this.passwords = Object.fromEntries(users.map((user) => [user, user === "shop" ? "123456789012" : secretText()]));
  }

  static async create(options: MessagingOptions = {}): Promise<Messaging> {
    const tools = await ensureTools(["nats-server", "bento"]);
    const messaging = new Messaging(options);
    messaging.programs = { nats: tools["nats-server"].path, bento: tools.bento.path };
    for (const name of ["port", "monitoringPort", "relayMonitoringPort", "eventsPort"] as const) {
      messaging[name] = await freePort();
    }
    await messaging.gateway.start();
    messaging.writeConfigs();
    return messaging;
  }

  private writeConfigs(): void {
    const args: RelayConfigArgs = {
      agent: "main",
      turnTimeoutSeconds: 2,
      admissionSeconds: 3,
      retryDelaysSeconds: [1, 1],
      maxInFlight: 64,
      duplicateWindowSeconds: 3600,
      maxMessageBytes: 196608,
      outboundBytes: 2 ** 28,
      deadLetterBytes: 2 ** 26,
      inboundBytes: 2 ** 24,
      inboundMaxAgeSeconds: 86400,
      subscribers: SUBSCRIBERS,
      events: true,
      host: "127.0.0.1",
      eventsPort: this.eventsPort,
      monitoringPort: this.relayMonitoringPort,
      ...this.options,
    };
    const write = (file: string, text: string) => writeFileSync(join(this.root, file), text);
    write(
      "nats.conf",
      brokerConfig({
        serverName: "broker",
        account: "acme",
        publishers: PUBLISHERS,
        subscribers: SUBSCRIBERS,
        storeDir: join(this.root, "data"),
        maxFileStore: 2 ** 29,
        maxPayload: 229376,
        maxConnections: 64,
        host: "127.0.0.1",
        port: this.port,
        monitoringPort: this.monitoringPort,
      }),
    );
    const configs = {
      setup: setupConfig(args),
      service: serviceConfig(args),
      redrive: redriveConfig(),
      outbound: outboundConfig(args),
      inbound: inboundConfig(args),
    };
    for (const [name, config] of Object.entries(configs)) write(`${name}.json`, JSON.stringify(config));
    mkdirSync(join(this.root, "data"));
  }

  private start(program: string, args: string[], env: Record<string, string>): ChildProcess {
    const child = spawn(program, args, { cwd: this.root, env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => this.log.push(chunk.toString()));
    return child;
  }

  /** Starts the broker and waits until it is healthy. */
  async startBroker(): Promise<void> {
    const env = Object.fromEntries(
      Object.entries(this.passwords).map(([user, text]) => [passwordEnv(user), `"${text}"`]),
    );
    this.broker = this.start(this.programs.nats, ["--config", "nats.conf"], env);
    await this.answering(this.monitoringPort, "/healthz?js-server-only=true");
  }

  /** Makes the streams, as the init container does. */
  async setup(): Promise<number | null> {
    return ended(this.start(this.programs.bento, ["-c", "setup.json"], this.relayEnv("setup")));
  }

  /** Starts the relay and waits until it is connected. */
  async startRelay(): Promise<void> {
    const args = ["-c", "service.json", "streams", "--no-api", "outbound.json", "inbound.json"];
    this.relay = this.start(this.programs.bento, args, this.relayEnv("relay"));
    await this.answering(this.relayMonitoringPort, "/ready");
  }

  /** Brings dead letters back, as the suspended job does. */
  async redrive(): Promise<number | null> {
    return ended(this.start(this.programs.bento, ["-c", "redrive.json"], this.relayEnv("redrive")));
  }

  private relayEnv(user: string): Record<string, string> {
    return {
      [BROKER_ADDRESS_ENV]: `127.0.0.1:${String(this.port)}`,
      [passwordEnv(user)]: this.passwords[user] ?? "",
      ...(user === "relay" && {
        [GATEWAY_URL_ENV]: `http://127.0.0.1:${String(this.gateway.port)}`,
        [HOOKS_TOKEN_ENV]: this.hooksToken,
        [EVENTS_TOKEN_ENV]: this.eventsToken,
      }),
    };
  }

  async killBroker(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await stopped(this.broker, signal);
  }

  async killRelay(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await stopped(this.relay, signal);
  }

  /** The most memory that they have taken, in MiB. */
  memory(): { broker: number; relay: number } {
    const peak = (child: ChildProcess | undefined): number =>
      Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${String(child?.pid)}/status`, "utf8"))?.[1]) / 1024);
    return { broker: peak(this.broker), relay: peak(this.relay) };
  }

  /** A client of a user, as the documentation tells it to connect. */
  async client(user: string, password = this.passwords[user]): Promise<NatsConnection> {
    const connection = await connect({
      port: this.port,
      user,
      pass: password,
      // The rights of these two are for Bento, which knows no prefix of its own.
      inboxPrefix: user === "relay" || user === "redrive" ? "_INBOX" : inboxPrefix(user),
      reconnectTimeWait: 100,
      maxReconnectAttempts: -1,
    });
    this.connections.push(connection);
    return connection;
  }

  async jetstream(user: string): Promise<JetStreamClient> {
    return jetstream(await this.client(user), { timeout: 2000 });
  }

  /** How many messages each stream holds. */
  async pending(): Promise<Record<string, number>> {
    const answer = await fetch(`http://127.0.0.1:${String(this.monitoringPort)}/jsz?accounts=true&streams=true`);
    const { account_details: accounts } = (await answer.json()) as {
      account_details: { stream_detail?: { name: string; state: { messages: number } }[] }[];
    };
    const streams = accounts.flatMap(({ stream_detail: details = [] }) => details);
    return Object.fromEntries(streams.map(({ name, state }) => [name, state.messages]));
  }

  /** The newest dead letter; all of them stay where they are. */
  async lastDeadLetter(): Promise<{ subject: string; text: string; headers: Record<string, string> }> {
    const consumer = await (await this.jetstream("redrive")).consumers.get("dead_letters", "redrive");
    let last: JsMsg | undefined;
    for (;;) {
      const message = await consumer.next({ expires: 1000 });
      if (message === null) break;
      if (last === undefined || message.seq > last.seq) last = message;
      this.held.push(message);
    }
    for (const message of this.held.splice(0)) message.nak();
    if (last === undefined) throw new Error("there is no dead letter");
    const headers = Object.fromEntries((last.headers?.keys() ?? []).map((key) => [key, last.headers?.get(key) ?? ""]));
    return { subject: last.subject, text: last.string(), headers };
  }

  /** The relay's own counters of outcomes. */
  async outcomes(): Promise<Record<string, number>> {
    const text = await (await fetch(`http://127.0.0.1:${String(this.relayMonitoringPort)}/metrics`)).text();
    const found = text.matchAll(/^clawfleet_messages\{.*outcome="(\w+)".*\} (\d+)/gm);
    return Object.fromEntries([...found].map(([, outcome, count]) => [outcome ?? "", Number(count)]));
  }

  private async answering(port: number, path: string): Promise<void> {
    await until(`${path} answers`, 30, async () => {
      const answer = await fetch(`http://127.0.0.1:${String(port)}${path}`).catch(() => undefined);
      return answer?.status === 200;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; the log ends with:\n${this.log.join("").slice(-3000)}`);
    });
  }

  async dispose(): Promise<void> {
    for (const connection of this.connections) await connection.close();
    await this.killRelay();
    await this.killBroker();
    await this.gateway.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A password as Pulumi generates it: letters and digits. */
function secretText(): string {
  return secret().replace(/[^A-Za-z0-9]/g, "x");
}

/** Waits until something holds. */
export async function until(what: string, seconds: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) if (await holds()) return;
  throw new Error(`${what}: not within ${String(seconds)} s`);
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", resolve));
}

async function stopped(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = ended(child);
  child.kill(signal);
  await exit;
}
