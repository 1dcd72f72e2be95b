import { DEAD_LETTER_STREAM, INBOUND_STREAM, OUTBOUND_STREAM, REDRIVE_CONSUMER, RELAY_CONSUMER } from "./messaging";
import type { JsonObject } from "./openclaw/json";

/** Seconds that the gateway may take to admit a turn (15), and to answer after its end. */
export const ADMISSION_SECONDS = 30;
/** Seconds that an acknowledgement may be late by before the broker delivers again. */
const ACK_MARGIN_SECONDS = 10;

/** Everything that the relay's configs are made of, checked. */
export interface RelayConfigArgs {
  agent: string;
  turnTimeoutSeconds: number;
  /** Seconds before the second attempt, the third, and so on. */
  retryDelaysSeconds: number[];
  maxInFlight: number;
  duplicateWindowSeconds: number;
  maxMessageBytes: number;
  outboundBytes: number;
  deadLetterBytes: number;
  inboundBytes: number;
  inboundMaxAgeSeconds: number;
  subscribers: string[];
  /** Take the gateway's events. */
  events: boolean;
  /** Seconds that the gateway may take to admit a turn, and to answer after its end. Default: ADMISSION_SECONDS. */
  admissionSeconds?: number;
  /** Where to listen. Default: every address. */
  host?: string;
  eventsPort?: number;
  monitoringPort?: number;
}

const nanoseconds = (seconds: number): number => seconds * 1e9;

/** An object of the broker, and the requests that change it or make it. */
interface SetupRequest {
  change: string;
  create: string;
  config: JsonObject;
}

/**
 * Streams and consumers. Every stream refuses new messages when it is full, which the publisher is told: nothing is
 * dropped to make room. What is in `outbound` stays until the relay has acknowledged it, whatever its age.
 */
export function setupRequests(args: RelayConfigArgs): SetupRequest[] {
  const { duplicateWindowSeconds, maxMessageBytes } = args;
  const stream = (name: string, subjects: string, config: JsonObject): SetupRequest => ({
    change: `$JS.API.STREAM.UPDATE.${name}`,
    create: `$JS.API.STREAM.CREATE.${name}`,
    config: {
      name,
      subjects: [subjects],
      storage: "file",
      num_replicas: 1,
      discard: "new",
      max_msgs: -1,
      max_consumers: -1,
      max_age: 0,
      duplicate_window: nanoseconds(duplicateWindowSeconds),
      ...config,
    },
  });
  const consumer = (streamName: string, name: string, config: JsonObject): SetupRequest => {
    const subject = `$JS.API.CONSUMER.CREATE.${streamName}.${name}`;
    const common = { durable_name: name, name, ack_policy: "explicit", deliver_policy: "all", max_deliver: -1 };
    return { change: subject, create: subject, config: { stream_name: streamName, config: { ...common, ...config } } };
  };
  return [
    stream(OUTBOUND_STREAM, "outbound.*", {
      retention: "workqueue",
      max_bytes: args.outboundBytes,
      max_msg_size: maxMessageBytes,
    }),
    // Room for the headers that say why.
    stream(DEAD_LETTER_STREAM, "dead.outbound.*", {
      retention: "workqueue",
      max_bytes: args.deadLetterBytes,
      max_msg_size: maxMessageBytes + HEADER_BYTES,
    }),
    stream(INBOUND_STREAM, "inbound.*", {
      retention: "limits",
      max_bytes: args.inboundBytes,
      max_msg_size: maxMessageBytes,
      max_age: nanoseconds(args.inboundMaxAgeSeconds),
      duplicate_window: nanoseconds(Math.min(duplicateWindowSeconds, args.inboundMaxAgeSeconds)),
    }),
    consumer(OUTBOUND_STREAM, RELAY_CONSUMER, {
      max_ack_pending: args.maxInFlight * 2,
      // What a relay that died had taken is delivered again after the time that the attempt could have lasted.
      backoff: ackWaits(args).map(nanoseconds),
    }),
    consumer(DEAD_LETTER_STREAM, REDRIVE_CONSUMER, { ack_wait: nanoseconds(30) }),
    ...args.subscribers.map((name) => consumer(INBOUND_STREAM, name, { ack_wait: nanoseconds(60) })),
  ];
}

/** Bytes of headers that a message may have. */
export const HEADER_BYTES = 16 * 1024;

/** Seconds until the broker takes an attempt for lost, by the attempt's number. */
export function ackWaits(args: RelayConfigArgs): number[] {
  const { turnTimeoutSeconds, retryDelaysSeconds, admissionSeconds = ADMISSION_SECONDS } = args;
  const attempt = turnTimeoutSeconds + admissionSeconds + ACK_MARGIN_SECONDS;
  return [...retryDelaysSeconds, retryDelaysSeconds.at(-1) ?? 0].map((delay) => attempt + delay);
}
