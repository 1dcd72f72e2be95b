import { ValidationFailed } from "../errors";
import {
  OpenClawSessionReset,
  type OpenClawAgent,
  type OpenClawAgents,
  type OpenClawApprovals,
  type OpenClawHeartbeat,
  type OpenClawMedia,
  type OpenClawSessions,
} from "./agent-options";
import type { JsonObject } from "./json";
import { agentToolPolicy } from "./tool-policy";

/** Where the agents' workspaces are mounted; each is a folder of the state's volume. */
export const WORKSPACES_DIR = "/workspaces";

/** Turns at the same time. The gateway's default CPU limit is 2, and a turn mostly waits for its model. */
const MAX_CONCURRENT = 4;
/** OpenClaw's own 48 hours would let a turn that hangs hold its session and its money for two days. */
const TIMEOUT_SECONDS = 600;

/** The `agents` and `bindings` of a gateway's config; checkAgents has been through the options. */
export function agentsConfig(agents: OpenClawAgents = {}, workspacesDir = WORKSPACES_DIR): JsonObject {
  const entries = Object.entries(agents.entries ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const bindings = entries.flatMap(([agentId, { channels = [] }]) =>
    [...channels].sort().map((channel) => ({ agentId, match: { channel, accountId: "*" } })),
  );
  return {
    agents: {
      defaults: {
        maxConcurrent: agents.maxConcurrent ?? MAX_CONCURRENT,
        timeoutSeconds: agents.timeoutSeconds ?? TIMEOUT_SECONDS,
        // Its backends start containers or need another machine; what an agent can do is confined by the Pod instead.
        sandbox: { mode: "off" },
        heartbeat: { every: "0m", target: "none" },
        ...(entries.length === 0 ? {} : { skipBootstrap: true }),
      },
      ...(entries.length > 1 ? { ownership: "explicit" } : {}),
      ...(entries.length === 0
        ? {}
        : { entries: Object.fromEntries(entries.map(([id, agent]) => [id, entry(agent, `${workspacesDir}/${id}`)])) }),
    },
    ...(bindings.length === 0 ? {} : { bindings }),
  };
}

/** How sessions, media and approvals are configured. */
export function behaviourConfig(options: {
  sessions?: OpenClawSessions;
  media?: OpenClawMedia;
  approvals?: OpenClawApprovals;
}): JsonObject {
  const { sessions = {}, media = {}, approvals } = options;
  const reset = sessions.reset ?? OpenClawSessionReset.Daily;
  const targets = (approvals?.targets ?? []).map(({ channel, to }) => ({ channel, to }));
  return {
    session: {
      reset: {
        mode: reset,
        ...(reset === OpenClawSessionReset.Daily ? { atHour: sessions.resetAtHour ?? 4 } : {}),
        ...(sessions.resetAfterMinutes === undefined ? {} : { idleMinutes: sessions.resetAfterMinutes }),
      },
      maintenance: {
        mode: "enforce",
        pruneAfter: sessions.pruneAfter ?? "30d",
        maxEntries: sessions.maxEntries ?? 5000,
        maxDiskBytes: sessions.maxDisk ?? "2gb",
      },
    },
    agents: { defaults: { mediaMaxMb: media.maxMb ?? 16 } },
    attachments: { ttlHours: media.keepHours ?? 24 },
    approvals: {
      exec: {
        enabled: true,
        mode: targets.length === 0 ? "session" : "both",
        ...(targets.length === 0 ? {} : { targets }),
      },
    },
  };
}

function entry(agent: OpenClawAgent, workspace: string): JsonObject {
  const { name, model, fallbacks, tools, heartbeat } = agent;
  return {
    workspace,
    ...(name === undefined ? {} : { name }),
    ...(model === undefined ? {} : { model: { primary: model, ...(fallbacks === undefined ? {} : { fallbacks }) } }),
    // The list is final: without it the agent would see every skill of the image.
    skills: [...Object.keys(agent.skills ?? {}), ...(agent.bundledSkills ?? [])].sort(),
    ...(tools === undefined ? {} : { tools: agentToolPolicy(tools) }),
    ...(heartbeat === undefined ? {} : { heartbeat: heartbeatConfig(heartbeat) }),
  };
}

function heartbeatConfig({ every, prompt, target, to, activeFrom, activeTo, timezone }: OpenClawHeartbeat): JsonObject {
  return {
    every: every ?? "0m",
    target: target ?? "none",
    ...(prompt === undefined ? {} : { prompt }),
    ...(to === undefined ? {} : { to }),
    ...(activeFrom === undefined || activeTo === undefined
      ? {}
      : { activeHours: { start: activeFrom, end: activeTo, timezone: timezone ?? "UTC" } }),
  };
}

/**
 * Checks the agents' options that OpenClaw's schema cannot judge. Their texts are content.ts's business.
 * @param channels the channels that are on.
 * @throws ValidationFailed naming the option and the fix.
 */
export function checkAgents(agents: OpenClawAgents, channels: string[]): void {
  const entries = Object.entries(agents.entries ?? {});
  for (const [id, agent] of entries) checkAgent(id, agent, channels);
  if (entries.length > 1) {
    for (const channel of channels) {
      const answering = entries.filter(([, agent]) => agent.channels?.includes(channel)).map(([id]) => id);
      if (answering.length === 1) continue;
      throw new ValidationFailed({
        what: `${channel} is on, and ${answering.length === 0 ? "no agent answers it" : `${answering.join(" and ")} answer it`}`,
        where: "gateway.openclaw.agents.entries",
        fix: `list ${channel} in the channels of exactly one agent`,
      });
    }
  }
}

function checkAgent(id: string, agent: OpenClawAgent, channels: string[]): void {
  const where = `gateway.openclaw.agents.entries.${id}`;
  const fail = (option: string, what: string, fix: string): never => {
    throw new ValidationFailed({ what, where: `${where}${option}`, fix });
  };
  if (!/^[a-z][a-z0-9-]{0,29}$/.test(id)) {
    fail("", "is no id of an agent", "use up to 30 lower case letters, digits and hyphens, starting with a letter");
  }
  const unknown = agent.channels?.find((channel) => !channels.includes(channel));
  if (unknown !== undefined) {
    fail(
      ".channels",
      `${unknown} is not on`,
      `switch it on in gateway.channels, or use ${channels.join(", ") || "none"}`,
    );
  }
  if (agent.fallbacks !== undefined && agent.model === undefined) {
    fail(".fallbacks", "goes with model", "name the agent's model too");
  }
  if (agent.tools?.allow !== undefined && agent.tools.alsoAllow !== undefined) {
    fail(".tools.alsoAllow", "adds to the profile, tools.allow replaces it", "set one of them");
  }
  checkHeartbeat(agent.heartbeat ?? {}, fail);
}

function checkHeartbeat(
  heartbeat: OpenClawHeartbeat,
  fail: (option: string, what: string, fix: string) => never,
): void {
  const { every, prompt, activeFrom, activeTo, timezone } = heartbeat;
  if (every !== undefined && !/^\d+(s|m|h|d)$/.test(every)) {
    fail(".heartbeat.every", `${JSON.stringify(every)} is no time`, "write it like 30m or 2h");
  }
  if (prompt?.includes("${") === true) {
    fail(".heartbeat.prompt", "has ${…}, which OpenClaw replaces from its environment", "leave out the dollar sign");
  }
  if ((activeFrom === undefined) !== (activeTo === undefined) || (timezone !== undefined && activeFrom === undefined)) {
    fail(
      ".heartbeat.activeFrom",
      "activeFrom, activeTo and timezone go together",
      "give both hours, or none of the three",
    );
  }
  for (const hour of [activeFrom, activeTo]) {
    if (hour !== undefined && !/^([01]\d|2[0-4]):[0-5]\d$/.test(hour)) {
      fail(".heartbeat.activeFrom", `${JSON.stringify(hour)} is no time of day`, "write it like 08:00");
    }
  }
}
