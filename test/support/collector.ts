import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { COLLECTOR_ENVS } from "../../components/collector-config";
import { run } from "../../engine/toolchain/process";

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** The real collector with a config as a cell has it, on loopback ports, with its queue in a temporary folder. */
export class Collector {
  private readonly folder = mkdtempSync(join(tmpdir(), "clawfleet-collector-"));
  private process: ChildProcess | undefined;
  private ports = { otlp: 0, health: 0, metrics: 0 };
  output = "";

  constructor(
    private readonly program: string,
    private readonly env: Record<string, string> = {},
  ) {}

  /** The config with this machine's ports and folders: whatever else the cell's has, it has. */
  private async adapted(config: string, replace: Record<string, string>): Promise<string> {
    if (this.ports.otlp === 0) {
      this.ports = { otlp: await freePort(), health: await freePort(), metrics: await freePort() };
    }
    const { otlp, health, metrics } = this.ports;
    const local = Object.entries(replace)
      .reduce((text, [from, to]) => text.replaceAll(from, to), config)
      .replaceAll("0.0.0.0:4318", `127.0.0.1:${String(otlp)}`)
      .replaceAll("0.0.0.0:13133", `127.0.0.1:${String(health)}`)
      .replaceAll("127.0.0.1:8888", `127.0.0.1:${String(metrics)}`)
      .replaceAll("port: 8888", `port: ${String(metrics)}`)
      .replaceAll("/var/lib/otelcol", join(this.folder, "queue"))
      .replaceAll("/etc/certificates", join(this.folder, "certificates"));
    // Well-formed still.
    return stringify(parse(local), { lineWidth: 0 });
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** Has the program check a config. */
  async validate(config: string): Promise<void> {
    const path = this.file("validated.yaml");
    writeFileSync(path, config);
    await run(this.program, ["validate", `--config=${path}`], { env: { ...process.env, ...this.env } });
  }

  /** Starts it, and waits until it is healthy. */
  async start(config: string, replace: Record<string, string> = {}): Promise<void> {
    const path = this.file("config.yaml");
    writeFileSync(path, await this.adapted(config, replace));
    const child = spawn(this.program, [`--config=${path}`], {
      env: { PATH: process.env.PATH, ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    }
    await until("the collector is healthy", async () => {
      if (child.exitCode !== null) throw new Error(`the collector ended:\n${this.output.slice(-2000)}`);
      const answer = await fetch(`http://127.0.0.1:${String(this.ports.health)}/`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  /** Sends an OTLP export; the status of the answer, or 0 for none. */
  async send(signal: "traces" | "logs" | "metrics", body: object): Promise<number> {
    const answer = await fetch(`${this.endpoint}/v1/${signal}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => undefined);
    await answer?.arrayBuffer();
    return answer?.status ?? 0;
  }

  /** Where it takes OTLP over HTTP. */
  get endpoint(): string {
    return `http://127.0.0.1:${String(this.ports.otlp)}`;
  }

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  get running(): boolean {
    return this.process?.exitCode === null && this.process.signalCode === null;
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.process;
    if (child === undefined || !this.running) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async dispose(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The environment that the cell's config refers to. */
export function collectorEnv(password: string): Record<string, string> {
  return {
    [COLLECTOR_ENVS.clickhouseHost]: "127.0.0.1",
    [COLLECTOR_ENVS.clickhousePassword]: password,
    [COLLECTOR_ENVS.gatewayHost]: "127.0.0.1",
    [COLLECTOR_ENVS.headerValue]: "Bearer canary-otlp-token",
  };
}

/** Waits for something, for 60 s at most. */
export async function until(what: string, holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${String(seconds)} s: ${what}`);
    await delay(200);
  }
}
