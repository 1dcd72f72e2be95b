import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A TCP proxy on loopback, between a test and a server that is to be hard to reach. */
export class TcpProxy {
  port = 0;
  private swallowing = false;
  private held = false;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(private readonly target: number) {
    this.server = createServer((client) => {
      this.carry(client);
    });
  }

  /** @param target the server's port on 127.0.0.1. */
  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.server.listen(0, "127.0.0.1");
    await new Promise((listening) => proxy.server.once("listening", listening));
    proxy.port = (proxy.server.address() as AddressInfo).port;
    return proxy;
  }

  private carry(client: Socket): void {
    const upstream = connect(this.target, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        to.destroy();
        this.sockets.delete(from);
      });
      from.on("data", (data) => this.swallowing || to.write(data));
      if (this.held) from.pause();
    }
  }

  /** Takes everything and gives nothing from now on. */
  swallow(): void {
    this.swallowing = true;
  }

  /** Carries nothing until `release`; nothing is lost. */
  hold(): void {
    this.held = true;
    for (const socket of this.sockets) socket.pause();
  }

  release(): void {
    this.held = false;
    for (const socket of this.sockets) socket.resume();
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
