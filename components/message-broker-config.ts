import {
  BROKER_MONITORING_PORT,
  BROKER_PORT,
  DEAD_LETTER_STREAM,
  INBOUND_STREAM,
  inboxPrefix,
  OUTBOUND_STREAM,
  passwordEnv,
  REDRIVE_CONSUMER,
  RELAY_CONSUMER,
} from "./messaging";

/** What a user may do; whatever is not listed is refused. */
export interface Permissions {
  publish: string[];
  subscribe: string[];
}

/** What the broker's config is made of. */
export interface BrokerConfigArgs {
  serverName: string;
  /** The tenant's account: its streams and subjects exist nowhere else. */
  account: string;
  publishers: string[];
  subscribers: string[];
  storeDir: string;
  /** Bytes that streams may take on the volume. */
  maxFileStore: number;
  /** Bytes of the largest message, with its headers. */
  maxPayload: number;
  maxConnections: number;
  /** Where to listen. Default: every address. */
  host?: string;
  port?: number;
  monitoringPort?: number;
}

/** A consumer's user fetches, asks how many are pending, and acknowledges. */
const consume = (stream: string, consumer: string): string[] => [
  `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
  `$JS.ACK.${stream}.${consumer}.>`,
];

/** Every user of the tenant's account with its rights. None of them may delete or purge a stream. */
export function userPermissions(publishers: string[], subscribers: string[]): Record<string, Permissions> {
  const own = (user: string) => [`${inboxPrefix(user)}.>`];
  return {
    setup: {
      publish: [OUTBOUND_STREAM, INBOUND_STREAM, DEAD_LETTER_STREAM].flatMap((stream) => [
        `$JS.API.STREAM.CREATE.${stream}`,
        `$JS.API.STREAM.UPDATE.${stream}`,
        `$JS.API.CONSUMER.CREATE.${stream}.*`,
      ]),
      subscribe: own("setup"),
    },
    relay: {
      publish: [...consume(OUTBOUND_STREAM, RELAY_CONSUMER), "dead.outbound.*", "inbound.*"],
      subscribe: ["_INBOX.>"],
    },
    redrive: {
      publish: [...consume(DEAD_LETTER_STREAM, REDRIVE_CONSUMER), "outbound.*"],
      subscribe: ["_INBOX.>"],
    },
    ...Object.fromEntries(
      publishers.map((name) => [name, { publish: [`outbound.${name}`], subscribe: own(name) }] as const),
    ),
    ...Object.fromEntries(
      subscribers.map((name) => [name, { publish: consume(INBOUND_STREAM, name), subscribe: own(name) }] as const),
    ),
  };
}

/**
 * The text of the server's config. A password is a variable that the server takes from its environment: a missing one
 * keeps it from starting.
 */
export function brokerConfig(args: BrokerConfigArgs): string {
  const { host = "0.0.0.0", port = BROKER_PORT, monitoringPort = BROKER_MONITORING_PORT } = args;
  const quoted = (value: string) => JSON.stringify(value);
  const users = Object.entries(userPermissions(args.publishers, args.subscribers)).map(
    ([user, { publish, subscribe }]) =>
      `      {
        user: ${quoted(user)}
        password: $${passwordEnv(user)}
        permissions: { publish: { allow: ${JSON.stringify(publish)} }, subscribe: { allow: ${JSON.stringify(subscribe)} } }
      }`,
  );
  return `server_name: ${quoted(args.serverName)}
host: ${quoted(host)}
port: ${String(port)}
http: ${quoted(`${host}:${String(monitoringPort)}`)}
max_payload: ${String(args.maxPayload)}
max_connections: ${String(args.maxConnections)}
jetstream {
  store_dir: ${quoted(args.storeDir)}
  max_memory_store: 0
  max_file_store: ${String(args.maxFileStore)}
  # A publisher's acknowledgement means that the message is on the disk, not only in the node's memory.
  sync_interval: always
}
accounts {
  ${quoted(args.account)} {
    jetstream: { max_file: ${String(args.maxFileStore)}, max_streams: 3, max_consumers: ${String(args.subscribers.length + 2)} }
    users: [
${users.join("\n")}
    ]
  }
}
`;
}
