import type { JsonObject } from "./json";

/** The agent of a gateway that declares none. */
export const DEFAULT_AGENT = "main";

/** Where the gateway takes turns from other programs. */
export const HOOKS_PATH = "/hooks";

/** The environment variable that carries the token of the hooks: OpenClaw takes no SecretRef there. */
export const HOOKS_TOKEN_ENV = "OPENCLAW_HOOKS_TOKEN";

/** The environment variables by which the gateway's events find the relay. */
export const EVENTS_URL_ENV = "CLAWFLEET_EVENTS_URL";
export const EVENTS_TOKEN_ENV = "CLAWFLEET_EVENTS_TOKEN";

/** Where `eventsHookFiles` are in the gateway's container. */
export const EVENTS_HOOK_DIR = "/etc/openclaw-events";

/** What the gateway's hooks are made of. */
export interface HooksConfigArgs {
  /** The agents that a turn may be started of. */
  agents: string[];
  /** The directory that `eventsHookFiles` are mounted as. Default: no events. */
  eventsHookDir?: string;
}

/**
 * The gateway's way in for the relay: `POST /hooks/agent` starts a turn of these agents, and nothing else. The token
 * takes no SecretRef; OpenClaw replaces the variable's name by its value when it reads the config.
 */
export function hooksConfig({ agents, eventsHookDir }: HooksConfigArgs): JsonObject {
  return {
    hooks: {
      enabled: true,
      token: `\${${HOOKS_TOKEN_ENV}}`,
      path: HOOKS_PATH,
      allowedAgentIds: agents,
      allowRequestSessionKey: false,
      internal:
        eventsHookDir === undefined
          ? { enabled: false }
          : // A directory of its own opens the selection to OpenClaw's bundled hooks as well: these stay off by name.
            { enabled: true, load: { extraDirs: [eventsHookDir] }, entries: bundledHooksOff() },
    },
  };
}

/** The hooks that OpenClaw 2026.9 ships. */
const BUNDLED_HOOKS = ["boot-md", "bootstrap-extra-files", "command-logger", "compaction-notifier", "session-memory"];

function bundledHooksOff(): JsonObject {
  return Object.fromEntries(BUNDLED_HOOKS.map((name) => [name, { enabled: false }]));
}

/**
 * An internal hook that posts each message which the gateway received or sent to the relay, and tries again for a while.
 * It runs within the gateway, which waits for none of it; an event is lost when the gateway ends before the relay has
 * it: these are observations, and OpenClaw keeps no queue of them.
 */
export function eventsHookFiles(): Record<string, string> {
  return {
    "HOOK.md": `---
name: clawfleet-events
description: "Tell the message broker what the gateway received and sent"
metadata: { "openclaw": { "events": ["message:received", "message:sent"] } }
---
`,
    "handler.js": `export default async function handler({ action, sessionKey, timestamp, context }) {
  const { channelId, accountId, conversationId, messageId, from, to, content, success } = context;
  const time = new Date(timestamp).toISOString();
  const id = [channelId, accountId, conversationId, messageId ?? time, action].join(":");
  const event = { id, action, time, channel: channelId, account: accountId, conversation: conversationId, messageId, from, to, text: content, success, sessionKey };
  for (const wait of [1000, 5000, 15000, 0]) {
    const answer = await fetch(process.env.${EVENTS_URL_ENV}, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer " + process.env.${EVENTS_TOKEN_ENV} },
      body: JSON.stringify(event),
      signal: AbortSignal.timeout(10000),
    }).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  console.error("[clawfleet-events] the relay took no event " + id);
}
`,
  };
}
