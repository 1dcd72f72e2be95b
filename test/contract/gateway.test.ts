import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayConfig, GATEWAY_TOKEN_ENV, providerKeyEnv } from "../../components/openclaw/config";
import type { OpenClawOptions } from "../../components/openclaw/options";
import { probeCommand, PROBE_TIMEOUT_SECONDS, TERMINATION_GRACE_PERIOD_SECONDS } from "../../components/openclaw/pod";
import { openclawSchema, type OpenClawConfig } from "../../components/openclaw/validate";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import { modelStandIn, reverseProxy, type ModelStandIn } from "../support/http-stand-ins";
import {
  bearer,
  freePort,
  OPENCLAW_VERSION,
  probeUnknownPath,
  realOpenClaw,
  secret,
  send,
  startGateway,
  until,
  untilStarted,
  type Gateway,
} from "../support/openclaw";

/** Loopback addresses stand for the cluster's: the entry's proxy connects from the first, a stranger from the second. */
const PROXY_ADDRESS = "127.0.0.2";
const STRANGER_ADDRESS = "127.0.0.3";

describe("contract with the real OpenClaw gateway", function () {
  this.timeout(180_000);
  let openclaw: InstalledOpenClaw;
  let model: ModelStandIn;
  let gateway: Gateway;
  let config: OpenClawConfig;
  const token = secret();
  const modelKey = secret();
  const disposals: (() => Promise<void>)[] = [];

  before(async function () {
    this.timeout(600_000); // the first run installs
    openclaw = await realOpenClaw(this);
    model = await modelStandIn("pong");
    disposals.push(model.close);
    const port = await freePort();
    const options: OpenClawOptions = {
      http: { chatCompletions: true },
      models: {
        primary: "stand-in/echo",
        providers: { "stand-in": { baseUrl: `http://127.0.0.1:${model.port}/v1`, models: [{ id: "echo" }] } },
      },
    };
    config = gatewayConfig(options, {
      environment: "dev",
      port,
      trustedProxies: [`${PROXY_ADDRESS}/32`],
      publicOrigin: "https://claw.example.com",
    });
    gateway = startGateway(openclaw, config, port, {
      [GATEWAY_TOKEN_ENV]: token,
      [providerKeyEnv("stand-in")]: modelKey,
    });
    disposals.push(gateway.dispose);
  });

  after(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  const chat = (): Promise<{ status: number; body: string }> =>
    send({
      port: gateway.port,
      path: "/v1/chat/completions",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "ping" }] }),
    });

  it("is the version of the pinned image, and so is the stored schema", async () => {
    assert.equal(openclawSchema().version, OPENCLAW_VERSION);
    assert.match(await openclaw.run(["--version"]), new RegExp(`\\b${OPENCLAW_VERSION.replaceAll(".", "\\.")}\\b`));
  });

  describe("pain 11: probes that pass for ever", () => {
    it("is not ready while it starts, although it answers", async () => {
      await until(gateway, "/startupz", (answer) => answer.status === 503);
      const { code, stderr } = await gateway.probe(probeCommand("/startupz", gateway.port));
      assert.equal(code, 1);
      // Starting blocks the event loop for seconds at a time on a slow machine.
      assert.match(stderr, /^\/startupz: (503 starting|timeout)$/);
    });

    it("is live and ready once it has started", async () => {
      await untilStarted(gateway);
      for (const path of ["/healthz", "/startupz"] as const) {
        const { code, stderr, milliseconds } = await gateway.probe(probeCommand(path, gateway.port));
        assert.equal(code, 0, stderr);
        assert.ok(milliseconds < PROBE_TIMEOUT_SECONDS * 1000, `${path} took ${milliseconds} ms`);
      }
    });

    it("fails on an unknown path, although the gateway answers 200 there", async () => {
      const answer = await gateway.get("/startedz");
      assert.equal(answer.status, 200);
      assert.match(answer.type, /^text\/html/);
      const { code, stderr } = await gateway.probe(probeUnknownPath(gateway.port));
      assert.equal(code, 1);
      assert.equal(stderr, "/startedz: no JSON");
    });

    it("fails when nobody listens", async () => {
      const { code, stderr } = await gateway.probe(probeCommand("/healthz", await freePort()));
      assert.equal(code, 1);
      assert.equal(stderr, "/healthz: ECONNREFUSED");
    });
  });

  describe("authentication", () => {
    it("refuses a missing and a wrong token, and accepts the right one", async () => {
      assert.equal((await gateway.get("/v1/models")).status, 401);
      assert.equal((await gateway.get("/v1/models", bearer(secret()))).status, 401);
      const accepted = await gateway.get("/v1/models", bearer(token));
      assert.equal(accepted.status, 200, accepted.body);
    });

    it("calls the model with the key from the environment", async () => {
      const answer = await chat();
      assert.equal(answer.status, 200, answer.body);
      assert.match(answer.body, /pong/);
      assert.deepEqual([...new Set(model.authorizations)], [`Bearer ${modelKey}`]);
    });

    it("never logs a secret", () => {
      for (const value of [token, modelKey]) assert.ok(!gateway.output().includes(value));
    });
  });

  describe("pain 3: proxy_attribution_required behind an entry", () => {
    for (const path of ["/startupz", "/v1/models"]) {
      it(`answers 200 on ${path} when the proxy's address is trusted`, async () => {
        const proxy = await reverseProxy(gateway.port, PROXY_ADDRESS);
        disposals.push(proxy.close);
        const answer = await send({ port: proxy.port, path, headers: bearer(token) });
        assert.equal(answer.status, 200, answer.body);
      });

      it(`answers 403 on ${path} when it is not`, async () => {
        const stranger = await reverseProxy(gateway.port, STRANGER_ADDRESS);
        disposals.push(stranger.close);
        const answer = await send({ port: stranger.port, path, headers: bearer(token) });
        assert.equal(answer.status, 403);
        assert.match(answer.body, /proxy_attribution_required/);
      });
    }
  });

  describe("pain 8: a config that is edited in the Pod", () => {
    it("is refused by the CLI, and stays as it was mounted", async () => {
      const file = join(gateway.files.configDir, "openclaw.json");
      const before = readFileSync(file, "utf8");
      const edit = openclaw.run(["config", "set", "logging.level", "debug"], gateway.env);
      await assert.rejects(edit, (error: Error & { stderr?: string }) =>
        /read-?only/i.test(`${error.message}${error.stderr}`),
      );
      assert.equal(readFileSync(file, "utf8"), before);
      assert.deepEqual(readdirSync(gateway.files.configDir).sort(), ["..2026_11_21", "..data", "openclaw.json"]);
    });

    it("writes nothing outside the state's volume: the rest is read-only in a Pod", () => {
      assert.deepEqual(readdirSync(join(gateway.files.root, "home")), []);
      assert.deepEqual(readdirSync(gateway.files.stateDir).sort(), ["cache", "openclaw"]);
    });
  });

  describe("pain 7: work lost in the drain", () => {
    it("ends after the model call that is in flight, whose answer still arrives", async () => {
      model.hold();
      const call = chat();
      await model.held;
      const ended = gateway.terminate();
      await sleep(2000);
      model.release();
      const answer = await call;
      assert.equal(answer.status, 200, answer.body);
      assert.match(answer.body, /pong/);
      const exit = await ended;
      assert.equal(exit.code, 0, exit.output.slice(-2000));
      assert.ok(exit.seconds >= 2 && exit.seconds < TERMINATION_GRACE_PERIOD_SECONDS, `${exit.seconds} s`);
    });
  });
});
