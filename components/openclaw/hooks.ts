import { HOOKS_TOKEN_ENV } from "./connections";
import type { JsonObject } from "./json";

/** Where the gateway takes turns from other programs. */
export const HOOKS_PATH = "/hooks";

/** What the gateway's hooks are made of. */
export interface HooksConfigArgs {
  /** The agents that a turn may be started of. */
  agents: string[];
  /** The directory of the internal hook that sends events to the relay. Default: none. */
  eventsHookDir?: string;
}

/**
 * The gateway's way in for the relay: `POST /hooks/agent` starts a turn of these agents, and nothing else. The token
 * takes no SecretRef; OpenClaw replaces the variable's name by its value when it reads the config, and refuses to start
 * hooks without one.
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
          : {
              enabled: true,
              load: { extraDirs: [eventsHookDir] },
            },
    },
  };
}
