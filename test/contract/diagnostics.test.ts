import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checksOf, type DiagnosticsTargets } from "../../components/diagnostics";
import { CheckKind, DIAGNOSTICS_ENV, DIAGNOSTICS_SCRIPT, type Check } from "../../components/diagnostics-script";
import { debianPrograms } from "../../engine/programs/debian";

interface Line {
  cell: string;
  check: string;
  ok: boolean;
  ms: number;
  detail?: string;
}

/** Runs the CronJob's program as its Pod would. */
async function run(checks: Check[], timeoutMs = 1500): Promise<{ code: number | null; lines: Record<string, Line> }> {
  const child = spawn(process.execPath, ["--max-old-space-size=48", "-e", DIAGNOSTICS_SCRIPT], {
    env: { PATH: process.env.PATH, [DIAGNOSTICS_ENV]: JSON.stringify({ cell: "acme", timeoutMs, checks }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [code] = (await once(child, "close")) as [number | null];
  const lines = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  return { code, lines: Object.fromEntries(lines.map((line) => [line.check, line])) };
}

/** The program of the diagnostics CronJob, against a real broker and stand-ins on loopback. */
describe("the diagnostics' program", function () {
  this.timeout(120_000);
  const servers: (HttpServer | Server)[] = [];
  let folder = "";
  let broker: ChildProcess | undefined;

  const listen = async (server: HttpServer | Server): Promise<number> => {
    servers.push(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    return (server.address() as AddressInfo).port;
  };
  /** Answers a path, as POST or GET, with JSON; everything else with 200 and a page, as the gateway does. */
  const answering = (path: string, answer: unknown, status = 200) =>
    listen(
      createHttpServer((request, response) => {
        request.resume().on("end", () => {
          if (request.url !== path) return response.end("<html></html>");
          response.writeHead(status).end(JSON.stringify(answer));
        });
      }),
    );
  const proxy = (status: string) =>
    listen(createHttpServer().on("connect", (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\n\r\n`)));
  const at = (port: number) => ({ component: "any", host: "127.0.0.1", port });
  /** Without those that look at the world outside of the tests. */
  const checks = (targets: DiagnosticsTargets) => checksOf(targets).filter(({ kind }) => kind !== CheckKind.Blocked);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "clawfleet-diagnostics-"));
  });
  after(async () => {
    for (const server of servers) server.close();
    if (broker?.exitCode === null) {
      broker.kill();
      await once(broker, "exit");
    }
    await rm(folder, { recursive: true, force: true });
  });

  it("passes a cell in which everything answers", async () => {
    const { code, lines } = await run(
      checks({
        gateway: at(await answering("/startupz", { status: "started", version: "2026.9.6" })),
        modelProxy: at(await answering("/health/readiness", { status: "healthy" })),
        search: at(await answering("/readyz", { ready: true })),
        telemetry: at(await answering("/v1/traces", { partialSuccess: {} })),
        forwardProxy: at(await proxy("403 Forbidden")),
        deniedName: "denied.invalid",
      }),
    );
    assert.deepEqual(Object.keys(lines).sort(), [
      "dns-filter",
      "forward-proxy",
      "gateway",
      "model-proxy",
      "search",
      "telemetry",
    ]);
    for (const line of Object.values(lines)) {
      // A machine without any resolver tells EAI_AGAIN for a name that does not exist.
      if (line.check === "dns-filter" && line.detail === "EAI_AGAIN") continue;
      assert.equal(line.ok, true, JSON.stringify(line));
      assert.equal(line.cell, "acme");
      assert.ok(Number.isInteger(line.ms));
    }
    assert.equal(code, Object.values(lines).every(({ ok }) => ok) ? 0 : 1);
  });

  it("says of each part what is wrong, and never what it answered", async () => {
    const closed = createServer();
    const port = await listen(closed);
    closed.close();
    const silent = await listen(createServer(() => undefined));
    const { code, lines } = await run(
      checks({
        gateway: at(await answering("/startupz", { status: "starting", canary: "secret" }, 503)),
        modelProxy: at(await answering("/nowhere", {})),
        search: at(await answering("/readyz", { ready: "canary" })),
        messageBroker: at(port),
        telemetry: at(silent),
        forwardProxy: at(await proxy("200 Connection established")),
        deniedName: "localhost",
      }),
    );
    assert.equal(code, 1);
    assert.deepEqual(Object.fromEntries(Object.entries(lines).map(([check, { detail }]) => [check, detail])), {
      gateway: "status 503",
      "model-proxy": "the answer is no JSON",
      search: `the answer's ready is not true`,
      "message-broker": "ECONNREFUSED",
      telemetry: "no answer",
      "forward-proxy": "status 200 instead of 403",
      "dns-filter": "it resolves",
    });
  });

  it("fails when what must be blocked is reachable, and passes when it is not", async () => {
    const open = await listen(createServer());
    const closed = createServer();
    const port = await listen(closed);
    closed.close();
    const { code, lines } = await run([
      { check: "open", kind: CheckKind.Blocked, host: "127.0.0.1", port: open },
      { check: "closed", kind: CheckKind.Blocked, host: "127.0.0.1", port },
    ]);
    assert.equal(code, 1);
    assert.equal(lines.open?.detail, "it is reachable");
    assert.equal(lines.closed?.ok, true);
  });

  it("takes a real broker's word", async () => {
    const { path, env } = await debianPrograms(["nats-server"], (line) => void process.stderr.write(`    ${line}\n`));
    const [clients, monitoring] = await Promise.all([listen(createServer()), listen(createServer())]);
    await Promise.all(servers.splice(-2).map((server) => new Promise((done) => server.close(done))));
    const args = ["-a", "127.0.0.1", "-p", String(clients), "-m", String(monitoring), "-js", "-sd", folder];
    broker = spawn(path("nats-server"), args, { env, stdio: "ignore" });
    const [check] = checks({ messageBroker: at(monitoring) });
    assert.ok(check);
    for (let tries = 0; tries < 40 && !(await run([check])).lines["message-broker"]?.ok; tries++) await sleep(250);
    const up = await run([check]);
    assert.deepEqual([up.code, up.lines["message-broker"]?.ok], [0, true]);
    broker.kill();
    await once(broker, "exit");
    const down = await run([check]);
    assert.deepEqual([down.code, down.lines["message-broker"]?.detail], [1, "ECONNREFUSED"]);
  });
});
