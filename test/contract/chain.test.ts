import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { browserProbe } from "../../components/browser-container";
import { Unreachable } from "../../components/errors";
import { gatewayConfig, GATEWAY_TOKEN_ENV } from "../../components/openclaw/config";
import { LOCAL_PORTS, MODEL_PROXY_KEY_ENV } from "../../components/openclaw/connections";
import type { OpenClawConfig } from "../../components/openclaw/validate";
import { debianPrograms } from "../../engine/programs/debian";
import { pythonPrograms } from "../../engine/programs/python";
import {
  countConnections,
  eventually,
  providerStandIn,
  proxyStandIn,
  startBrowser,
  startForwarder,
  startModelProxy,
  type ProviderStandIn,
  type ProxyStandIn,
  type Running,
} from "../support/chain";
import type { StandIn } from "../support/http-stand-ins";
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

/** A public address that nothing is ever sent to: the forward proxy's stand-in answers for it. */
const PAGE = "http://93.184.216.34/";
const TITLE = "Page of the forward proxy";
const NOTE = "The greenhouse is watered by Ingrid on Thursdays.";

/**
 * What a cell runs, on one machine: the gateway with its generated config and its forwarder, LiteLLM in front of a
 * provider's stand-in, Chromium, and a stand-in for the forward proxy.
 */
describe("contract of the whole chain with the real programs", function () {
  this.timeout(240_000);
  const disposals: (() => Promise<void>)[] = [];
  const token = secret();
  const agentKey = `sk-${secret()}`;
  const providerKey = secret();
  let provider: ProviderStandIn;
  let proxy: ProxyStandIn;
  let browser: Running;
  let browserStart = 0;
  let forwarders: Running[];
  let gateway: Gateway;
  let direct: (StandIn & { connections: () => number }) | undefined;
  let vault: string;

  before(async function () {
    this.timeout(1_200_000); // the first run installs
    const progress = (line: string): void => console.log(`    ${line}`);
    const openclaw = await realOpenClaw(this);
    const [chromium, python] = await packages(this, progress);
    provider = await providerStandIn("pong");
    proxy = await proxyStandIn(TITLE);
    disposals.push(provider.close, proxy.close);

    const litellm = await startModelProxy(python, provider.port, { agent: agentKey, provider: providerKey });
    disposals.push(litellm.close);
    browser = await startBrowser(chromium, { component: "forward-proxy", host: "127.0.0.1", port: proxy.port });
    disposals.push(browser.close);
    browserStart = await eventually("Chromium answers", async () => (await version()).status === 200, 60);

    const targets = [browser.port, litellm.port, proxy.port];
    forwarders = await startForwarder(openclaw.node, targets);
    disposals.push(async () => forwarders[0]?.close());
    vault = mkdtempSync(join(tmpdir(), "clawfleet-vault-"));
    mkdirSync(join(vault, "garden"));
    writeFileSync(join(vault, "garden", "greenhouse.md"), `# Greenhouse\n\n${NOTE}\n`);
    writeFileSync(join(vault, "bicycle.md"), "# Bicycle\n\nThe chain was oiled in May.\n");
    disposals.push(() => Promise.resolve(rmSync(vault, { recursive: true, force: true })));

    const own = ownAddress();
    direct = own === undefined ? undefined : await countConnections(own);
    if (direct !== undefined) disposals.push(direct.close);
    const port = await freePort();
    const config = onPorts(chainConfig(port, vault, direct && `http://${own ?? ""}:${String(direct.port)}`), [
      [LOCAL_PORTS.browser, forwarders[0]?.port],
      [LOCAL_PORTS.modelProxy, forwarders[1]?.port],
      [LOCAL_PORTS.forwardProxy, forwarders[2]?.port],
    ]);
    gateway = startGateway(openclaw, config, port, { [GATEWAY_TOKEN_ENV]: token, [MODEL_PROXY_KEY_ENV]: agentKey });
    disposals.push(gateway.dispose);
    await untilStarted(gateway);
  });

  after(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  const version = (headers?: Record<string, string>) => send({ port: browser.port, path: "/json/version", headers });

  /** Calls a tool of the gateway, as an agent's turn would. */
  async function tool(name: string, args: object): Promise<{ ok: boolean; text: string }> {
    const answer = await send({
      port: gateway.port,
      path: "/tools/invoke",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: JSON.stringify({ tool: name, args }),
    });
    const { ok } = JSON.parse(answer.body) as { ok: boolean };
    return { ok, text: answer.body };
  }

  it("answers a chat request through gateway, forwarder, model proxy and provider", async () => {
    const answer = await send({
      port: gateway.port,
      path: "/v1/chat/completions",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "ping" }] }),
    });
    assert.equal(answer.status, 200, `${answer.body}\n${gateway.output().slice(-3000)}`);
    assert.match(answer.body, /pong/);
    const chats = provider.calls.filter((call) => call.startsWith("/v1/chat/completions"));
    assert.deepEqual([...new Set(chats)], [`/v1/chat/completions Bearer ${providerKey}`]);
  });

  it("finds a note of the vault by memory search, with embeddings of the model proxy", async () => {
    let found = "";
    await eventually(
      "the note is found",
      async () => {
        const { text } = await tool("memory_search", { query: "who waters the greenhouse" });
        found = text;
        return text.includes("greenhouse.md");
      },
      60,
    ).catch((error: unknown) => assert.fail(`${String(error)}: ${found}\n${gateway.output().slice(-3000)}`));
    assert.ok(
      provider.calls.some((call) => call === `/v1/embeddings Bearer ${providerKey}`),
      provider.calls.join("\n"),
    );
  });

  describe("pain 5: a remote Chromium that is not reachable", () => {
    it("is Chrome that answers no request that names a host, and a literal address alone", async () => {
      const named = await version({ host: `cell-browser:${String(LOCAL_PORTS.browser)}` });
      assert.equal(named.status, 500);
      assert.match(named.body, /not an IP address or localhost/);
      const literal = await version({ host: "10.96.3.4:9222" });
      assert.equal(literal.status, 200);
      assert.match(literal.body, /"ws:\/\/10\.96\.3\.4:9222\/devtools/);
    });

    it("is OpenClaw that refuses an address of the network, before it connects", async function () {
      if (direct === undefined) return this.skip();
      const { text } = await tool("browser", { action: "status", profile: "direct" });
      assert.match(text, /\\"cdpReady\\": false/);
      assert.ok(!(await tool("browser", { action: "open", profile: "direct", url: PAGE })).ok);
      assert.equal(direct.connections(), 0);
    });

    it("is reached on the Pod's own loopback, where the forwarder listens", async () => {
      const { text } = await tool("browser", { action: "status" });
      assert.match(text, /\\"cdpReady\\": true/, text);
    });

    it("opens a page, which comes through the forward proxy", async () => {
      const opened = await tool("browser", { action: "open", url: PAGE });
      assert.ok(opened.ok, `${opened.text}\n${gateway.output().slice(-2000)}`);
      const snapshot = await tool("browser", { action: "snapshot" });
      assert.match(snapshot.text, new RegExp(TITLE), snapshot.text);
      assert.ok(proxy.asked.includes(PAGE), proxy.asked.join("\n"));
    });
  });

  describe("Chromium", () => {
    it("passes its probe, and fails it when nobody listens", async () => {
      const run = (port: number): number => {
        const [command = "", ...args] = browserProbe(port);
        try {
          execFileSync(command, args, { stdio: "pipe" });
          return 0;
        } catch (error) {
          return (error as { status: number }).status;
        }
      };
      assert.equal(run(browser.port), 0);
      assert.equal(run(await freePort()), 1);
      // The gateway's answer on an unknown path is 200 as well.
      assert.equal(run(gateway.port), 1);
    });

    it("asks the forward proxy even for what a page says is on loopback, and resolves no name itself", async () => {
      const local = await countConnections("127.0.0.1");
      try {
        for (const url of [`http://127.0.0.1:${String(local.port)}/`, "http://internal.example.com/"]) {
          const { status } = await send({ port: browser.port, path: `/json/new?${url}`, method: "PUT" });
          assert.equal(status, 200);
          await eventually(`the proxy is asked for ${url}`, () => Promise.resolve(proxy.asked.includes(url)), 20);
        }
        assert.equal(local.connections(), 0);
      } finally {
        await local.close();
      }
    });

    it("fits into what its part requests, with a few pages open", async () => {
      await sleep(1000);
      const mebibytes = proportionalMemory(browser.pid);
      console.log(
        `      Chromium: up in ${String(browserStart)} ms, ${String(Math.round(mebibytes))} MiB with pages open`,
      );
      assert.ok(mebibytes < 512, `${String(mebibytes)} MiB`);
    });
  });

  it("sends nothing for another part through the forward proxy", () => {
    const inside = proxy.asked.filter((asked) => forwarders.some(({ port }) => asked.includes(`:${String(port)}`)));
    assert.deepEqual(inside, []);
  });

  it("keeps every secret out of the logs", () => {
    for (const value of [token, agentKey, providerKey]) assert.ok(!gateway.output().includes(value));
  });
});

async function packages(suite: Mocha.Context, progress: (line: string) => void) {
  try {
    return [
      await debianPrograms(["chromium-headless-shell", "socat"], progress),
      await pythonPrograms("litellm", progress),
    ] as const;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    console.log(`    skipped: ${error.message}`);
    return suite.skip();
  }
}

/** The generated config, with one more browser for the test: at an address of the network. */
function chainConfig(port: number, vaultPath: string, direct: string | undefined): OpenClawConfig {
  return gatewayConfig(
    {
      http: { chatCompletions: true },
      tools: { alsoAllow: ["group:memory"] },
      ...(direct && {
        extraConfig: JSON.stringify({ browser: { profiles: { direct: { cdpUrl: direct, attachOnly: true } } } }),
      }),
    },
    {
      environment: "dev",
      port,
      vaultPath,
      connections: {
        browser: true,
        modelProxy: { models: [{ id: "chat" }], embeddingModel: "embeddings" },
        forwardProxy: true,
      },
    },
  );
}

/** A Pod has its ports to itself; the tests of a machine share them. */
function onPorts(config: OpenClawConfig, ports: [number, number | undefined][]): OpenClawConfig {
  const text = ports.reduce(
    (json, [from, to]) => json.replaceAll(`//127.0.0.1:${String(from)}`, `//127.0.0.1:${String(to)}`),
    JSON.stringify(config),
  );
  return JSON.parse(text) as OpenClawConfig;
}

function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

/** MiB of a process and everything below it; what they share counts once. */
function proportionalMemory(root: number): number {
  const children = (pid: number): number[] => {
    try {
      const below = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8")
        .trim()
        .split(/\s+/);
      return [pid, ...below.filter(Boolean).flatMap((child) => children(Number(child)))];
    } catch {
      return [];
    }
  };
  return children(root)
    .map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/smaps_rollup`, "utf8"))?.[1] ?? 0))
    .reduce((sum, kibibytes) => sum + kibibytes / 1024, 0);
}
