import { createServer, type ServerResponse } from "node:http";

/** A call of the Bot API other than polling. */
export interface BotCall {
  method: string;
  /** The chat that it is about, when there is one. */
  chat: number;
  text: string;
}

/** Telegram's Bot API for one bot, with a chat partner for every message that a test makes up. */
export interface BotApi {
  url: string;
  calls: BotCall[];
  /** A person writes: to the bot, or in a group where the bot is mentioned. */
  say: (from: number, text: string, group?: number) => void;
  close: () => Promise<void>;
}

const POLL_MS = 1000;

/** Starts the stand-in. The bot is called `@claw_bot`. */
export async function botApi(): Promise<BotApi> {
  const calls: BotCall[] = [];
  const updates: object[] = [];
  let waiting: ServerResponse | undefined;
  let nextUpdate = 1;
  const reply = (response: ServerResponse, result: unknown): void => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ ok: true, result }));
  };
  const deliver = (): void => {
    if (waiting === undefined) return;
    reply(waiting, updates.splice(0));
    waiting = undefined;
  };
  const server = createServer((incoming, outgoing) => {
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => {
      const method = incoming.url?.split("/").at(-1)?.split("?")[0] ?? "";
      if (method === "getUpdates") {
        deliver(); // an older poll was given up
        waiting = outgoing;
        if (updates.length > 0) return deliver();
        setTimeout(deliver, POLL_MS).unref();
        return;
      }
      const { chat_id = 0, text = "" } = (body.startsWith("{") ? JSON.parse(body) : {}) as {
        chat_id?: number | string;
        text?: string;
      };
      calls.push({ method, chat: Number(chat_id), text });
      if (method === "getMe") {
        return reply(outgoing, {
          id: 42,
          is_bot: true,
          first_name: "claw",
          username: "claw_bot",
          can_join_groups: true,
        });
      }
      if (method === "getWebhookInfo") return reply(outgoing, { url: "", pending_update_count: 0 });
      if (!method.startsWith("send")) return reply(outgoing, true);
      const chat = { id: Number(chat_id), type: "private" };
      reply(outgoing, { message_id: 1000 + calls.length, date: Math.floor(Date.now() / 1000), chat, text });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    say: (from, text, group) => {
      const id = nextUpdate++;
      const mention = "@claw_bot";
      const message = {
        message_id: id,
        date: Math.floor(Date.now() / 1000),
        from: { id: from, is_bot: false, first_name: `person ${from}` },
        ...(group === undefined
          ? { chat: { id: from, type: "private", first_name: `person ${from}` }, text }
          : {
              chat: { id: group, type: "supergroup", title: "a group" },
              text: `${mention} ${text}`,
              entities: [{ type: "mention", offset: 0, length: mention.length }],
            }),
      };
      updates.push({ update_id: id, message });
      deliver();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
