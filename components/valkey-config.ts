import { bytesOf } from "./resources";

/** The port that Valkey listens on. */
export const VALKEY_PORT = 6379;
/** The environment variable that holds the password. */
export const VALKEY_PASSWORD_ENV = "REDIS_PASSWORD";

/** What becomes of data when the memory is used up: https://valkey.io/topics/lru-cache/ */
export enum ValkeyEviction {
  /** What was used least recently goes first. */
  AllKeysLru = "allkeys-lru",
  /** What was used least often goes first. */
  AllKeysLfu = "allkeys-lfu",
  /** What expires goes first, by how soon it does. */
  VolatileTtl = "volatile-ttl",
  /** Nothing goes: writes fail. */
  NoEviction = "noeviction",
}

/** What Valkey's files are made from. */
export interface ValkeyConfigArgs {
  memoryLimit: string;
  eviction: ValkeyEviction;
  port?: number;
}

/** The files of a Valkey server, by name. None holds a secret. */
export function valkeyFiles(args: ValkeyConfigArgs): Record<string, string> {
  return { "valkey.conf": valkeyConf(args), "start.sh": START_SCRIPT };
}

/** A cache: nothing is written to disk. A quarter of the memory is left for clients' buffers and fragmentation. */
function valkeyConf({ memoryLimit, eviction, port }: ValkeyConfigArgs): string {
  const bytes = Math.floor(bytesOf(memoryLimit, "cache.resources.limitsMemory") * 0.75);
  const settings: [string, string][] = [
    ["bind", "* -::*"],
    ["port", String(port ?? VALKEY_PORT)],
    // Everyone needs the password, so it may listen on every address.
    ["protected-mode", "no"],
    ["save", '""'],
    ["appendonly", "no"],
    ["dir", "/tmp"],
    ["maxmemory", String(bytes)],
    ["maxmemory-policy", eviction],
    ["tcp-keepalive", "60"],
    ["timeout", "0"],
  ];
  return settings.map(([name, value]) => `${name} ${value}\n`).join("");
}

/**
 * The server reads its config from standard input, where the user's line is added: the SHA-256 of the password, so
 * that it is in no file and no argument, whatever characters it has. Administration (CONFIG, SHUTDOWN, ACL, …) is off.
 */
const START_SCRIPT = String.raw`set -eu
hash=$(printf %s "$REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)
config=$(cat "$CONFIG_DIR/valkey.conf")
unset REDIS_PASSWORD
exec valkey-server - <<EOF
$config
user default reset on #$hash ~* &* +@all -@admin
EOF
`;
