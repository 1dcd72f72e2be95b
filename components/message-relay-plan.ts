import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { inboundConfig, outboundConfig, redriveConfig, serviceConfig, setupConfig } from "./message-relay-config";
import { ackWaits, HEADER_BYTES, type RelayConfigArgs } from "./message-streams";
import { wholeNumber } from "./messaging";
import { configHash } from "./config-hash";
import { DEFAULT_AGENT } from "./openclaw/hooks";
import { bytesOf, completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import { assertSecret, SecretFrom, type SecretOptions } from "./secrets";

/** What a team may tune of its message relay. */
export interface MessageRelayOptions {
  /** Image to run, with tag and digest. Default: `bento` of components/images.json. */
  image?: string;
  /** Requests and limits. Default: 50m and 96Mi, up to 1 CPU and 256Mi. */
  resources?: ResourceOptions;
  /** The agent that takes the messages. Default: `main`. */
  agent?: string;
  /** Seconds that a turn of the agent may take. Default: 120. */
  turnTimeoutSeconds?: number;
  /** Seconds before the second attempt, the third, and so on; after the last one the message is a dead letter. The gateway answers a turn that failed in the same way for 5 minutes, so together they should last longer. Default: 5, 30, 120, 300 and 600. */
  retryDelaysSeconds?: number[];
  /** How many messages are on their way to the gateway, or waiting for their next attempt, at once. Default: 64. */
  maxInFlight?: number;
  /** Seconds in which a message of the same id is taken for the same message: longer than any publisher goes on trying, and than all attempts together. Default: 7200. */
  duplicateWindowSeconds?: number;
  /** Bytes of the largest message; the gateway takes 256 KiB with what the relay adds. Default: 196608 (192 KiB). */
  maxMessageBytes?: number;
  /** What messages may take on the broker's volume before publishers are refused. Default: `4Gi`. */
  outboundSize?: string;
  /** The same for dead letters: when they are full, messages stay where they are. Default: `1Gi`. */
  deadLetterSize?: string;
  /** The same for the gateway's events. Default: `1Gi`. */
  inboundSize?: string;
  /** Seconds that an event is kept. Default: 604800 (7 days). */
  inboundMaxAgeSeconds?: number;
  /** Take the gateway's events (messages that it received and sent). Default: false. */
  events?: boolean;
  /** The token of the gateway's hooks. Default: generated. */
  hooksToken?: SecretOptions;
  /** The token that the gateway presents with its events. Default: generated. */
  eventsToken?: SecretOptions;
}

/** What a relay takes from the broker's plan. */
export interface MessageRelaySurroundings {
  /** Bytes that all streams together may take. Default: unknown. */
  storageBytes?: number;
  /** Bytes of the largest message that the broker takes, with its headers. Default: unknown. */
  maxPayloadBytes?: number;
  subscribers: string[];
  externalSecrets?: ExternalSecretsOptions;
}

/** A relay's options, checked and complete. */
export interface MessageRelayPlan {
  image: string;
  resources: CompleteResources;
  /** The config files. */
  files: Record<string, string>;
  configHash: string;
  events: boolean;
}

/**
 * Checks a relay's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planMessageRelay(
  options: MessageRelayOptions,
  surroundings: MessageRelaySurroundings,
): MessageRelayPlan {
  const where = (option: string) => `messaging.relay.${option}`;
  const number = (option: keyof MessageRelayOptions, fallback: number, minimum: number, maximum: number): number =>
    wholeNumber((options[option] as number | undefined) ?? fallback, minimum, maximum, where(option));
  const size = (option: "outboundSize" | "deadLetterSize" | "inboundSize", fallback: string): number =>
    bytesOf(options[option] ?? fallback, where(option));
  assertSecret(options.hooksToken ?? {}, SecretFrom.Generated, where("hooksToken"), surroundings.externalSecrets);
  assertSecret(options.eventsToken ?? {}, SecretFrom.Generated, where("eventsToken"), surroundings.externalSecrets);
  const retryDelaysSeconds = options.retryDelaysSeconds ?? [5, 30, 120, 300, 600];
  if (retryDelaysSeconds.length === 0) {
    throw new ValidationFailed({
      what: "the list is empty",
      where: where("retryDelaysSeconds"),
      fix: "give one delay at least",
    });
  }
  const args: RelayConfigArgs = {
    agent: options.agent ?? DEFAULT_AGENT,
    turnTimeoutSeconds: number("turnTimeoutSeconds", 120, 1, 3600),
    retryDelaysSeconds: retryDelaysSeconds.map((delay) => wholeNumber(delay, 1, 86400, where("retryDelaysSeconds"))),
    maxInFlight: number("maxInFlight", 64, 1, 1024),
    duplicateWindowSeconds: number("duplicateWindowSeconds", 7200, 60, 604800),
    maxMessageBytes: number("maxMessageBytes", 196608, 1024, 229376),
    outboundBytes: size("outboundSize", "4Gi"),
    deadLetterBytes: size("deadLetterSize", "1Gi"),
    inboundBytes: size("inboundSize", "1Gi"),
    inboundMaxAgeSeconds: number("inboundMaxAgeSeconds", 604800, 60, 31536000),
    subscribers: surroundings.subscribers,
    events: options.events ?? false,
  };
  assertFits(args, surroundings, where);
  const text = (config: unknown) => `${JSON.stringify(config, undefined, 2)}\n`;
  const files = {
    "setup.json": text(setupConfig(args)),
    "service.json": text(serviceConfig(args)),
    "redrive.json": text(redriveConfig()),
    "outbound.json": text(outboundConfig(args)),
    ...(args.events && { "inbound.json": text(inboundConfig(args)) }),
  };
  return {
    image: resolveImage("bento", options.image, where("image")),
    resources: completeResources(
      options.resources ?? {},
      {
        requestsCpu: "50m",
        requestsMemory: "96Mi",
        limitsCpu: "1",
        limitsMemory: "256Mi",
        limitsEphemeralStorage: "64Mi",
      },
      where("resources"),
    ),
    files,
    configHash: configHash(JSON.stringify(files)),
    events: args.events,
  };
}

function assertFits(
  args: RelayConfigArgs,
  { storageBytes, maxPayloadBytes, subscribers }: MessageRelaySurroundings,
  where: (option: string) => string,
): void {
  const fail = (option: string, what: string, fix: string): never => {
    throw new ValidationFailed({ what, where: where(option), fix });
  };
  const attempts = ackWaits(args).reduce((sum, wait) => sum + wait, 0);
  if (args.duplicateWindowSeconds < attempts) {
    fail(
      "duplicateWindowSeconds",
      `${String(args.duplicateWindowSeconds)} s are less than all attempts together, ${String(attempts)} s: an id would be forgotten while its message is on its way`,
      `use at least ${String(attempts)}, or fewer or shorter retryDelaysSeconds`,
    );
  }
  const total = args.outboundBytes + args.deadLetterBytes + args.inboundBytes;
  if (storageBytes !== undefined && total > storageBytes) {
    fail(
      "outboundSize",
      `the streams' limits add up to ${mebi(total)}, and the broker's volume has ${mebi(storageBytes)} for them`,
      "raise messaging.broker.volume.size, or lower outboundSize, deadLetterSize or inboundSize",
    );
  }
  if (maxPayloadBytes !== undefined && args.maxMessageBytes + HEADER_BYTES > maxPayloadBytes) {
    fail(
      "maxMessageBytes",
      `${String(args.maxMessageBytes)} and ${String(HEADER_BYTES)} for headers are more than the broker takes, ${String(maxPayloadBytes)}`,
      "raise messaging.broker.maxPayloadBytes, or lower maxMessageBytes",
    );
  }
  if (subscribers.length > 0 && !args.events) {
    fail(
      "events",
      "the broker has subscribers, and no event reaches them",
      "set events to true, or remove the subscribers",
    );
  }
}

const mebi = (bytes: number): string => `${String(Math.floor(bytes / 2 ** 20))}Mi`;
