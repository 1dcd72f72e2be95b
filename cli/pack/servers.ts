import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Environment } from "../../components/environment";
import { FleetError } from "../../components/errors";
import { PACK_PORT } from "./preload";

/**
 * The policy pack as one process for all previews of an environment. Pulumi would start one for each preview, and most of
 * what it takes is to start it and to compile it until it is fast. One for each environment, since Pulumi configures it by that.
 */
export class PackServers {
  private readonly servers = new Map<Environment, Promise<string>>();
  private readonly children: ChildProcess[] = [];

  /**
   * The variables that have Pulumi use the pack of an environment.
   * @throws FleetError when it does not start.
   */
  async env(environment: Environment): Promise<Record<string, string>> {
    const port = this.servers.get(environment) ?? this.start();
    this.servers.set(environment, port);
    return { [PACK_PORT]: await port };
  }

  /** Ends them. */
  stop(): void {
    for (const child of this.children) child.kill();
  }

  private async start(): Promise<string> {
    // Its input is a pipe that breaks when this process is gone, however it went.
    const child = spawn(process.execPath, [join(__dirname, "server-child.js")], { stdio: "pipe" });
    this.children.push(child);
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const line = once(createInterface(child.stdout), "line").then(([text]) => String(text));
    const ended = once(child, "close").then(() => "");
    const port = await Promise.race([line, ended]);
    if (/^\d+$/.test(port)) return port;
    throw new FleetError({ what: `the policy pack does not start: ${errors.trim() || port}`, fix: "run `make build`" });
  }
}
