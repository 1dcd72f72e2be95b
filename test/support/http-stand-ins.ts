import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** A small HTTP server of a test. */
export interface StandIn {
  port: number;
  close: () => Promise<void>;
}

async function listen(
  handler: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Promise<StandIn & { server: Server }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port: address.port, close };
}

/**
 * A reverse proxy as an ingress controller is one: it sets the forwarded headers itself and passes the rest on.
 * @param from the loopback address that it connects from: 127.0.0.0/8 stands for the cluster's Pod range.
 */
export async function reverseProxy(
  target: number,
  from: string,
  identity: Record<string, string> = {},
): Promise<StandIn> {
  return listen((incoming, outgoing) => {
    const headers = {
      ...incoming.headers,
      ...identity,
      "x-forwarded-for": "203.0.113.7", // its client: a browser somewhere else
      "x-forwarded-proto": "https",
      "x-forwarded-host": incoming.headers.host ?? "",
    };
    const { url: path, method } = incoming;
    const upstream = request(
      { host: "127.0.0.1", port: target, localAddress: from, path, method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
  });
}

/** A model provider that speaks OpenAI's protocol. */
export interface ModelStandIn extends StandIn {
  /** The `Authorization` header of each call. */
  authorizations: string[];
  /** The body of each call that has arrived in full. */
  requests: string[];
  /** From now on, calls are accepted and not answered. */
  hold: () => void;
  /** Resolves when a call is being held. */
  held: Promise<void>;
  /** Answers the calls that are being held. */
  release: () => void;
}

/** Starts a model provider that answers every chat with the same word. */
export async function modelStandIn(word: string): Promise<ModelStandIn> {
  const authorizations: string[] = [];
  const requests: string[] = [];
  let holding = false;
  let isHeld = (): void => undefined;
  const waiting: (() => void)[] = [];
  const held = new Promise<void>((resolve) => (isHeld = resolve));
  const standIn = await listen((incoming, outgoing) => {
    authorizations.push(incoming.headers.authorization ?? "");
    let body = "";
    incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
    incoming.on("end", () => requests.push(body));
    const chunk = (delta: object, finish: string | null): string =>
      `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "echo", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
    const answer = (): void => {
      outgoing.writeHead(200, { "content-type": "text/event-stream" });
      outgoing.end(`${chunk({ role: "assistant", content: word }, null)}${chunk({}, "stop")}data: [DONE]\n\n`);
    };
    if (!holding) return answer();
    waiting.push(answer);
    isHeld();
  });
  const release = (): void => {
    holding = false;
    for (const answer of waiting.splice(0)) answer();
  };
  return { ...standIn, authorizations, requests, held, release, hold: () => void (holding = true) };
}
