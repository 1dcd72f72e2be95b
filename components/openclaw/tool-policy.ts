import { OpenClawExecMode, OpenClawInterface } from "./agent-options";
import type { JsonObject } from "./json";
import { OpenClawToolProfile, type OpenClawTools } from "./options";

/** The interfaces from the most to the least stable. */
export const INTERFACES: OpenClawInterface[] = Object.values(OpenClawInterface);

/** What agents use unless the options say otherwise: nothing that breaks with a page's or a screen's next change. */
const DEFAULT_INTERFACES = [OpenClawInterface.InternalApi, OpenClawInterface.ExternalApi, OpenClawInterface.Query];

/** The tools of each interface, by OpenClaw's names (docs/gateway/config-tools/tool-policy.md). */
const TOOLS: Record<OpenClawInterface, string[]> = {
  [OpenClawInterface.InternalApi]: [
    "group:sessions",
    "group:memory",
    "group:messaging",
    "group:fs",
    "group:automation",
  ],
  [OpenClawInterface.ExternalApi]: ["bundle-mcp"],
  [OpenClawInterface.Query]: ["group:web"],
  [OpenClawInterface.Browser]: ["browser"],
  [OpenClawInterface.Desktop]: ["computer", "screen", "nodes"],
};

/**
 * The interfaces that agents may use, most stable first.
 * @param browser whether the gateway is connected to a browser: whoever switches that part on asks for it.
 */
export function interfacesOf(asked: OpenClawInterface[] | undefined, browser: boolean): OpenClawInterface[] {
  const allowed = asked ?? [...DEFAULT_INTERFACES, ...(browser ? [OpenClawInterface.Browser] : [])];
  return INTERFACES.filter((one) => allowed.includes(one));
}

/**
 * The tool policy for all agents: the profile, what the options add and deny, and every interface that is not allowed
 * denied, which wins over everything that an agent's own policy says.
 */
export function toolPolicy(tools: OpenClawTools = {}, allowed: OpenClawInterface[]): JsonObject {
  const denied = INTERFACES.filter((one) => !allowed.includes(one)).flatMap((one) => TOOLS[one]);
  // No profile but full has these two.
  const added = allowed
    .filter((one) => one === OpenClawInterface.Browser || one === OpenClawInterface.Desktop)
    .flatMap((one) => TOOLS[one]);
  return {
    profile: tools.profile ?? OpenClawToolProfile.Messaging,
    ...listed("allow", tools.allow),
    ...(tools.allow === undefined ? listed("alsoAllow", [...(tools.alsoAllow ?? []), ...added]) : {}),
    ...listed("deny", [...(tools.deny ?? []), ...denied]),
    exec: execPolicy(tools.exec ?? OpenClawExecMode.Deny),
    // The way out of a sandbox, for people in a chat; there is no sandbox.
    elevated: { enabled: false },
    // A file tool that reads anywhere reads /proc/self/environ, and with it every key and token of the gateway.
    fs: { workspaceOnly: tools.workspaceOnly ?? true },
    // What one person wrote in a direct message is not for the agent to tell another, nor for another agent to read.
    sessions: { visibility: "tree" },
    agentToAgent: { enabled: false },
  };
}

/** The tool policy of one agent, within the one for all. */
export function agentToolPolicy(tools: OpenClawTools): JsonObject {
  return {
    ...(tools.profile === undefined ? {} : { profile: tools.profile }),
    ...listed("allow", tools.allow),
    ...listed("alsoAllow", tools.alsoAllow),
    ...listed("deny", tools.deny),
    ...(tools.exec === undefined ? {} : { exec: execPolicy(tools.exec) }),
  };
}

/** A node or a sandbox would be other hosts; a cell has neither. */
function execPolicy(mode: OpenClawExecMode): JsonObject {
  return { host: "gateway", mode };
}

function listed(key: string, tools: string[] | undefined): JsonObject {
  return tools === undefined || tools.length === 0 ? {} : { [key]: [...new Set(tools)] };
}
