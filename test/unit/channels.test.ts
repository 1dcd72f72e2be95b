import assert from "node:assert/strict";
import { ChannelDmPolicy, SignalDaemon, type ChannelsOptions } from "../../components/channel-options";
import {
  assertChannelEgress,
  channelHosts,
  channelsConfig,
  channelSecrets,
  checkChannels,
  enabledChannels,
  OFFICIAL_IMAGE_PLUGINS,
} from "../../components/channels";
import { ValidationFailed } from "../../components/errors";
import { gatewayConfig } from "../../components/openclaw/config";

const TOKEN = { value: "canary" };
const ALL: ChannelsOptions = {
  telegram: { botToken: TOKEN, allowFrom: ["1001"], groups: { "-5001": {} } },
  discord: {
    token: TOKEN,
    dmPolicy: ChannelDmPolicy.Disabled,
    groups: { "123456789012345678": { requireMention: false } },
    groupAllowFrom: ["*"],
  },
  slack: { botToken: TOKEN, appToken: TOKEN, groups: { C0123456789: {} }, groupAllowFrom: ["U0123456789"] },
  whatsapp: { dmPolicy: ChannelDmPolicy.Allowlist, allowFrom: ["+15551234567"], mediaMaxMb: 5 },
  signal: { account: "+15551234567", daemonUrl: "https://signal.example.com", daemon: SignalDaemon.RestApi },
};
const PLUGINS = ["discord", "slack", "whatsapp", "signal"];

function refusal(action: () => unknown): ValidationFailed {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof ValidationFailed, String(error));
    return error;
  }
  throw new Error("accepted");
}

describe("channels", () => {
  it("are configured so that only who is listed or paired gets through", () => {
    const env = (id: string) => ({ source: "env", provider: "default", id });
    assert.deepEqual(channelsConfig(ALL), {
      channels: {
        telegram: {
          enabled: true,
          configWrites: false,
          dmPolicy: "pairing",
          allowFrom: ["1001"],
          groupPolicy: "allowlist",
          groupAllowFrom: ["1001"],
          groups: { "-5001": { requireMention: true } },
          botToken: env("TELEGRAM_BOT_TOKEN"),
        },
        discord: {
          enabled: true,
          configWrites: false,
          dmPolicy: "disabled",
          groupPolicy: "allowlist",
          guilds: { "123456789012345678": { requireMention: false } },
          token: env("DISCORD_BOT_TOKEN"),
        },
        slack: {
          enabled: true,
          configWrites: false,
          dmPolicy: "pairing",
          groupPolicy: "allowlist",
          channels: { C0123456789: { requireMention: true, users: ["U0123456789"] } },
          botToken: env("SLACK_BOT_TOKEN"),
          appToken: env("SLACK_APP_TOKEN"),
          mode: "socket",
        },
        whatsapp: {
          enabled: true,
          configWrites: false,
          dmPolicy: "allowlist",
          allowFrom: ["+15551234567"],
          mediaMaxMb: 5,
          groupPolicy: "disabled",
        },
        signal: {
          enabled: true,
          configWrites: false,
          dmPolicy: "pairing",
          groupPolicy: "disabled",
          account: "+15551234567",
          transport: { kind: "container", url: "https://signal.example.com" },
        },
      },
    });
  });

  it("are what OpenClaw's schema accepts, and hold no token", () => {
    checkChannels(ALL, PLUGINS);
    assert.ok(!JSON.stringify(gatewayConfig({}, { environment: "dev", channels: ALL })).includes("canary"));
  });

  it("are off when they say so", () => {
    const off: ChannelsOptions = { telegram: { enabled: false }, slack: { enabled: false } };
    checkChannels(off, []);
    assert.deepEqual(
      [enabledChannels(off), channelsConfig(off), channelHosts(off), channelSecrets(off)],
      [[], {}, [], []],
    );
    assertChannelEgress(off, { forwardProxy: false, egressRules: 0 });
  });

  it("reach the hosts of their services, each only when it is on", () => {
    assert.deepEqual(channelHosts({ telegram: {} }), ["api.telegram.org"]);
    assert.deepEqual(channelHosts({ telegram: { apiRoot: "https://bot.example.com:8443" } }), ["bot.example.com"]);
    assert.deepEqual(channelHosts(ALL), [
      ".discord.gg",
      ".slack.com",
      ".whatsapp.net",
      "api.telegram.org",
      "cdn.discordapp.com",
      "discord.com",
      "media.discordapp.net",
      "signal.example.com",
      "web.whatsapp.com",
    ]);
  });

  it("need a way out", () => {
    const none = { forwardProxy: false, egressRules: 0 };
    const error = refusal(() => assertChannelEgress({ telegram: {}, slack: {} }, none));
    assert.match(error.message, /^gateway\.channels: telegram, slack are on, and the gateway can reach nothing/);
    assertChannelEgress({ telegram: {} }, { ...none, forwardProxy: true });
    assertChannelEgress({ telegram: {} }, { ...none, egressRules: 1 });
  });

  it("have no private Signal daemon behind the forward proxy, which reaches public names alone", () => {
    for (const host of ["signal", "signal.chat.svc", "signal.chat.svc.cluster.local", "10.0.0.1", "[fd00::1]"]) {
      const signal = { account: "+15551234567", daemonUrl: `http://${host}:8080` };
      assert.match(
        refusal(() => assertChannelEgress({ signal }, { forwardProxy: true, egressRules: 0 })).message,
        /daemonUrl/,
      );
      assertChannelEgress({ signal }, { forwardProxy: false, egressRules: 1 });
    }
    assertChannelEgress(ALL, { forwardProxy: true, egressRules: 0 });
  });

  for (const name of PLUGINS) {
    it(`refuse ${name} without its plugin in the image`, () => {
      const error = refusal(() => checkChannels({ [name]: {} }, OFFICIAL_IMAGE_PLUGINS));
      assert.equal(error.where, `gateway.channels.${name}`);
      assert.match(
        error.fix ?? "",
        new RegExp(`OPENCLAW_EXTENSIONS=codex,diagnostics-otel,${name},.*gateway\\.bundledPlugins`),
      );
    });
  }

  const telegram = { botToken: TOKEN };
  const cases: [string, ChannelsOptions, string][] = [
    ["no token", { telegram: {} }, "telegram.botToken"],
    ["half of Slack's tokens", { slack: { botToken: TOKEN } }, "slack.appToken"],
    ["everybody", { telegram: { ...telegram, allowFrom: ["*"] } }, "telegram.allowFrom"],
    ["a name for an id", { telegram: { ...telegram, allowFrom: ["@ada"] } }, "telegram.allowFrom"],
    ["an empty allow-list", { telegram: { ...telegram, dmPolicy: ChannelDmPolicy.Allowlist } }, "telegram.allowFrom"],
    ["a group's name", { telegram: { ...telegram, groups: { team: {} } } }, "telegram.groups"],
    ["a group that nobody may ask in", { telegram: { ...telegram, groups: { "-1": {} } } }, "telegram.groupAllowFrom"],
    [
      "everybody and somebody",
      { telegram: { ...telegram, groups: { "-1": {} }, groupAllowFrom: ["*", "1"] } },
      "telegram.groupAllowFrom",
    ],
    ["people for no group", { telegram: { ...telegram, groupAllowFrom: ["1"] } }, "telegram.groups"],
    ["half a megabyte", { telegram: { ...telegram, mediaMaxMb: 0.5 } }, "telegram.mediaMaxMb"],
    [
      "a credential in the URL",
      { telegram: { ...telegram, apiRoot: "https://u:canary@bot.example.com" } },
      "telegram.apiRoot",
    ],
    ["no account", { signal: { daemonUrl: "http://signal" } }, "signal.account"],
    ["no daemon", { signal: { account: "+15551234567" } }, "signal.daemonUrl"],
  ];
  for (const [what, channels, option] of cases) {
    it(`refuse ${what}, naming the option`, () => {
      const error = refusal(() => checkChannels(channels, PLUGINS));
      assert.equal(error.where, `gateway.channels.${option}`);
      assert.ok(error.fix);
      assert.ok(!error.message.includes("canary"));
    });
  }
});
