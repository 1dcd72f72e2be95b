import { isIP } from "node:net";
import { ChannelDmPolicy, SignalDaemon, type ChannelOptions, type ChannelsOptions } from "./channel-options";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import type { JsonObject } from "./openclaw/json";
import { envSecret } from "./openclaw/secret-ref";
import { assertSecret, sealed, SecretFrom, type SecretOptions } from "./secrets";

const NAMES = ["telegram", "discord", "slack", "whatsapp", "signal"] as const;

/** The id of a channel, which is its plugin's as well. */
export type ChannelName = (typeof NAMES)[number];

/** The plugins that OpenClaw's own package has built in. The others are packages of their own. */
const BUILT_IN: readonly string[] = ["telegram"];

/** What the official images have in addition (OpenClaw's docs/install/docker.md, and its release stage "Docker"). */
export const OFFICIAL_IMAGE_PLUGINS = ["codex", "diagnostics-otel"];

/**
 * Where each service is reached, by name; a leading dot means every name below. The addresses are those in the sources
 * of OpenClaw's plugins and of the libraries that they use, at the version of the pinned image:
 * - Telegram: `api.telegram.org` serves the Bot API and its files.
 * - Discord: REST at `discord.com`, the gateway at `gateway.discord.gg` and, to resume, at the regional name below
 *   `discord.gg` that it sends; attachments at `cdn.discordapp.com` and `media.discordapp.net`.
 * - Slack: the Web API at `slack.com`; `apps.connections.open` sends a socket's address, a name below it
 *   (`wss-primary.slack.com`), and so are files and uploads (`files.slack.com`).
 * - WhatsApp: the socket at `web.whatsapp.com`, media at `mmg.whatsapp.net` and the names below `whatsapp.net` that it sends.
 */
const HOSTS: Record<Exclude<ChannelName, "signal">, string[]> = {
  telegram: ["api.telegram.org"],
  discord: ["discord.com", ".discord.gg", "cdn.discordapp.com", "media.discordapp.net"],
  slack: [".slack.com"],
  whatsapp: ["web.whatsapp.com", ".whatsapp.net"],
};

/** The environment variable of each token, by the option that it is given as. */
const TOKENS: Partial<Record<ChannelName, Record<string, string>>> = {
  telegram: { botToken: "TELEGRAM_BOT_TOKEN" },
  discord: { token: "DISCORD_BOT_TOKEN" },
  slack: { botToken: "SLACK_BOT_TOKEN", appToken: "SLACK_APP_TOKEN" },
};

/** A channel's token: where it comes from, and the variable that the gateway reads it from. */
export interface ChannelSecret {
  /** The option, for example `telegram.botToken`. */
  option: string;
  env: string;
  secret: SecretOptions;
}

/** The channels that are on. */
export function enabledChannels(channels: ChannelsOptions): ChannelName[] {
  return NAMES.filter((name) => channels[name] !== undefined && channels[name].enabled !== false);
}

/** The tokens of the channels that are on; checkChannels has found that each is there. */
export function channelSecrets(channels: ChannelsOptions): ChannelSecret[] {
  return enabledChannels(channels).flatMap((name) => tokensOf(name, channels));
}

/** The same options with every token marked as a secret. */
export function sealedChannels(channels: ChannelsOptions): ChannelsOptions {
  const { telegram, discord, slack } = channels;
  const seal = (secret: SecretOptions | undefined) => secret && sealed(secret);
  return {
    ...channels,
    ...(telegram && { telegram: { ...telegram, botToken: seal(telegram.botToken) } }),
    ...(discord && { discord: { ...discord, token: seal(discord.token) } }),
    ...(slack && { slack: { ...slack, botToken: seal(slack.botToken), appToken: seal(slack.appToken) } }),
  };
}

/**
 * The names that the enabled channels reach, for the forward proxy's allow-list: each exact, or with a leading dot for
 * every name below it.
 */
export function channelHosts(channels: ChannelsOptions): string[] {
  const hosts = enabledChannels(channels).flatMap((name) => {
    if (name === "signal") return [new URL(channels.signal?.daemonUrl ?? "").hostname];
    const { apiRoot } = channels.telegram ?? {};
    return name === "telegram" && apiRoot !== undefined ? [new URL(apiRoot).hostname] : HOSTS[name];
  });
  return [...new Set(hosts)].sort();
}

/**
 * Checks that what is switched on can be reached: default deny would keep a channel silent for ever, and a gateway with
 * such a channel takes 325 s to end.
 * @param open whether the gateway has a forward proxy, and how many egress rules of its own.
 * @throws ValidationFailed naming the channels and both ways out.
 */
export function assertChannelEgress(
  channels: ChannelsOptions,
  open: { forwardProxy: boolean; egressRules: number },
): void {
  const on = enabledChannels(channels);
  if (on.length > 0 && !open.forwardProxy && open.egressRules === 0) {
    throw new ValidationFailed({
      what: `${on.join(", ")} ${on.length === 1 ? "is" : "are"} on, and the gateway can reach nothing outside of the cell`,
      where: "gateway.channels",
      fix: "switch on the egress part, whose forward proxy lets exactly the channels' hosts through, or give gateway.egress rules",
    });
  }
  // With a forward proxy OpenClaw asks it for private names as well, and it refuses them.
  if (on.includes("signal") && open.forwardProxy && isPrivateName(new URL(channels.signal?.daemonUrl ?? "").hostname)) {
    throw new ValidationFailed({
      what: "the daemon has a private name, and the forward proxy lets the gateway reach public ones alone",
      where: "gateway.channels.signal.daemonUrl",
      fix: "publish the daemon under a public name, or run the cell without the egress part and give a gateway.egress rule for it",
    });
  }
}

function isPrivateName(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, "")) !== 0 || !host.includes(".") || /\.(svc|local|internal)$/.test(host);
}

/**
 * Checks the options of the channels, all that are on.
 * @param plugins what the image has besides what OpenClaw has built in.
 * @param externalSecrets where tokens come from that no option says otherwise about.
 * @throws ValidationFailed naming the option and the fix.
 */
export function checkChannels(
  channels: ChannelsOptions,
  plugins: readonly string[],
  externalSecrets?: ExternalSecretsOptions,
): void {
  for (const name of enabledChannels(channels)) {
    const options: ChannelOptions = channels[name] ?? {};
    checkPlugin(name, plugins);
    checkAccess(name, options);
    for (const { option, secret } of tokensOf(name, channels)) {
      assertSecret(secret, SecretFrom.Value, `gateway.channels.${option}`, externalSecrets);
    }
  }
  checkAddresses(channels);
}

/** The `channels` of a gateway's config; checkChannels has been through the options. */
export function channelsConfig(channels: ChannelsOptions): JsonObject {
  const names = enabledChannels(channels);
  if (names.length === 0) return {};
  return { channels: Object.fromEntries(names.map((name) => [name, channelConfig(name, channels)])) };
}

function channelConfig(name: ChannelName, channels: ChannelsOptions): JsonObject {
  const options: ChannelOptions = channels[name] ?? {};
  const tokens = Object.entries(TOKENS[name] ?? {}).map(([field, env]): [string, JsonObject] => [
    field,
    envSecret(env),
  ]);
  return {
    enabled: true,
    // The config is read-only: `/config set` in a chat could only fail.
    configWrites: false,
    dmPolicy: options.dmPolicy ?? ChannelDmPolicy.Pairing,
    ...(options.allowFrom === undefined ? {} : { allowFrom: options.allowFrom }),
    ...(options.mediaMaxMb === undefined ? {} : { mediaMaxMb: options.mediaMaxMb }),
    ...groupConfig(name, options),
    ...Object.fromEntries(tokens),
    ...specificConfig(name, channels),
  };
}

/** Which groups, and who in them. Each channel has fields of its own for the same two questions. */
function groupConfig(
  name: ChannelName,
  { groups = {}, allowFrom = [], groupAllowFrom = allowFrom }: ChannelOptions,
): JsonObject {
  const entries = Object.entries(groups).map(([id, group]): [string, JsonObject] => [
    id,
    { requireMention: group.requireMention ?? true },
  ]);
  // WhatsApp and Signal take a missing list for every group, so that nothing but "disabled" means none.
  if (entries.length === 0) return { groupPolicy: "disabled" };
  if (name === "discord" || name === "slack") {
    const users: JsonObject = groupAllowFrom.includes("*") ? {} : { users: groupAllowFrom };
    const listed = entries.map(([id, group]): [string, JsonObject] => [id, { ...group, ...users }]);
    return { groupPolicy: "allowlist", [name === "discord" ? "guilds" : "channels"]: Object.fromEntries(listed) };
  }
  return { groupPolicy: "allowlist", groupAllowFrom, groups: Object.fromEntries(entries) };
}

function specificConfig(name: ChannelName, { telegram, signal }: ChannelsOptions): JsonObject {
  if (name === "telegram" && telegram?.apiRoot !== undefined) return { apiRoot: telegram.apiRoot };
  if (name === "slack") return { mode: "socket" };
  if (name !== "signal") return {};
  const transport = { kind: signal?.daemon ?? SignalDaemon.Native, url: signal?.daemonUrl ?? "" };
  return { account: signal?.account ?? "", transport };
}

function tokensOf(name: ChannelName, { telegram, discord, slack }: ChannelsOptions): ChannelSecret[] {
  const given: Record<string, SecretOptions | undefined> = {
    "telegram.botToken": telegram?.botToken,
    "discord.token": discord?.token,
    "slack.botToken": slack?.botToken,
    "slack.appToken": slack?.appToken,
  };
  return Object.entries(TOKENS[name] ?? {}).map(([field, env]) => {
    const option = `${name}.${field}`;
    return { option, env, secret: given[option] ?? {} };
  });
}

function checkPlugin(name: ChannelName, plugins: readonly string[]): void {
  if (BUILT_IN.includes(name) || plugins.includes(name)) return;
  throw new ValidationFailed({
    what: `OpenClaw's plugin ${name} is not in the image, which has ${plugins.join(", ") || "none besides the built-in ones"}`,
    where: `gateway.channels.${name}`,
    fix: `build an image with OPENCLAW_EXTENSIONS=${[...plugins, name].join(",")}, name it as gateway.image, and add ${name} to gateway.bundledPlugins`,
  });
}

/** Ids, not names: names can be taken over, and OpenClaw matches them only when told to be careless. */
const IDS: Record<ChannelName, { person: RegExp; group: RegExp; example: string }> = {
  telegram: { person: /^\d+$/, group: /^-\d+$/, example: "123456789 for a person, -1001234567890 for a group" },
  discord: {
    person: /^\d{15,20}$/,
    group: /^\d{15,20}$/,
    example: "a person's or a server's number, 123456789012345678",
  },
  slack: {
    person: /^[UW][A-Z0-9]{6,}$/,
    group: /^[CG][A-Z0-9]{6,}$/,
    example: "U0123456789 for a person, C0123456789 for a channel",
  },
  whatsapp: {
    person: /^\+\d{7,15}$/,
    group: /^[\d-]+@g\.us$/,
    example: "+15551234567 for a person, 120363424282127706@g.us for a group",
  },
  signal: {
    person: /^(\+\d{7,15}|uuid:[0-9a-f-]{36})$/,
    group: /^[A-Za-z0-9+/_-]{20,}={0,2}$/,
    example: "+15551234567 or uuid:… for a person, the group's id in base64",
  },
};

function checkAccess(name: ChannelName, options: ChannelOptions): void {
  const { dmPolicy, allowFrom = [], groups = {}, groupAllowFrom = allowFrom, mediaMaxMb } = options;
  const where = `gateway.channels.${name}`;
  const fail = (option: string, what: string, fix: string): never => {
    throw new ValidationFailed({ what, where: `${where}.${option}`, fix });
  };
  const { person, group, example } = IDS[name];
  const wrong = (ids: string[], pattern: RegExp) => ids.find((id) => !pattern.test(id));
  if (allowFrom.includes("*")) {
    fail("allowFrom", "* would let anybody write to the agent", "list the people, or leave it to dmPolicy pairing");
  }
  if (wrong(allowFrom, person) !== undefined) {
    fail("allowFrom", `${JSON.stringify(wrong(allowFrom, person))} is no id of a person`, `write it like ${example}`);
  }
  if (dmPolicy === ChannelDmPolicy.Allowlist && allowFrom.length === 0) {
    fail(
      "allowFrom",
      "dmPolicy is allowlist, and nobody is on the list",
      "list who may write, or use dmPolicy pairing",
    );
  }
  if (wrong(Object.keys(groups), group) !== undefined) {
    fail(
      "groups",
      `${JSON.stringify(wrong(Object.keys(groups), group))} is no id of a group`,
      `write it like ${example}`,
    );
  }
  const everybody = groupAllowFrom.length === 1 && groupAllowFrom[0] === "*";
  if (!everybody && wrong(groupAllowFrom, person) !== undefined) {
    fail(
      "groupAllowFrom",
      `${JSON.stringify(wrong(groupAllowFrom, person))} is no id of a person`,
      `write it like ${example}, or * alone for every member`,
    );
  }
  if (Object.keys(groups).length > 0 && groupAllowFrom.length === 0) {
    fail(
      "groupAllowFrom",
      "there are groups, and nobody in them may ask",
      "list who may, or * for every member of these groups",
    );
  }
  if (Object.keys(groups).length === 0 && options.groupAllowFrom !== undefined) {
    fail(
      "groups",
      "groupAllowFrom says who may ask in groups, and there are none",
      "list the groups, or remove groupAllowFrom",
    );
  }
  if (mediaMaxMb !== undefined && !(Number.isInteger(mediaMaxMb) && mediaMaxMb > 0)) {
    fail("mediaMaxMb", `${String(mediaMaxMb)} is no size`, "use a whole number of MB from 1 up");
  }
}

function checkAddresses(channels: ChannelsOptions): void {
  const on = enabledChannels(channels);
  const { telegram, signal } = channels;
  if (on.includes("telegram") && telegram?.apiRoot !== undefined) checkUrl(telegram.apiRoot, "telegram.apiRoot");
  if (!on.includes("signal")) return;
  if (!/^\+\d{7,15}$/.test(signal?.account ?? "")) {
    throw new ValidationFailed({
      what: "names no account",
      where: "gateway.channels.signal.account",
      fix: "give the number that the daemon is registered or linked with, like +15551234567",
    });
  }
  checkUrl(signal?.daemonUrl ?? "", "signal.daemonUrl");
}

function checkUrl(text: string, option: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "") return;
  // The text is not repeated: a credential may be in it.
  throw new ValidationFailed({
    what: "is no http(s) URL without user and password",
    where: `gateway.channels.${option}`,
    fix: "write it like https://bot-api.example.com",
  });
}
