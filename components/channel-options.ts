import type { SecretOptions } from "./secrets";

/*
 * The typed options of the channels that people reach an agent by. `open`, which lets anybody write to it, is no
 * option: whoever wants that says so in `gateway.openclaw.extraConfig`, where OpenClaw asks for "*" in allowFrom.
 */

/** Who may write to the agent in a direct message. */
export enum ChannelDmPolicy {
  /** A stranger gets a code, and is let in with `openclaw pairing approve`; whoever is in `allowFrom` needs none. */
  Pairing = "pairing",
  /** Those in `allowFrom` alone. */
  Allowlist = "allowlist",
  /** Nobody. */
  Disabled = "disabled",
}

/** A group (Telegram, WhatsApp, Signal), a channel (Slack) or a server (Discord) that the agent answers in. */
export interface ChannelGroup {
  /** Whether it answers only when it is mentioned. Default: true. */
  requireMention?: boolean;
}

/** What every channel has in common. */
export interface ChannelOptions {
  /** Whether the channel is on. Default: true, since it is configured. */
  enabled?: boolean;
  /** Who may write to the agent in a direct message. Default: `pairing`. */
  dmPolicy?: ChannelDmPolicy;
  /**
   * People, by the ids of the service: Telegram and Discord numbers, Slack `U…`, WhatsApp and Signal numbers as
   * `+15551234567`. Default: none.
   */
  allowFrom?: string[];
  /** The groups that the agent answers in, by id; any other is ignored. Default: none. */
  groups?: Record<string, ChannelGroup>;
  /** Who may ask in these groups, as in `allowFrom`; `*` alone means every member. Default: those of `allowFrom`. */
  groupAllowFrom?: string[];
  /** Largest file that is fetched or sent, in MB. Default: OpenClaw's own, which differs by channel. */
  mediaMaxMb?: number;
}

/** Telegram, by the Bot API. OpenClaw has it built in. */
export interface TelegramOptions extends ChannelOptions {
  /** The bot's token. Default: none, and one is needed. */
  botToken?: SecretOptions;
  /** Where the Bot API is, for a server of one's own. Default: `https://api.telegram.org`. */
  apiRoot?: string;
}

/** Discord. OpenClaw's plugin `discord` has to be in the image. */
export interface DiscordOptions extends ChannelOptions {
  /** The bot's token. Default: none, and one is needed. */
  token?: SecretOptions;
}

/** Slack, by its socket mode: nothing has to reach the gateway from outside. The plugin `slack` has to be in the image. */
export interface SlackOptions extends ChannelOptions {
  /** The bot's token, `xoxb-…`. Default: none, and one is needed. */
  botToken?: SecretOptions;
  /** The app's token for socket mode, `xapp-…`. Default: none, and one is needed. */
  appToken?: SecretOptions;
}

/** How a Signal daemon is spoken to. */
export enum SignalDaemon {
  /** `signal-cli daemon --http`: JSON-RPC and server-sent events. */
  Native = "external-native",
  /** signal-cli-rest-api with `MODE=json-rpc`. */
  RestApi = "container",
}

/** Signal, by a daemon that runs somewhere else and holds the account's keys. The plugin `signal` has to be in the image. */
export interface SignalOptions extends ChannelOptions {
  /** The account's number, as `+15551234567`. Default: none, and one is needed. */
  account?: string;
  /** Where the daemon listens, for example `http://signal.chat.svc:8080`; without user and password. Default: none, and one is needed. */
  daemonUrl?: string;
  /** What the daemon is. Default: `external-native`. */
  daemon?: SignalDaemon;
}

/** The channels of a gateway. Each that is here is on, unless it says otherwise. */
export interface ChannelsOptions {
  /** Telegram. Default: none. */
  telegram?: TelegramOptions;
  /** Discord. Default: none. */
  discord?: DiscordOptions;
  /** Slack. Default: none. */
  slack?: SlackOptions;
  /**
   * WhatsApp, as a linked device. The plugin `whatsapp` has to be in the image. It has no token: once the gateway runs,
   * `openclaw channels login --channel whatsapp` in its Pod shows a QR code to scan, and the link is kept on the state's
   * volume. Default: none.
   */
  whatsapp?: ChannelOptions;
  /** Signal. Default: none. */
  signal?: SignalOptions;
}
