import assert from "node:assert/strict";
import { authSecretEnv, gatewayConfig, providerKeyEnv, type GatewayContext } from "../../components/openclaw/config";
import { mergePatch } from "../../components/openclaw/extra-config";
import { OpenClawControlUiMode, type OpenClawOptions } from "../../components/openclaw/options";
import { validateConfig, type OpenClawConfig } from "../../components/openclaw/validate";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import { reverseProxy } from "../support/http-stand-ins";
import {
  bearer,
  freePort,
  podEnv,
  podFiles,
  realOpenClaw,
  secret,
  send,
  startGateway,
  untilStarted,
  type Gateway,
} from "../support/openclaw";

const USER = "ada@example.com";
const PROXY_ADDRESS = "127.0.0.2";

/** The findings of the security audit above `info` that remain, each with the reason; any other fails. */
const REMAINING: Record<string, string> = {
  "fs.config.symlink": "a ConfigMap is mounted as a directory of symlinks, by the kubelet",
};
/** Those that come with a choice of the user's: OpenClaw calls every trusted-proxy set-up critical, to be looked at. */
const REMAINING_BEHIND_PROXY: Record<string, string> = {
  ...REMAINING,
  "gateway.trusted_proxy_auth": "the proxy authenticates people: that is the mode",
  "gateway.trusted_proxy_device_auto_approve": "controlUi.deviceAutoApprove was chosen",
};

interface Finding {
  checkId: string;
  severity: string;
}

interface Validation {
  valid: boolean;
  warnings: unknown[];
  issues?: { path: string; message: string }[];
}

const OFF: OpenClawOptions = { controlUi: { mode: OpenClawControlUiMode.Off } };
const PAIRING: OpenClawOptions = {
  controlUi: { mode: OpenClawControlUiMode.Pairing },
  models: {
    primary: "litellm/gpt",
    providers: { litellm: { baseUrl: "http://litellm:4000/v1", models: [{ id: "gpt" }] } },
  },
};
const TRUSTED_PROXY: OpenClawOptions = {
  controlUi: {
    mode: OpenClawControlUiMode.TrustedProxy,
    userHeader: "x-forwarded-user",
    allowUsers: [USER],
    deviceAutoApprove: true,
  },
  http: { chatCompletions: true },
};

describe("contract with the real OpenClaw: its config", function () {
  this.timeout(180_000);
  let openclaw: InstalledOpenClaw;
  let withoutToken: Gateway;
  const disposals: (() => Promise<void> | void)[] = [];

  before(async function () {
    this.timeout(600_000); // the first run installs
    openclaw = await realOpenClaw(this);
    // It takes a while to fail: OpenClaw looks into the failure by itself. The other tests go on meanwhile.
    withoutToken = start(gatewayConfig(OFF, { environment: "dev" }), await freePort(), {});
  });

  after(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  const cli = async (config: OpenClawConfig, args: string[], secrets: Record<string, string>): Promise<string> => {
    const files = podFiles(config);
    disposals.push(files.remove);
    const ended = openclaw.run(args, podEnv(files, secrets));
    // An invalid config ends with 1, and still prints its JSON.
    return ended.catch((error: { stdout?: string; stderr?: string }) => error.stdout || String(error.stderr));
  };
  const validate = async (config: OpenClawConfig, secrets: Record<string, string>): Promise<Validation> =>
    JSON.parse(await cli(config, ["config", "validate", "--json"], secrets)) as Validation;
  const audit = async (
    config: OpenClawConfig,
    secrets: Record<string, string>,
  ): Promise<{ summary: { critical: number }; findings: Finding[] }> =>
    JSON.parse(await cli(config, ["security", "audit", "--json"], secrets)) as {
      summary: { critical: number };
      findings: Finding[];
    };

  const start = (config: OpenClawConfig, port: number, secrets: Record<string, string>): Gateway => {
    const gateway = startGateway(openclaw, config, port, secrets);
    disposals.push(gateway.dispose);
    return gateway;
  };
  const secretsOf = (options: OpenClawOptions): Record<string, string> => ({
    [authSecretEnv(options)]: secret(),
    [providerKeyEnv("litellm")]: secret(),
  });

  const modes: [string, OpenClawOptions, Omit<GatewayContext, "environment">][] = [
    ["off", OFF, {}],
    [
      "pairing",
      PAIRING,
      { publicOrigin: "https://claw.example.com", trustedProxies: ["10.1.2.0/24"], vaultPath: "/vault" },
    ],
    ["trusted-proxy", TRUSTED_PROXY, { publicOrigin: "https://claw.example.com", trustedProxies: ["10.1.2.0/24"] }],
  ];
  for (const [name, options, context] of modes) {
    const remaining = name === "trusted-proxy" ? REMAINING_BEHIND_PROXY : REMAINING;
    it(`finds nothing wrong with control UI ${name} but ${Object.keys(remaining).join(", ")}`, async () => {
      const config = gatewayConfig(options, { environment: "prod", ...context });
      const secrets = secretsOf(options);
      const [validation, report] = await Promise.all([validate(config, secrets), audit(config, secrets)]);
      assert.deepEqual({ valid: validation.valid, warnings: validation.warnings }, { valid: true, warnings: [] });
      const found = report.findings.filter(({ severity }) => severity !== "info").map(({ checkId }) => checkId);
      assert.deepEqual(found.sort(), Object.keys(remaining).sort());
      assert.equal(report.summary.critical, name === "trusted-proxy" ? 1 : 0);
    });
  }

  describe("pain 1: an upgrade makes the config invalid", () => {
    it("is found here, at the same places as the gateway finds it", async () => {
      // Keys that were removed from OpenClaw, and what other packagers still generate.
      const config = mergePatch(gatewayConfig(PAIRING, { environment: "dev" }), {
        gateway: { bind: "0.0.0.0", auth: { mode: "tokn" }, trustedProxys: [] },
        browser: { profiles: { default: { cdpUrl: "http://127.0.0.1:9222", color: "#fff" } } },
        agents: { defaults: { sandbox: true, memorySearch: { enabled: true } } },
        memory: { backend: "qmd" },
        cron: { enabled: "yes" },
        models: {
          providers: {
            litellm: { apiKey: { source: "evn", provider: "default", id: "KEY" }, models: [{ name: "m" }] },
          },
        },
        diagnostics: { otel: { protocol: "grpc" } },
        logging: { level: "verbose" },
      }) as OpenClawConfig;
      const ours = validateConfig(config).map(({ path }) => path);
      const { valid, issues = [] } = await validate(config, secretsOf(PAIRING));
      assert.equal(valid, false);
      const theirs = issues.map(({ path, message }) => {
        const unknown = /^Unrecognized key: "(.+)"$/.exec(message)?.[1];
        return [...path.split("."), ...(unknown === undefined ? [] : [unknown])].join(".").replace(/\.(\d+)/g, "[$1]");
      });
      assert.equal(theirs.length, 12);
      const missed = theirs.filter((path) => !ours.some((our) => our === path || our.startsWith(`${path}.`)));
      assert.deepEqual(missed, []);
    });
  });

  describe("pain 2: gateway.mode is required", () => {
    it("ends the gateway with exit code 78 when it is missing, and it never is", async () => {
      const complete = gatewayConfig(OFF, { environment: "dev" });
      assert.equal((complete.gateway as { mode?: string }).mode, "local");
      const without = mergePatch(complete, { gateway: { mode: null } }) as OpenClawConfig;
      const exit = await start(without, await freePort(), secretsOf(OFF)).exited;
      assert.equal(exit.code, 78);
      assert.match(exit.output, /gateway\.mode/);
    });
  });

  describe("pain 14: a token that is not there", () => {
    it("ends the gateway, which never makes up a token of its own", async () => {
      const exit = await withoutToken.exited;
      assert.notEqual(exit.code, 0);
      assert.match(exit.output, /required secrets are unavailable/);
    });
  });

  describe("pain 4: the Control UI says pairing required", () => {
    it("lets in whom the proxy names and the options allow, and nobody else", async () => {
      const port = await freePort();
      const password = secret();
      const config = gatewayConfig(TRUSTED_PROXY, {
        environment: "prod",
        port,
        publicOrigin: "https://claw.example.com",
        trustedProxies: [PROXY_ADDRESS],
      });
      const gateway = start(config, port, { [authSecretEnv(TRUSTED_PROXY)]: password });
      await untilStarted(gateway);
      const through = async (identity: Record<string, string>, path: string): Promise<number> => {
        const proxy = await reverseProxy(port, PROXY_ADDRESS, identity);
        disposals.push(proxy.close);
        return (await send({ port: proxy.port, path })).status;
      };
      assert.equal(await through({ "x-forwarded-user": USER }, "/v1/models"), 200);
      assert.equal(await through({ "x-forwarded-user": USER }, "/"), 200);
      assert.equal(await through({ "x-forwarded-user": "eve@example.com" }, "/v1/models"), 401);
      assert.equal(await through({}, "/v1/models"), 401);
      // A Pod that reaches the gateway past the proxy, and claims to be somebody.
      assert.equal((await gateway.get("/v1/models", { "x-forwarded-user": USER })).status, 403);
      // The gateway's own jobs.
      assert.equal((await gateway.get("/v1/models", bearer(password))).status, 200);
      const exit = await gateway.terminate();
      assert.equal(exit.code, 0, exit.output.slice(-2000));
    });
  });

  it("starts without the Control UI, serves none, and ends within seconds when idle", async () => {
    const port = await freePort();
    const gateway = start(gatewayConfig(OFF, { environment: "dev", port }), port, secretsOf(OFF));
    await untilStarted(gateway);
    assert.notEqual((await gateway.get("/")).status, 200);
    const exit = await gateway.terminate();
    assert.equal(exit.code, 0, exit.output.slice(-2000));
    assert.ok(exit.seconds < 30, `${exit.seconds} s`);
  });
});
