import { ValidationFailed } from "./errors";
import { bytesOf } from "./resources";

/** The port that PostgreSQL listens on. */
export const POSTGRES_PORT = 5432;
/** The environment variable that holds the password. */
export const POSTGRES_PASSWORD_ENV = "DATABASE_PASSWORD";

/** What PostgreSQL's files are made from. */
export interface PostgresConfigArgs {
  /** The one database, and the one user that may reach it over the network. */
  name: string;
  memoryLimit: string;
  maxConnections: number;
  /** Where the files are mounted, and where the data is. */
  configDir: string;
  dataDir: string;
  socketDir: string;
  port?: number;
  /** The operating system's user that the server runs as: the only one that may use the socket. */
  osUser?: string;
}

/** A name that needs no quotes in SQL. */
export function assertDatabaseName(name: string, where: string): void {
  if (/^[a-z][a-z0-9_]{0,62}$/.test(name) && !["postgres", "template0", "template1"].includes(name)) return;
  throw new ValidationFailed({
    what: `${JSON.stringify(name)} is no name for a database of its own`,
    where,
    fix: "use lower case letters, digits and _, beginning with a letter",
  });
}

/** The files of a PostgreSQL server, by name. None holds a secret. */
export function postgresFiles(args: PostgresConfigArgs): Record<string, string> {
  return {
    "postgresql.conf": postgresqlConf(args),
    "pg_hba.conf": pgHba(args),
    "pg_ident.conf": `server ${args.osUser ?? "postgres"} postgres\n`,
    "start.sh": START_SCRIPT,
  };
}

/** A quarter of the memory for shared buffers is what PostgreSQL's own documentation starts from (19.4.1). */
function postgresqlConf(args: PostgresConfigArgs): string {
  const megabytes = Math.floor(bytesOf(args.memoryLimit, "database.resources.limitsMemory") / 2 ** 20);
  const settings: [string, string][] = [
    ["listen_addresses", "'*'"],
    ["port", String(args.port ?? POSTGRES_PORT)],
    ["unix_socket_directories", `'${args.socketDir}'`],
    ["hba_file", `'${args.configDir}/pg_hba.conf'`],
    ["ident_file", `'${args.configDir}/pg_ident.conf'`],
    ["password_encryption", "'scram-sha-256'"],
    ["max_connections", String(args.maxConnections)],
    ["shared_buffers", `${String(Math.floor(megabytes / 4))}MB`],
    ["effective_cache_size", `${String(Math.floor(megabytes / 2))}MB`],
    ["idle_in_transaction_session_timeout", "'5min'"],
    ["log_timezone", "'UTC'"],
    ["timezone", "'UTC'"],
    // A failed statement may hold a key's hash or a person's text.
    ["log_min_error_statement", "'panic'"],
    ["log_parameter_max_length", "0"],
    ["log_parameter_max_length_on_error", "0"],
  ];
  return settings.map(([name, value]) => `${name} = ${value}\n`).join("");
}

/** Over the network: that database, that user, with the password. The superuser: within the container alone. */
function pgHba({ name }: PostgresConfigArgs): string {
  return `local all postgres peer map=server\nhost ${name} ${name} all scram-sha-256\n`;
}

/**
 * Creates the cluster once, and sets the user's password at every start, so that a rotated one holds. Both happen in
 * single-user mode, before anything listens; the password is in no argument, file or log. What was begun and not
 * finished is begun anew: only a complete cluster gets its final name.
 *
 * SIGTERM would wait for every client to leave; the fast shutdown (SIGINT) ends their sessions and writes a checkpoint.
 */
const START_SCRIPT = String.raw`set -eu
umask 077
single() { postgres --single -D "$1" -c log_min_error_statement=panic -c log_min_messages=fatal "$2" > /dev/null; }
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb -D "$PGDATA.new" -U postgres --encoding=UTF8 --locale=C --data-checksums --auth-local=peer --auth-host=reject > /dev/null
  printf 'CREATE ROLE %s LOGIN\n' "$DATABASE_NAME" | single "$PGDATA.new" postgres
  printf 'CREATE DATABASE %s OWNER %s\n' "$DATABASE_NAME" "$DATABASE_NAME" | single "$PGDATA.new" postgres
  mv "$PGDATA.new" "$PGDATA"
fi
# A ConfigMap's user is no secret; a quote in the password is doubled, as SQL wants it.
quoted=$(printf %s "$DATABASE_PASSWORD" | sed "s/'/''/g")
printf "ALTER ROLE %s PASSWORD '%s'\n" "$DATABASE_NAME" "$quoted" | single "$PGDATA" postgres
unset DATABASE_PASSWORD quoted
postgres -D "$PGDATA" -c config_file="$CONFIG_DIR/postgresql.conf" &
server=$!
trap 'kill -INT "$server" 2> /dev/null || :' TERM INT
# The first wait ends with the signal, the second with the server.
wait "$server" || wait "$server"
`;
