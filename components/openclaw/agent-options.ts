import type { OpenClawTools } from "./options";

/*
 * The typed options of agents and of how they behave. Scheduled work is declared as an agent's heartbeat: OpenClaw keeps
 * the jobs of `openclaw cron` in its state, and its config has no place for them.
 */

/** Whether an agent's commands run on the gateway. There is no container to run them in but the gateway's own. */
export enum OpenClawExecMode {
  /** No command runs. */
  Deny = "deny",
  /** Those that were approved for good with `openclaw approvals` run, any other is refused. */
  Allowlist = "allowlist",
  /** As `allowlist`, and for any other a person is asked. */
  Ask = "ask",
  /** Every command runs. */
  Full = "full",
}

/**
 * The kinds of interfaces that agents reach systems by, from the most stable, whose contract is typed and checked, to
 * the least, which breaks with every change of a page or a screen.
 */
export enum OpenClawInterface {
  /** OpenClaw's own typed tools: memory, sessions, messages, files. */
  InternalApi = "internal-api",
  /** Typed tools of other systems, by MCP servers and plugins. */
  ExternalApi = "external-api",
  /** Questions to a search engine, and pages fetched as text. */
  Query = "query",
  /** A web browser. */
  Browser = "browser",
  /** Screen, keyboard and pointer of a computer. */
  Desktop = "desktop",
}

/** Turns that an agent takes by itself, without being asked. */
export interface OpenClawHeartbeat {
  /** How often, for example `30m` or `2h`; `0m` never. Default: `0m`. */
  every?: string;
  /** What it is told each time. Default: OpenClaw's own, which follows the notes of the heartbeat's monitor. */
  prompt?: string;
  /** The channel that it reports to, or `owner`, `last`, `none`. Default: `none`. */
  target?: string;
  /** Whom it reports to in that channel. Default: none. */
  to?: string;
  /** Start of the hours it is active in, as `08:00`. Default: always active. */
  activeFrom?: string;
  /** End of these hours, as `18:00`; goes with `activeFrom`. Default: always active. */
  activeTo?: string;
  /** The hours' time zone, for example `Europe/Berlin`. Default: UTC. */
  timezone?: string;
}

/** An agent: what it is told, what it may use, and whom it answers. */
export interface OpenClawAgent {
  /** The name that people see. Default: the id. */
  name?: string;
  /** The model, as `<provider>/<model>`. Default: the gateway's default model. */
  model?: string;
  /** What to try when that model fails, in order; goes with `model`. Default: none. */
  fallbacks?: string[];
  /**
   * Texts that are in the prompt of every session, by file name: `AGENTS.md` (what to do and how), `SOUL.md` (tone and
   * bounds), `IDENTITY.md` (who it is), `USER.md` (whom it works for). They are mounted read-only into the agent's
   * workspace: what an agent reads somewhere cannot make it rewrite its own instructions. Default: none.
   */
  files?: Record<string, string>;
  /** Skills, by name: the text of each one's SKILL.md, with `name` and `description` in its front matter. Default: none. */
  skills?: Record<string, string>;
  /** Skills of the image that it may use besides its own. Default: none. */
  bundledSkills?: string[];
  /** The tools that it may use, within what `gateway.openclaw.tools` allows to all. Default: those. */
  tools?: OpenClawTools;
  /** Turns that it takes by itself. Default: none. */
  heartbeat?: OpenClawHeartbeat;
  /** The channels whose messages it answers. Default: all of them when it is the only agent, else none. */
  channels?: string[];
}

/** The agents of a gateway. */
export interface OpenClawAgents {
  /** The agents, by id: lower case letters, digits and hyphens. Default: one agent `main` without content. */
  entries?: Record<string, OpenClawAgent>;
  /** Turns that run at the same time, over all agents. Default: 4. */
  maxConcurrent?: number;
  /** Seconds after which a turn is ended. Default: 600. */
  timeoutSeconds?: number;
}

/** When a session starts anew. */
export enum OpenClawSessionReset {
  None = "none",
  /** Every day at an hour. */
  Daily = "daily",
  /** After a time without messages. */
  Idle = "idle",
}

/** How long sessions go on, and how much of them is kept. */
export interface OpenClawSessions {
  /** When a session starts anew. Default: `daily`. */
  reset?: OpenClawSessionReset;
  /** Daily only: the hour, from 0 to 23. Default: 4. */
  resetAtHour?: number;
  /** Idle only, required there: the minutes without a message. */
  resetAfterMinutes?: number;
  /** Age at which a session that nobody uses is archived, for example `30d`. Default: `30d`. */
  pruneAfter?: string;
  /** Sessions that are kept unarchived. Default: 5000. */
  maxEntries?: number;
  /** Room for sessions on the state's volume, for example `2gb`; above it the oldest archived ones go. Default: `2gb`, OpenClaw's own 10gb would fill the volume. */
  maxDisk?: string;
}

/** Limits on files that come with messages. */
export interface OpenClawMedia {
  /** Largest file, in MB. Default: 16. */
  maxMb?: number;
  /** Hours that a received file is kept, from 1 to 168. Default: 24. */
  keepHours?: number;
}

/** Where people are asked for an approval. */
export interface OpenClawApprovalTarget {
  /** The channel, for example `telegram`. */
  channel: string;
  /** The person or group in it. */
  to: string;
}

/** Who is asked before a command runs, with `tools.exec` `ask`. */
export interface OpenClawApprovals {
  /** People who are asked besides the one in whose chat the command came up. Default: none. */
  targets?: OpenClawApprovalTarget[];
}
