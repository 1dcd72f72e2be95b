import assert from "node:assert/strict";
import fc from "fast-check";
import { ValidationFailed } from "../../components/errors";
import { configHash } from "../../components/config-hash";
import {
  authSecretEnv,
  configText,
  gatewayConfig,
  GATEWAY_PASSWORD_ENV,
  GATEWAY_TOKEN_ENV,
  providerKeyEnvs,
  type GatewayContext,
} from "../../components/openclaw/config";
import { mergePatch } from "../../components/openclaw/extra-config";
import { isObject, type JsonObject, type JsonValue } from "../../components/openclaw/json";
import {
  OpenClawControlUiMode,
  OpenClawModelApi,
  type OpenClawModelProvider,
  type OpenClawOptions,
} from "../../components/openclaw/options";
import type { OpenClawConfig } from "../../components/openclaw/validate";

const DEV: GatewayContext = { environment: "dev" };
const MODEL: OpenClawModelProvider = { baseUrl: "http://litellm:4000/v1", models: [{ id: "gpt" }] };

function at(config: OpenClawConfig, path: string): JsonValue | undefined {
  return path
    .split(".")
    .reduce<JsonValue | undefined>((value, key) => (isObject(value) ? value[key] : undefined), config);
}

function refused(options: OpenClawOptions, ...messages: RegExp[]): void {
  assert.throws(
    () => gatewayConfig(options, DEV),
    (error) => {
      assert.ok(error instanceof ValidationFailed, String(error));
      for (const message of messages) assert.match(error.message, message);
      return true;
    },
  );
}

const withExtra = (extra: unknown): OpenClawOptions => ({ extraConfig: JSON.stringify(extra) });

describe("a gateway's config", () => {
  it("guarantees what a Pod needs, with no options at all", () => {
    const config = gatewayConfig({}, DEV);
    const expected: Record<string, JsonValue> = {
      "gateway.mode": "local", // pain 2
      "gateway.bind": "lan",
      "gateway.port": 18789,
      "gateway.auth.mode": "token",
      "gateway.auth.token": { source: "env", provider: "default", id: "OPENCLAW_GATEWAY_TOKEN" },
      "gateway.auth.rateLimit": { maxAttempts: 10, windowMs: 60000, lockoutMs: 300000 },
      "gateway.trustedProxies": [],
      "gateway.controlUi.enabled": true,
      "gateway.controlUi.allowedOrigins": ["http://localhost:18789", "http://127.0.0.1:18789"],
      "gateway.controlUi.environment": { label: "dev", color: "blue" },
      "gateway.http.endpoints": { chatCompletions: { enabled: false }, responses: { enabled: false } },
      "gateway.terminal.enabled": false,
      "gateway.tailscale.mode": "off",
      "update.checkOnStart": false,
      "update.auto.enabled": false,
      "telemetry.enabled": false,
      "discovery.mdns.mode": "off",
      "models.catalogRefresh.enabled": false,
      "logging.consoleStyle": "json",
      "secrets.providers.default": { source: "env" },
      "memory.search.provider": "none",
    };
    for (const [path, value] of Object.entries(expected)) assert.deepEqual(at(config, path), value, path);
    assert.equal(at(config, "security"), undefined);
  });

  it("takes origins, proxies and the vault from its surroundings", () => {
    const config = gatewayConfig(
      { memorySearch: { extraPaths: ["/notes"] } },
      {
        environment: "qa",
        publicOrigin: "https://claw.example.com",
        trustedProxies: ["10.1.2.0/24"],
        vaultPath: "/vault",
      },
    );
    assert.equal(at(config, "gateway.publicOrigin"), "https://claw.example.com");
    assert.deepEqual(at(config, "gateway.controlUi.allowedOrigins"), [
      "https://claw.example.com",
      "http://localhost:18789",
      "http://127.0.0.1:18789",
    ]);
    assert.deepEqual(at(config, "gateway.trustedProxies"), ["10.1.2.0/24"]);
    assert.deepEqual(at(config, "memory.search.extraPaths"), ["/vault", "/notes"]);
    assert.deepEqual(at(config, "gateway.controlUi.environment"), { label: "qa", color: "gray" });
  });

  it("refers to a provider's key by a variable, and offers only the providers that are named", () => {
    const options: OpenClawOptions = {
      models: {
        primary: "lite-llm/gpt",
        providers: { "lite-llm": MODEL, local: { ...MODEL, api: OpenClawModelApi.Ollama, apiKey: false } },
      },
    };
    const config = gatewayConfig(options, DEV);
    assert.equal(at(config, "models.mode"), "replace");
    assert.deepEqual(at(config, "models.providers.lite-llm.apiKey"), {
      source: "env",
      provider: "default",
      id: "MODEL_LITE_LLM_API_KEY",
    });
    assert.equal(at(config, "models.providers.local.apiKey"), undefined);
    assert.equal(at(config, "agents.defaults.model.primary"), "lite-llm/gpt");
    assert.deepEqual(providerKeyEnvs(options), { "lite-llm": "MODEL_LITE_LLM_API_KEY" });
  });

  it("is refused when a model's provider does not exist, or an id is malformed", () => {
    refused(
      { models: { primary: "openai/gpt", fallbacks: ["gpt"], providers: { litellm: MODEL } } },
      /models\.primary/,
      /models\.fallbacks\[0\]/,
      /litellm/,
    );
    refused({ models: { providers: { "Lite LLM": MODEL } } }, /models\.providers\.Lite LLM: is no provider id/);
  });

  it("has a text whose hash does not depend on the order of keys", () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), (value) => {
        const config = JSON.parse(JSON.stringify(value)) as JsonObject;
        const reversed = Object.fromEntries(Object.entries(config).reverse());
        assert.equal(configText(reversed), configText(config));
        assert.deepEqual(JSON.parse(configText(config)), config);
      }),
    );
    assert.match(configHash(configText(gatewayConfig({}, DEV))), /^[0-9a-f]{12}$/);
    assert.notEqual(
      configHash(configText(gatewayConfig({ cron: false }, DEV))),
      configHash(configText(gatewayConfig({}, DEV))),
    );
  });
});

describe("pain 4: the Control UI says pairing required", () => {
  const controlUi = {
    mode: OpenClawControlUiMode.TrustedProxy,
    userHeader: "x-forwarded-user",
    allowUsers: ["ada@example.com"],
  };
  const context: GatewayContext = { environment: "prod", trustedProxies: ["10.1.2.3"] };

  it("is answered by trusted-proxy mode, with a password for the gateway's own jobs instead of the token", () => {
    const config = gatewayConfig({ controlUi: { ...controlUi, deviceAutoApprove: true } }, context);
    assert.equal(at(config, "gateway.auth.mode"), "trusted-proxy");
    assert.equal(at(config, "gateway.auth.token"), undefined);
    assert.deepEqual(at(config, "gateway.auth.password"), {
      source: "env",
      provider: "default",
      id: GATEWAY_PASSWORD_ENV,
    });
    assert.deepEqual(at(config, "gateway.auth.trustedProxy"), {
      userHeader: "x-forwarded-user",
      requiredHeaders: [],
      allowUsers: ["ada@example.com"],
      deviceAutoApprove: { enabled: true },
    });
    assert.equal(authSecretEnv({ controlUi }), GATEWAY_PASSWORD_ENV);
    assert.equal(authSecretEnv({}), GATEWAY_TOKEN_ENV);
  });

  it("needs the header, the people and an entry", () => {
    refused(
      { controlUi: { mode: OpenClawControlUiMode.TrustedProxy } },
      /controlUi\.userHeader/,
      /controlUi\.allowUsers/,
      /needs an entry/,
    );
  });

  it("has no half-way: its options do nothing in another mode, and are refused there", () => {
    refused(
      { controlUi: { userHeader: "x-forwarded-user", deviceAutoApprove: true } },
      /controlUi\.userHeader/,
      /controlUi\.deviceAutoApprove/,
    );
  });

  it("is not answered by switching the pairing off", () => {
    refused(
      withExtra({ gateway: { controlUi: { dangerouslyDisableDeviceAuth: true } } }),
      /gateway\.controlUi\.dangerouslyDisableDeviceAuth is never set/,
    );
  });
});

describe("extraConfig", () => {
  it("merges maps, replaces lists and removes what is null", () => {
    const config = gatewayConfig(
      {
        tools: { deny: ["group:fs"] },
        ...withExtra({
          agents: { entries: { main: {} } },
          tools: { deny: ["group:web"] },
          session: null,
          logging: { level: "debug" },
        }),
      },
      DEV,
    );
    assert.deepEqual(at(config, "agents.entries"), { main: {} });
    assert.deepEqual(at(config, "tools.deny"), ["group:web"]);
    assert.equal(at(config, "session"), undefined);
    assert.deepEqual(at(config, "logging"), { consoleStyle: "json", level: "debug" });
  });

  const changes: [unknown, RegExp][] = [
    [{ gateway: { mode: "remote" } }, /gateway\.mode cannot be changed/],
    [{ gateway: { bind: "loopback", port: 1 } }, /gateway\.bind cannot[\s\S]*gateway\.port cannot/],
    [{ gateway: null }, /gateway\.mode[\s\S]*gateway\.auth\.mode is decided by gateway\.openclaw\.controlUi\.mode/],
    [{ gateway: "off" }, /gateway\.mode/],
    [{ gateway: { auth: { mode: "none" } } }, /gateway\.auth\.mode is decided by gateway\.openclaw\.controlUi\.mode/],
    [{ gateway: { auth: { token: "letmein" } } }, /gateway\.auth\.token is decided by gateway\.token/],
    [{ gateway: { auth: { password: "letmein" } } }, /gateway\.auth\.password is decided by gateway\.token/],
    [{ gateway: { auth: { rateLimit: { maxAttempts: 1e6 } } } }, /decided by gateway\.openclaw\.authRateLimit/],
    [{ gateway: { auth: { rateLimit: { exemptLoopback: true } } } }, /gateway\.auth\.rateLimit is decided by/],
    [{ gateway: { trustedProxies: ["0.0.0.0/0"] } }, /gateway\.trustedProxies is decided by the entry/],
    [{ gateway: { allowRealIpFallback: true, tls: { enabled: true } } }, /allowRealIpFallback[\s\S]*tls/],
    [{ gateway: { controlUi: { allowedOrigins: ["*"] } } }, /exact origins, never \*/],
    [{ gateway: { controlUi: { allowedOrigins: ["https://*.example.com"] } } }, /exact origins/],
    [{ gateway: { controlUi: { enabled: false } } }, /decided by gateway\.openclaw\.controlUi\.mode/],
    [{ gateway: { tailscale: { mode: "funnel" } } }, /gateway\.tailscale\.mode cannot be changed/],
    [
      { browser: { ssrfPolicy: { dangerouslyAllowPrivateNetwork: true } } },
      /browser\.ssrfPolicy\.dangerouslyAllowPrivateNetwork is never set/,
    ],
    [{ telemetry: { enabled: true }, update: null }, /update\.checkOnStart[\s\S]*telemetry\.enabled/],
  ];
  for (const [extra, message] of changes) {
    it(`cannot set ${JSON.stringify(extra)}`, () => refused(withExtra(extra), message, /extraConfig/));
  }

  it("never shows what it holds when it is no JSON", () => {
    assert.throws(
      () => gatewayConfig({ extraConfig: '{"token": "s3cr3t' }, DEV),
      (error: Error) => /is no JSON/.test(error.message) && !error.message.includes("s3cr3t"),
    );
    refused({ extraConfig: "[]" }, /no object/);
  });

  it("merges as RFC 7386 says, whatever is merged", () => {
    const value = fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.parse(JSON.stringify(json)) as JsonValue);
    const hasNull = (json: JsonValue): boolean =>
      json === null || (isObject(json) && Object.values(json).some(hasNull));
    fc.assert(
      fc.property(value, value, (target, patch) => {
        const merged = mergePatch(target, patch);
        assert.deepEqual(mergePatch(merged, patch), merged, "merging twice changes nothing");
        assert.deepEqual(mergePatch(target, {}), isObject(target) ? target : {});
        if (!isObject(patch)) return assert.deepEqual(merged, patch);
        for (const [key, wanted] of Object.entries(patch)) {
          const got = isObject(merged) && Object.hasOwn(merged, key) ? merged[key] : undefined;
          if (wanted === null) assert.equal(got, undefined);
          else if (!isObject(wanted)) assert.deepEqual(got, wanted);
          else if (!hasNull(wanted) && !isObject(isObject(target) ? target[key] : undefined))
            assert.deepEqual(got, wanted);
        }
        for (const [key, kept] of Object.entries(isObject(target) ? target : {})) {
          if (!Object.hasOwn(patch, key)) assert.deepEqual(isObject(merged) ? merged[key] : undefined, kept);
        }
      }),
    );
  });

  it("cannot change what is guaranteed, whatever it is", () => {
    const guaranteed = [
      "gateway.mode",
      "gateway.bind",
      "gateway.port",
      "gateway.auth",
      "gateway.trustedProxies",
      "telemetry",
      "update",
    ];
    const plain = gatewayConfig({}, DEV);
    const keys = fc.constantFrom(
      "gateway",
      "auth",
      "mode",
      "bind",
      "port",
      "token",
      "telemetry",
      "enabled",
      "trustedProxies",
      "logging",
    );
    const leaf = fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.constantFrom("none", "lan", "local"));
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, leaf, fc.dictionary(keys, tie("tree"))),
    }));
    fc.assert(
      fc.property(fc.dictionary(keys, tree), (extra) => {
        let config: OpenClawConfig;
        try {
          config = gatewayConfig(withExtra(extra), DEV);
        } catch (error) {
          return assert.ok(error instanceof ValidationFailed, String(error));
        }
        for (const path of guaranteed) assert.deepEqual(at(config, path), at(plain, path), path);
      }),
    );
  });
});

describe("pain 14: a secret in the ConfigMap", () => {
  it("is refused wherever OpenClaw would take a reference", () => {
    const extra = {
      channels: { telegram: { botToken: "123:abc" } },
      models: {
        providers: {
          litellm: {
            baseUrl: "http://litellm",
            apiKey: "${KEY}",
            headers: { Authorization: "Bearer x", "X-Title": "claw" },
          },
        },
      },
    };
    refused(
      withExtra(extra),
      /channels\.telegram\.botToken/,
      /models\.providers\.litellm\.apiKey/,
      /headers\.Authorization/,
      /"source": "env"/,
    );
    assert.throws(
      () => gatewayConfig(withExtra(extra), DEV),
      (error: Error) => !/123:abc|Bearer x|X-Title/.test(error.message),
    );
  });

  it("leaves references and ordinary headers alone", () => {
    const reference = { source: "env", provider: "default", id: "TELEGRAM_BOT_TOKEN" };
    const extra = {
      channels: { telegram: { botToken: reference } },
      models: { providers: { litellm: { headers: { "X-Title": "claw" } } } },
    };
    assert.deepEqual(at(gatewayConfig(withExtra(extra), DEV), "channels.telegram.botToken"), reference);
  });
});
