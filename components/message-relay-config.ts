import { ADMISSION_SECONDS, setupRequests, type RelayConfigArgs } from "./message-streams";
import {
  DEAD_LETTER_STREAM,
  inboxPrefix,
  OUTBOUND_STREAM,
  passwordEnv,
  REDRIVE_CONSUMER,
  RELAY_CONSUMER,
  RELAY_EVENTS_PORT,
  RELAY_MONITORING_PORT,
  type BrokerUser,
} from "./messaging";
import { EVENTS_TOKEN_ENV, HOOKS_PATH, HOOKS_TOKEN_ENV } from "./openclaw/hooks";
import type { JsonObject, JsonValue } from "./openclaw/json";

/** The variables that the configs take addresses from, so that these may be outputs. */
export const BROKER_ADDRESS_ENV = "BROKER_ADDRESS";
export const GATEWAY_URL_ENV = "GATEWAY_URL";

/** `${NAME}` as Bento takes it from its environment. */
const fromEnv = (name: string): string => `\${${name}}`;

/** The password is in a URL, so it has to consist of what needs no escaping there. */
const brokerUrl = (user: BrokerUser): string[] => [
  `nats://${user}:${fromEnv(passwordEnv(user))}@${fromEnv(BROKER_ADDRESS_ENV)}`,
];

/** Changes or makes each stream and consumer, in order, and ends. It tries again until the broker has answered. */
export function setupConfig(args: RelayConfigArgs): JsonObject {
  const request = (subject: string): JsonObject => ({
    nats_request_reply: { urls: brokerUrl("setup"), subject, inbox_prefix: inboxPrefix("setup"), timeout: "5s" },
  });
  const notFound = 10059; // JSStreamNotFoundErr
  return {
    http: { enabled: false },
    input: { generate: { count: 1, interval: "", mapping: `root = ${JSON.stringify(setupRequests(args))}` } },
    pipeline: {
      threads: 1,
      processors: [
        { unarchive: { format: "json_array" } },
        {
          try: [
            {
              mapping: ["meta change = this.change", "meta create = this.create", "root = this.config"].join("\n"),
            },
            { mapping: "meta config = content().string()" },
            request('${! meta("change") }'),
            {
              switch: [
                {
                  check: `this.error.err_code.or(0) == ${String(notFound)}`,
                  processors: [{ mapping: 'root = meta("config").string()' }, request('${! meta("create") }')],
                },
              ],
            },
            {
              mapping: 'root = if this.error.exists("code") { throw(meta("create") + ": " + this.error.description) }',
            },
          ],
        },
      ],
    },
    output: { reject_errored: { drop: {} } },
    logger,
  };
}

const logger: JsonObject = { level: "INFO", format: "json" };

/** What relay and re-drive have in common: health and metrics on a port of their own, and no API to change streams. */
export function serviceConfig({
  host = "0.0.0.0",
  monitoringPort = RELAY_MONITORING_PORT,
}: RelayConfigArgs): JsonObject {
  return {
    http: { enabled: true, address: `${host}:${String(monitoringPort)}`, debug_endpoints: false },
    logger,
    metrics: { prometheus: {} },
    shutdown_timeout: `${String(SHUTDOWN_SECONDS)}s`,
  };
}

/** Seconds that the relay waits for its attempts when it is told to end; the others are delivered again. */
export const SHUTDOWN_SECONDS = 25;

/** The id that a message is known by for good: the publisher's, or its place in the stream. */
const MESSAGE_ID = `metadata("Nats-Msg-Id").or("outbound:" + metadata("nats_sequence_stream"))`;

/**
 * From the broker to the gateway. A message is acknowledged after the gateway's positive answer, which status 200 alone
 * is not, or after the broker has it as a dead letter. The idempotency key is the message's id in every attempt, so
 * that the gateway answers again, instead of acting again, when an answer or an acknowledgement was lost.
 */
export function outboundConfig(args: RelayConfigArgs): JsonObject {
  const attempts = args.retryDelaysSeconds.length + 1;
  return {
    input: {
      label: "outbound",
      nats_jetstream: { urls: brokerUrl("relay"), stream: OUTBOUND_STREAM, durable: RELAY_CONSUMER, bind: true },
    },
    pipeline: {
      threads: args.maxInFlight,
      processors: [
        {
          mapping: [
            `let id = ${MESSAGE_ID}`,
            "meta message_id = $id",
            // The gateway takes no key of more than 256 characters.
            'meta key = if $id.length() > 200 { $id.hash("sha256").encode("hex") } else { $id }',
            "let m = content().string().parse_json().catch(null)",
            'let fit = if $m.type() == "object" { $m.message.type() == "string" && $m.message.trim() != "" } else { false }',
            'meta outcome = if $fit { "open" } else { "refused" }',
            'meta reason = if $fit { deleted() } else { "the message is no JSON object with a text in its field message" }',
          ].join("\n"),
        },
        {
          switch: [
            { check: 'meta("outcome") == "open"', processors: [{ branch: attempt(args) }, { mapping: OUTCOME }] },
          ],
        },
        {
          mapping: [
            `let last = metadata("nats_num_delivered").number() >= ${String(attempts)}`,
            'meta outcome = if meta("outcome") == "retry" && $last { "exhausted" } else { meta("outcome") }',
          ].join("\n"),
        },
        {
          metric: {
            type: "counter",
            name: "clawfleet_messages",
            labels: { outcome: '${! meta("outcome") }' },
          },
        },
        { switch: [{ check: 'meta("outcome") == "retry"', processors: backOff(args.retryDelaysSeconds) }] },
      ],
    },
    output: {
      switch: {
        cases: [
          { check: 'meta("outcome") == "delivered"', output: { drop: {} } },
          { check: 'meta("outcome") == "retry"', output: { reject: '${! meta("reason") }' } },
          { output: deadLetters() },
        ],
      },
    },
  };
}

/** One request to the gateway, and what its answer means. */
function attempt({ agent, turnTimeoutSeconds, admissionSeconds = ADMISSION_SECONDS }: RelayConfigArgs): JsonObject {
  // Every status is an answer to be looked at; what is left as an error is that none came.
  const answers = Array.from({ length: 300 }, (_, index) => 300 + index);
  return {
    request_map: [
      'root = this.with("message", "name", "channel", "to", "accountId")',
      'root.name = this.name.or("message-relay")',
      `root.agentId = ${JSON.stringify(agent)}`,
      'root.deliver = this.exists("channel")',
      "root.waitForCompletion = true",
      `root.timeoutSeconds = ${String(turnTimeoutSeconds)}`,
    ].join("\n"),
    processors: [
      {
        http: {
          url: `${fromEnv(GATEWAY_URL_ENV)}${HOOKS_PATH}/agent`,
          verb: "POST",
          headers: {
            Authorization: `Bearer ${fromEnv(HOOKS_TOKEN_ENV)}`,
            "Content-Type": "application/json",
            "Idempotency-Key": '${! meta("key") }',
          },
          timeout: `${String(turnTimeoutSeconds + admissionSeconds)}s`,
          retries: 0,
          successful_on: answers,
        },
      },
      {
        mapping: [
          "let body = if errored() { null } else { content().string().parse_json().catch(null) }",
          'root.status = if errored() { 0 } else { metadata("http_status_code").number() }',
          'root.body = if $body.type() == "object" { $body } else { {} }',
          'root.error = if errored() { error() } else { "" }',
        ].join("\n"),
      },
      { catch: [] },
    ],
    result_map: "root = deleted()\nmeta answer = this.format_json()",
  };
}

/**
 * What an answer means. `delivered`: the turn ended well, and what it says has reached the channel if there is one.
 * `refused`: the gateway will never take it. `undelivered`: the turn ended well and its reply did not reach the channel,
 * or nobody knows; the gateway itself tries no further, since another attempt could say it twice, so a person decides.
 * `retry`: everything else, also what a wrong token or hooks that are off would answer, which somebody will put right.
 */
const OUTCOME = [
  'let answer = meta("answer").parse_json()',
  "let completion = $answer.body.completion.or({})",
  'let ended = $answer.status == 200 && $completion.status.or("") == "ok"',
  'let reached = !this.exists("channel") || $completion.delivered.or(false) == true',
  'meta outcome = if $ended && $reached { "delivered" } else if $ended { "undelivered" } else if [400, 413].contains($answer.status) { "refused" } else { "retry" }',
  'let why = [$answer.error, $answer.body.error.or(""), $completion.deliveryError.or(""), $completion.deliverySuppressionReason.or(""), $completion.status.or("")]',
  'let why = $why.map_each(w -> w.string()).filter(w -> w != "")',
  'meta reason = ("gateway answered " + $answer.status.string() + ": " + $why.join(", ")).slice(0, 200)',
].join("\n");

/** The thread waits, and then the broker is told that the message was not delivered. */
function backOff(delays: number[]): JsonObject[] {
  const list = JSON.stringify(delays);
  const index = `[metadata("nats_num_delivered").number(), ${String(delays.length)}].min() - 1`;
  return [
    { log: { level: "WARN", message: 'not delivered yet: ${! meta("reason") }', fields_mapping: LOGGED } },
    { sleep: { duration: `\${! ${list}.index(${index}).string() }s` } },
  ];
}

const LOGGED = 'root.id = meta("message_id")\nroot.attempt = metadata("nats_num_delivered")';

/** The original message, with why it is here; its id keeps a second copy out when the relay dies before it acknowledges. */
function deadLetters(): JsonValue {
  return {
    label: "dead_letters",
    nats_jetstream: {
      urls: brokerUrl("relay"),
      subject: 'dead.${! metadata("nats_subject") }',
      headers: {
        "Nats-Msg-Id": 'dead:${! metadata("nats_sequence_stream") }:${! metadata("nats_timestamp_unix_nano") }',
        "Clawfleet-Message-Id": '${! meta("message_id") }',
        "Clawfleet-Outcome": '${! meta("outcome") }',
        "Clawfleet-Reason": '${! meta("reason") }',
        "Clawfleet-Attempts": '${! metadata("nats_num_delivered") }',
      },
    },
  };
}

/** Back from the dead letters to where they came from, and ends when there are none left. */
export function redriveConfig(): JsonObject {
  return {
    http: { enabled: false },
    logger,
    input: {
      read_until: {
        idle_timeout: "10s",
        input: {
          nats_jetstream: {
            urls: brokerUrl("redrive"),
            stream: DEAD_LETTER_STREAM,
            durable: REDRIVE_CONSUMER,
            bind: true,
          },
        },
      },
    },
    output: {
      nats_jetstream: {
        urls: brokerUrl("redrive"),
        subject: '${! metadata("nats_subject").re_replace_all("^dead\\\\.", "") }',
        headers: {
          // Not the old id, which the broker may remember, and the same one if this is killed and begins again.
          "Nats-Msg-Id": '${! metadata("Clawfleet-Message-Id") }:redrive:${! metadata("nats_sequence_stream") }',
        },
      },
    },
  };
}

/** From the gateway to the broker: it is answered 200 when the broker has the event. */
export function inboundConfig({ host = "0.0.0.0", eventsPort = RELAY_EVENTS_PORT }: RelayConfigArgs): JsonObject {
  return {
    input: {
      label: "events",
      http_server: {
        address: `${host}:${String(eventsPort)}`,
        path: "/events",
        allowed_verbs: ["POST"],
        timeout: "10s",
        sync_response: { status: '${! meta("status").or("200") }' },
      },
    },
    pipeline: {
      processors: [
        {
          mapping: [
            "let event = content().string().parse_json().catch(null)",
            `let known = metadata("Authorization").or("") == "Bearer " + env("${EVENTS_TOKEN_ENV}")`,
            'let fit = if $event.type() == "object" { ["received", "sent"].contains($event.action.or("")) && $event.id.type() == "string" } else { false }',
            'meta status = if !$known { "401" } else if !$fit { "400" } else { "200" }',
            "meta event = if $known && $fit { $event.action } else { deleted() }",
            "meta id = if $known && $fit { $event.id } else { deleted() }",
            'root = if $known && $fit { $event.without("id") } else { {} }',
          ].join("\n"),
        },
      ],
    },
    output: {
      switch: {
        cases: [
          {
            check: 'meta("status") == "200"',
            output: {
              label: "inbound",
              nats_jetstream: {
                urls: brokerUrl("relay"),
                subject: 'inbound.${! meta("event") }',
                headers: { "Nats-Msg-Id": '${! meta("id") }' },
              },
            },
          },
          { output: { sync_response: {} } },
        ],
      },
    },
  };
}
