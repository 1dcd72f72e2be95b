import { ValidationFailed } from "./errors";

/*
 * What broker and relay both go by. Subjects are `outbound.<publisher>`, `inbound.<event>` and
 * `dead.outbound.<publisher>`; each stream has the subjects below its name.
 */

/** The port that clients of the broker connect to. */
export const BROKER_PORT = 4222;
/** The port of the broker's monitoring endpoint: health and figures, no messages. */
export const BROKER_MONITORING_PORT = 8222;
/** The port that the relay takes the gateway's events on. */
export const RELAY_EVENTS_PORT = 8080;
/** The port of the relay's health and metrics. */
export const RELAY_MONITORING_PORT = 4195;

/** The streams' names. */
export const OUTBOUND_STREAM = "outbound";
export const INBOUND_STREAM = "inbound";
export const DEAD_LETTER_STREAM = "dead_letters";

/** The durable consumers of relay and re-drive. */
export const RELAY_CONSUMER = "relay";
export const REDRIVE_CONSUMER = "redrive";

/** The broker's users that are not the team's own; no publisher or subscriber can take these names. */
export const BROKER_USERS = ["setup", "relay", "redrive"] as const;
export type BrokerUser = (typeof BROKER_USERS)[number];

/** The environment variable that carries a user's password. */
export function passwordEnv(user: string): string {
  return `NATS_${user.toUpperCase().replaceAll("-", "_")}_PASSWORD`;
}

/**
 * What a user's replies come back on. Nobody may listen below `_INBOX.` but relay and re-drive, whose replies are the
 * messages themselves; so a client of a publisher or subscriber has to be told its prefix.
 */
export function inboxPrefix(user: string): string {
  return `_INBOX_${user}`;
}

/**
 * Checks the names of publishers and subscribers.
 * @throws ValidationFailed for a name that is malformed, reserved, or given twice.
 */
export function assertUserNames(publishers: string[], subscribers: string[], where: string): void {
  const all = [...publishers, ...subscribers];
  for (const [index, name] of all.entries()) {
    const option = `${where}.${index < publishers.length ? "publishers" : "subscribers"}.${name}`;
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) {
      throw new ValidationFailed({
        what: `${JSON.stringify(name)} is no user name`,
        where: option,
        fix: "use up to 31 lower case letters, digits and hyphens, starting with a letter",
      });
    }
    if ((BROKER_USERS as readonly string[]).includes(name) || all.indexOf(name) !== index) {
      throw new ValidationFailed({
        what: `the user name ${name} is taken`,
        where: option,
        fix: `use a name of its own; ${BROKER_USERS.join(", ")} are reserved`,
      });
    }
  }
}

/**
 * A whole number within bounds.
 * @throws ValidationFailed otherwise.
 */
export function wholeNumber(value: number, minimum: number, maximum: number, where: string): number {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new ValidationFailed({
    what: `${String(value)} is no whole number from ${String(minimum)} to ${String(maximum)}`,
    where,
    fix: `use ${String(minimum)} to ${String(maximum)}`,
  });
}
