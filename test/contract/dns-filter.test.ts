import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { DNS_FILTER_POD_PORT, planDnsFilter, type DnsFilterOptions } from "../../components/dns-filter-config";
import { ensureTools } from "../../engine/toolchain/index";
import { ask, dnsStandIn, type Answer, type DnsStandIn } from "../support/dns-stand-in";
import { freePort } from "../support/openclaw";

const NO_SUCH_NAME = 3;

const PUBLIC: Record<string, Answer> = {
  "api.example.com": ["192.0.2.10"],
  "deep.api.example.com": ["192.0.2.11"],
  "example.org": ["192.0.2.20"],
  "www.example.org": ["192.0.2.21"],
  "a.b.example.org": ["192.0.2.22"],
  "cdn.example.com": { cname: "edge.cdn.example.net", addresses: ["192.0.2.30"] },
  "exfiltration.example.net": ["192.0.2.99"],
  "notexample.org": ["192.0.2.99"],
};
const CLUSTER: Record<string, Answer> = { "cell-gateway.cell.svc.cluster.local": ["10.96.0.7"] };

describe("contract of the DNS filter with the real Blocky", function () {
  this.timeout(60_000);
  let blocky: string;
  let folder: string;
  let upstream: DnsStandIn;
  let cluster: DnsStandIn;
  let filter: ChildProcess | undefined;
  let port: number;
  let output: string;

  before(async function () {
    this.timeout(900_000); // the first run builds it
    blocky = (await ensureTools(["blocky"])).blocky.path;
    folder = mkdtempSync(join(tmpdir(), "clawfleet-dns-"));
    upstream = await dnsStandIn((name) => PUBLIC[name]);
    cluster = await dnsStandIn((name) => CLUSTER[name]);
  });
  beforeEach(() => {
    upstream.questions.length = 0;
    cluster.questions.length = 0;
  });
  afterEach(async () => {
    if (filter?.kill("SIGTERM")) await once(filter, "close");
    filter = undefined;
  });
  after(async () => {
    await upstream.close();
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts it with the generated config, on a free port of loopback: all that a test changes. */
  async function start(options: DnsFilterOptions): Promise<void> {
    port = await freePort();
    const { config } = planDnsFilter({
      clusterDns: `127.0.0.1:${String(cluster.port)}`,
      upstreams: [{ address: "127.0.0.1", port: upstream.port }],
      ...options,
    });
    const file = join(folder, "config.yml");
    writeFileSync(file, config.replace(`:${String(DNS_FILTER_POD_PORT)}`, `127.0.0.1:${String(port)}`));
    const child = spawn(blocky, ["--config", file], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    filter = child;
    output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += String(chunk)));
    const deadline = Date.now() + 30_000;
    while (!(await healthy())) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`Blocky does not answer:\n${output}`);
      await sleep(100);
    }
  }

  const healthy = (): Promise<boolean> =>
    promisify(execFile)(blocky, ["healthcheck", "--port", String(port)]).then(
      () => true,
      () => false,
    );

  /** What a resolver was asked, but for the name that Blocky tries its upstreams with when it starts. */
  const forwarded = ({ questions }: DnsStandIn): string[] =>
    questions.filter((question) => question !== "example.com A");

  const resolves = async (name: string): Promise<string[] | number> => {
    const { code, addresses } = await ask(port, name);
    return code === 0 ? addresses : code;
  };

  describe("with an allow-list", () => {
    beforeEach(() => start({ allow: ["api.example.com", ".example.org", "cdn.example.com"] }));

    it("resolves an allowed name, whatever it is an alias of", async () => {
      assert.deepEqual(await resolves("api.example.com"), ["192.0.2.10"]);
      assert.deepEqual(await resolves("API.Example.com"), ["192.0.2.10"]);
      assert.deepEqual(await resolves("cdn.example.com"), ["192.0.2.30"]);
    });

    it("resolves what is beneath a name with a dot in front, and that name", async () => {
      assert.deepEqual(await resolves("example.org"), ["192.0.2.20"]);
      assert.deepEqual(await resolves("www.example.org"), ["192.0.2.21"]);
      assert.deepEqual(await resolves("a.b.example.org"), ["192.0.2.22"]);
    });

    it("knows no other name, and asks nobody for it", async () => {
      for (const name of ["exfiltration.example.net", "deep.api.example.com", "notexample.org", "com"]) {
        assert.equal(await resolves(name), NO_SUCH_NAME, name);
      }
      for (const type of [16, 28, 65])
        assert.equal((await ask(port, "exfiltration.example.net", type)).code, NO_SUCH_NAME);
      assert.deepEqual([...forwarded(upstream), ...forwarded(cluster)], []);
    });

    it("asks the cluster's DNS for the cluster's names, and nobody else", async () => {
      assert.deepEqual(await resolves("cell-gateway.cell.svc.cluster.local"), ["10.96.0.7"]);
      assert.equal(await resolves("missing.cell.svc.cluster.local"), NO_SUCH_NAME);
      assert.deepEqual(forwarded(upstream), []);
      assert.equal(forwarded(cluster).length, 2);
    });

    it("logs what was asked, by whom and why it was refused, as JSON", async () => {
      await resolves("exfiltration.example.net");
      await sleep(200);
      const line = output.split("\n").find((text) => text.includes("exfiltration.example.net"));
      assert.ok(line, output);
      const entry = JSON.parse(line) as Record<string, unknown>;
      assert.match(JSON.stringify(entry), /BLOCKED/);
      assert.match(JSON.stringify(entry), /127\.0\.0\.1/);
    });

    it("listens for nothing but DNS: no API that would switch it off", () => {
      const listeners = [...output.matchAll(/"(DNS|TLS|HTTP|HTTPS) += (\[[^"]*\])"/g)].map(([, kind, on]) => [
        kind,
        on,
      ]);
      assert.deepEqual(Object.fromEntries(listeners), {
        DNS: `[127.0.0.1:${String(port)}]`,
        TLS: "[]",
        HTTP: "[]",
        HTTPS: "[]",
      });
    });
  });

  it("finds a Service soon after it was made, though it was asked for before", async () => {
    await start({});
    const name = "late.cell.svc.cluster.local";
    assert.equal(await resolves(name), NO_SUCH_NAME);
    CLUSTER[name] = ["10.96.0.8"];
    try {
      const deadline = Date.now() + 15_000;
      while ((await resolves(name)) === NO_SUCH_NAME && Date.now() < deadline) await sleep(500);
      assert.deepEqual(await resolves(name), ["10.96.0.8"]);
    } finally {
      Reflect.deleteProperty(CLUSTER, name);
    }
  });

  it("resolves nothing but the cluster's names by default", async () => {
    await start({});
    assert.equal(await resolves("api.example.com"), NO_SUCH_NAME);
    assert.deepEqual(await resolves("cell-gateway.cell.svc.cluster.local"), ["10.96.0.7"]);
  });

  it("resolves everything but a deny-list when it is told so", async () => {
    await start({ allow: ["*"], deny: [".example.net", "www.example.org"] });
    assert.deepEqual(await resolves("api.example.com"), ["192.0.2.10"]);
    assert.equal(await resolves("exfiltration.example.net"), NO_SUCH_NAME);
    assert.equal(await resolves("www.example.org"), NO_SUCH_NAME);
    assert.deepEqual(await resolves("example.org"), ["192.0.2.20"]);
  });

  it("keeps quiet about queries when it is told so", async () => {
    await start({ allow: [".example.org"], queryLog: false });
    await resolves("example.org");
    await resolves("exfiltration.example.net");
    await sleep(200);
    assert.ok(!/exfiltration|question_name/.test(output), output);
  });

  it("starts without its upstreams, and answers for them when they are there", async () => {
    const later = await freePort();
    await start({ allow: ["api.example.com"], upstreams: [{ address: "127.0.0.1", port: later }] });
    const standIn = await dnsStandIn((name) => PUBLIC[name], "127.0.0.1", later);
    try {
      assert.deepEqual(await resolves("api.example.com"), ["192.0.2.10"]);
    } finally {
      await standIn.close();
    }
  });
});
