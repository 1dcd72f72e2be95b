import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { planListeners, spellingsOf, squidConfig, type PlannedListener } from "../../components/forward-proxy-config";
import { Unreachable } from "../../components/errors";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import type { DebianPrograms } from "../../engine/programs/debian";
import { dnsStandIn, type Answer, type DnsStandIn } from "../support/dns-stand-in";
import { freePort, realOpenClaw } from "../support/openclaw";
import { get, rawStatus, squidPrograms, startSquid, tunnel, type Squid } from "../support/squid";

/** Squid asks its resolver on port 53 alone, so the stand-in needs an address of its own. */
const RESOLVER = "127.0.53.1";
/** The one address that stands for the internet: the config under test refuses it like all of loopback otherwise. */
const INTERNET = "127.0.0.77";
const CLUSTER = "127.0.0.9";

describe("contract of the forward proxy with the real Squid", function () {
  this.timeout(60_000);
  let programs: DebianPrograms;
  let squid: Squid;
  let dns: DnsStandIn;
  let listeners: PlannedListener[];
  let web: Server;
  let service: Server;
  let webPort: number;
  let otherPort: number;
  let servicePort: number;
  let headers: IncomingHttpHeaders = {};
  const reached: string[] = [];
  const names: Record<string, () => Answer> = {};
  const portOf = (component: string): number => listeners.find((one) => one.component === component)?.port ?? 0;

  const listen = async (address: string, name: string): Promise<{ server: Server; port: number }> => {
    const server = createServer((request, response) => {
      reached.push(name);
      headers = request.headers;
      response.end(name);
    });
    server.on("connection", () => reached.push(`${name} connected`));
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("no port");
    return { server, port: bound.port };
  };

  before(async function () {
    this.timeout(300_000);
    try {
      programs = await squidPrograms();
      dns = await dnsStandIn((name) => names[name]?.(), RESOLVER, 53);
    } catch (error) {
      const unbound = error instanceof Error && "code" in error && error.code === "EACCES";
      if (!(error instanceof Unreachable) && !unbound) throw error;
      console.log(`    skipped: ${unbound ? "only root may listen on port 53 here" : error.message}`);
      return this.skip();
    }
    ({ server: web, port: webPort } = await listen(INTERNET, "web"));
    ({ server: service, port: servicePort } = await listen(CLUSTER, "service"));
    otherPort = await freePort();
    for (const name of [
      "api.example.com",
      "www.example.org",
      "a.b.example.org",
      "other.example.net",
      "notexample.org",
    ]) {
      names[name] = () => [INTERNET];
    }
    names["cell-search"] = names["cell-search.cell"] = names["cell-search.cell.svc"] = () => [CLUSTER];
    names["cell-search.cell.svc.cluster.local"] = () => [CLUSTER];
    const ports = [await freePort(), await freePort(), await freePort()];
    listeners = planListeners([
      {
        component: "gateway",
        allowedHosts: ["api.example.com", ".example.org", "internal.example.com", "mixed.example.com"],
        allowedPorts: [webPort],
        internal: [
          { component: "search", host: "cell-search", port: servicePort },
          { component: "browser", host: CLUSTER, port: servicePort },
        ],
        port: ports[0],
      },
      { component: "browser", allowedHosts: ["*"], allowedPorts: [webPort], plainHttp: true, port: ports[1] },
      { component: "model-proxy", allowedHosts: ["other.example.net"], allowedPorts: [webPort], port: ports[2] },
    ]);
    squid = await startSquid(programs, underTest(), portOf("gateway"));
  });
  after(async () => {
    await squid?.stop();
    await dns?.close();
    for (const server of [web, service]) server?.close();
  });
  beforeEach(() => {
    reached.length = 0;
  });

  /** The generated config; what it says of loopback and of port 80 is true of the stand-ins' address and port no more. */
  function underTest(): string {
    const internal = {
      gateway: [
        { hosts: spellingsOf("cell-search", "cell"), port: servicePort },
        { hosts: spellingsOf(CLUSTER, "cell"), port: servicePort },
      ],
    };
    return squidConfig(listeners, { address: "127.0.0.1", nameserver: RESOLVER, internal })
      .replace("dst 127.0.0.0/8", "dst 127.0.0.0-127.0.0.76 127.0.0.78-127.255.255.255")
      .replace("port 80\n", `port ${String(webPort)}\n`);
  }

  describe("pain 9: egress too open, or it blocks what is in the cluster", () => {
    it("opens a tunnel to an allowed name, and to what is beneath a name with a dot in front", async () => {
      for (const host of ["api.example.com", "www.example.org", "a.b.example.org"]) {
        assert.equal(await tunnel(portOf("gateway"), `${host}:${String(webPort)}`), 200, host);
      }
      assert.deepEqual(reached, ["web connected", "web connected", "web connected"]);
    });

    it("refuses every other name, and does not even resolve it", async () => {
      dns.questions.length = 0;
      for (const host of ["other.example.net", "notexample.org", "x.api.example.com", "example.com", "localhost"]) {
        assert.equal(await tunnel(portOf("gateway"), `${host}:${String(webPort)}`), 403, host);
      }
      assert.deepEqual(dns.questions, []);
      assert.deepEqual(reached, []);
    });

    it("gives each component its own list: what another one may reach is refused", async () => {
      const other = `other.example.net:${String(webPort)}`;
      assert.equal(await tunnel(portOf("model-proxy"), other), 200);
      assert.equal(await tunnel(portOf("gateway"), other), 403);
      assert.equal(await tunnel(portOf("model-proxy"), `api.example.com:${String(webPort)}`), 403);
      assert.equal(await tunnel(portOf("model-proxy"), `cell-search:${String(servicePort)}`), 403);
    });

    it("lets in-cluster services through that are named with their port, by name and by address", async () => {
      for (const host of [...spellingsOf("cell-search", "cell"), CLUSTER]) {
        assert.equal(await tunnel(portOf("gateway"), `${host}:${String(servicePort)}`), 200, host);
      }
      assert.equal(await get(portOf("gateway"), `http://${CLUSTER}:${String(servicePort)}/json/version`), 200);
      assert.equal(await tunnel(portOf("gateway"), `${CLUSTER}:${String(servicePort + 1)}`), 403);
      assert.equal(await tunnel(portOf("browser"), `${CLUSTER}:${String(servicePort)}`), 403);
    });
  });

  describe("literal addresses", () => {
    const spellings = [
      ["a public one", "93.184.215.14"],
      ["the stand-in for the internet itself", INTERNET],
      ["the metadata address", "169.254.169.254"],
      ["loopback", "127.0.0.1"],
      ["a short form", "127.1"],
      ["decimal", "2130706433"],
      ["hexadecimal", "0x7f000001"],
      ["octal", "0177.0.0.01"],
      ["mixed", "127.0x0.0.1"],
      ["zero", "0"],
      ["with a dot at the end", "127.0.0.1."],
      ["IPv6", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"],
      ["IPv6 loopback", "[::1]"],
      ["IPv4 in IPv6", "[::ffff:127.0.0.1]"],
      ["IPv4 in IPv6, hexadecimal", "[::ffff:7f00:1]"],
      ["NAT64", "[64:ff9b::7f00:1]"],
    ] as const;
    for (const component of ["gateway", "browser"]) {
      for (const [kind, host] of spellings) {
        it(`refuses ${kind} to ${component}: ${host}`, async () => {
          const status = await tunnel(portOf(component), `${host}:${String(webPort)}`);
          assert.ok([400, 403].includes(status), `answered ${String(status)}`);
          assert.deepEqual(reached, []);
        });
      }
    }

    it("refuses them in plain HTTP as well", async () => {
      for (const host of [INTERNET, "127.0.0.1", "2130706433", "[::1]"]) {
        const line = `GET http://${host}:${String(webPort)}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
        assert.equal(await rawStatus(portOf("browser"), line), 403, host);
      }
      assert.deepEqual(reached, []);
    });
  });

  describe("names that lead inside", () => {
    for (const address of [
      "127.0.0.1",
      "10.0.0.1",
      "172.16.0.1",
      "192.168.1.1",
      "100.64.0.1",
      "169.254.169.254",
      "0.0.0.0",
      "224.0.0.1",
      "0:0:0:0:0:0:0:1",
      "fd00:0:0:0:0:0:0:1",
      "fe80:0:0:0:0:0:0:1",
      "0:0:0:0:0:ffff:a9fe:a9fe",
      "64:ff9b:0:0:0:0:a9fe:a9fe",
      "2002:a9fe:a9fe:0:0:0:0:1",
    ]) {
      it(`refuses a name that resolves to ${address}`, async () => {
        const name = `to-${address.replaceAll(/[.:]/g, "-")}.example.org`;
        names[name] = () => [address];
        assert.equal(await tunnel(portOf("gateway"), `${name}:${String(webPort)}`), 403);
        assert.equal(await tunnel(portOf("browser"), `${name}:${String(webPort)}`), 403);
      });
    }

    it("refuses a name with a public and a private address", async () => {
      names["mixed.example.com"] = () => [INTERNET, CLUSTER];
      assert.equal(await tunnel(portOf("gateway"), `mixed.example.com:${String(servicePort)}`), 403);
      assert.equal(await tunnel(portOf("gateway"), `mixed.example.com:${String(webPort)}`), 403);
    });

    it("never connects to where a name is rebound to between its answers", async () => {
      let answers = 0;
      names["rebind.example.org"] = () => [answers++ % 2 === 0 ? INTERNET : CLUSTER];
      // The stand-in inside listens on the same port: the ports' list must not be what saves it.
      const inside = createServer((_request, response) => response.end("inside"));
      inside.on("connection", () => reached.push("inside"));
      await new Promise<void>((resolve) => inside.listen(webPort, CLUSTER, resolve));
      try {
        const statuses = await Promise.all(
          Array.from({ length: 20 }, () => tunnel(portOf("gateway"), `rebind.example.org:${String(webPort)}`)),
        );
        assert.ok(statuses.every((status) => status === 200 || status === 403));
        assert.ok(!reached.includes("inside"), "it was connected to a private address");
      } finally {
        await new Promise((resolve) => inside.close(resolve));
      }
    });
  });

  describe("what is asked for", () => {
    it("opens tunnels to allowed ports alone", async () => {
      for (const port of [22, 25, 80, 8443, otherPort]) {
        assert.equal(await tunnel(portOf("gateway"), `api.example.com:${String(port)}`), 403, String(port));
      }
    });

    it("refuses plain HTTP, unless it is allowed, and other schemes always", async () => {
      const url = `http://api.example.com:${String(webPort)}/`;
      assert.equal(await get(portOf("gateway"), url), 403);
      assert.equal(await get(portOf("browser"), url), 200);
      for (const scheme of ["https", "ftp", "urn", "whois"]) {
        const line = `GET ${scheme}://api.example.com:${String(webPort)}/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n`;
        assert.ok([400, 403].includes(await rawStatus(portOf("browser"), line)), scheme);
      }
    });

    it("tells a server nothing of who asks, and does not let a client chain proxies or manage it", async () => {
      assert.equal(
        await get(portOf("browser"), `http://api.example.com:${String(webPort)}/`, "X-Forwarded-For: 10.1.2.3\r\n"),
        200,
      );
      assert.deepEqual(
        Object.keys(headers).filter((name) => /forward|via|proxy|squid|cache/.test(name) && name !== "cache-control"),
        [],
      );
      for (const path of ["squid-internal-mgr/info", "squid-internal-mgr/shutdown", "squid-internal-dynamic/netdb"]) {
        for (const host of [`forward-proxy:${String(portOf("browser"))}`, `127.0.0.1:${String(portOf("browser"))}`]) {
          assert.equal(await get(portOf("browser"), `http://${host}/${path}`), 403, `${host}/${path}`);
        }
        const direct = `GET /${path} HTTP/1.1\r\nHost: forward-proxy\r\n\r\n`;
        assert.ok([400, 403, 404].includes(await rawStatus(portOf("browser"), direct)), path);
      }
      assert.ok(
        [400, 403].includes(await rawStatus(portOf("browser"), "GET cache_object://localhost/info HTTP/1.0\r\n\r\n")),
      );
    });

    it("logs decisions with port and destination, and neither path nor header", async () => {
      await get(
        portOf("browser"),
        `http://api.example.com:${String(webPort)}/canary-path?token=canary-query`,
        "Authorization: canary-header\r\n",
      );
      await tunnel(portOf("gateway"), `other.example.net:${String(webPort)}`);
      await sleep(1500);
      const log = squid.log();
      assert.match(
        log,
        new RegExp(`port=${String(portOf("gateway"))} TCP_DENIED/403 CONNECT other\\.example\\.net:${String(webPort)}`),
      );
      assert.match(
        log,
        new RegExp(`port=${String(portOf("browser"))} TCP_MISS/200 GET api\\.example\\.com:${String(webPort)}`),
      );
      assert.ok(!log.includes("canary"), "it logs what may be secret");
    });
  });

  describe("OpenClaw's own check: openclaw proxy validate", function () {
    this.timeout(600_000);
    let openclaw: InstalledOpenClaw;
    let home: string;
    before(async function () {
      openclaw = await realOpenClaw(this);
      home = mkdtempSync(join(tmpdir(), "clawfleet-validate-"));
    });
    after(() => {
      if (home) rmSync(home, { recursive: true, force: true });
    });

    interface Check {
      kind: string;
      url: string;
      ok: boolean;
      status?: number;
      error?: string;
    }

    const validate = async (...args: string[]): Promise<{ ok: boolean; checks: Check[] }> => {
      const proxy = `http://127.0.0.1:${String(portOf("browser"))}`;
      const env = { HOME: home, OPENCLAW_STATE_DIR: join(home, "state") };
      const output = await openclaw
        .run(["proxy", "validate", "--json", "--proxy-url", proxy, "--timeout-ms", "15000", ...args], env)
        .catch((error: { stdout?: string }) => error.stdout ?? "");
      return JSON.parse(output.slice(output.indexOf("{"))) as { ok: boolean; checks: Check[] };
    };

    it("passes an allowed URL, and finds its own literal loopback address refused", async () => {
      const { ok, checks } = await validate("--allowed-url", `http://api.example.com:${String(webPort)}/`);
      assert.equal(ok, true, JSON.stringify(checks));
      assert.deepEqual(
        checks.map(({ kind, ok: passed }) => [kind, passed]),
        [
          ["allowed", true],
          ["denied", true],
        ],
      );
      const canary = new URL(checks[1]?.url ?? "");
      assert.equal(canary.hostname, "127.0.0.1");
      await logged(`TCP_DENIED/403 CONNECT ${canary.host}`);
    });

    it("fails for a URL that is denied, be it a name or a literal address", async () => {
      for (const host of ["cell-search", CLUSTER, "169.254.169.254"]) {
        const { ok, checks } = await validate("--allowed-url", `http://${host}:${String(webPort)}/`);
        assert.deepEqual([ok, checks[0]?.ok], [false, false], JSON.stringify(checks));
        await logged(`TCP_DENIED/403 CONNECT ${host}:${String(webPort)}`);
      }
    });

    it("reaches none of the URLs that are given as denied, and would have said so", async () => {
      // This version calls no outcome of a denied URL a proof; what it reached it reports with a status.
      const denied = ["cell-search", CLUSTER, "[::1]", "api.example.com"].map(
        (host) => `http://${host}:${String(webPort)}/`,
      );
      const allowed = `http://www.example.org:${String(webPort)}/`;
      const { checks } = await validate("--allowed-url", allowed, ...denied.flatMap((url) => ["--denied-url", url]));
      assert.deepEqual(
        checks.map(({ status }) => status),
        [200, undefined, undefined, undefined, 200],
        JSON.stringify(checks),
      );
    });

    async function logged(line: string): Promise<void> {
      const deadline = Date.now() + 5000;
      while (!squid.log().includes(line) && Date.now() < deadline) await sleep(100);
      assert.ok(squid.log().includes(line), `${line} is not in\n${squid.log()}`);
    }
  });
});
