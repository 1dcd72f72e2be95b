import type { Input } from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { parse } from "./yaml";
import { ValidationFailed } from "./errors";
import { isObject } from "./openclaw/json";
import type { OpenClawAgent, OpenClawAgents, OpenClawInterface } from "./openclaw/agent-options";
import { WORKSPACES_DIR } from "./openclaw/agents";
import { configHash } from "./config-hash";

/** An agent's texts as a ConfigMap holds them. */
export interface AgentContent {
  agent: string;
  /** The ConfigMap's keys. */
  data: Record<string, string>;
  /** Changes with every text; the ConfigMap is named by it, so that a changed text rolls the Pod. */
  hash: string;
  /** The files of the workspace, each a key. */
  files: string[];
  /** The skills, by name; each is the key `skill.<name>`. */
  skills: string[];
}

/** What OpenClaw puts into the prompt, with the characters that it cuts each file at (docs/concepts/system-prompt.md). */
const FILES: Record<string, number> = {
  "AGENTS.md": 20_000,
  "SOUL.md": 20_000,
  "IDENTITY.md": 20_000,
  "USER.md": 4_000,
};
const ALL_FILES = 60_000;

/** Files of other versions or purposes, and where what they hold belongs. Checked with the real gateway. */
const OTHER_FILES: Record<string, string> = {
  "TOOLS.md": "put it under a heading Tools in AGENTS.md",
  "HEARTBEAT.md": "use the agent's heartbeat.prompt",
  "MEMORY.md": "leave it to the agent, which writes it itself",
  "BOOTSTRAP.md": "put who the agent is into IDENTITY.md",
  "BOOT.md": "use the agent's heartbeat",
};

/** What a ConfigMap may hold, all values together; the API server refuses more. */
const MAX_BYTES = 2 ** 20;

/** The volume of the gateway's state, by its name in the Pod. */
const STATE_VOLUME = "state";

/** Where agents are told about the order of the interfaces. */
const INTERFACES_FILE = "AGENTS.md";

/**
 * The content of every agent that has any, by agent.
 * @param interfaces what agents may use, most stable first; their AGENTS.md ends with that order.
 * @throws ValidationFailed for a file that OpenClaw does not read or would cut, a skill that it would skip, and more
 * than one ConfigMap holds.
 */
export function agentContent(agents: OpenClawAgents, interfaces: OpenClawInterface[]): AgentContent[] {
  return Object.entries(agents.entries ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, agent]) => contentOf(id, agent, interfaces))
    .filter(({ data }) => Object.keys(data).length > 0);
}

function contentOf(id: string, agent: OpenClawAgent, interfaces: OpenClawInterface[]): AgentContent {
  const where = `gateway.openclaw.agents.entries.${id}`;
  const texts = Object.entries(agent.files ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const files = texts.map(([name, text]): [string, string] => [
    name,
    name === INTERFACES_FILE ? `${text.trimEnd()}\n\n${guidance(interfaces)}` : text,
  ]);
  checkFiles(files, `${where}.files`);
  const skills = Object.entries(agent.skills ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, text] of skills) checkSkill(name, text, `${where}.skills.${name}`);
  const data = Object.fromEntries([...files, ...skills.map(([name, text]) => [skillKey(name), text])]) as Record<
    string,
    string
  >;
  const bytes = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MAX_BYTES) {
    throw new ValidationFailed({
      what: `its files and skills are ${String(bytes)} bytes, and a ConfigMap holds ${String(MAX_BYTES)}`,
      where,
      fix: "split the agent, which gives each a ConfigMap of its own, or keep long texts in the vault (vault.gitSync), where agents find them by search",
    });
  }
  return {
    agent: id,
    data,
    hash: configHash(JSON.stringify(data)),
    files: files.map(([name]) => name),
    skills: skills.map(([name]) => name),
  };
}

function guidance(interfaces: OpenClawInterface[]): string {
  const order = interfaces.map((one, index) => `${String(index + 1)}. ${one}`).join("\n");
  return `## Interfaces\n\nUse the first of these that can do the task, and say so when you have to go further down:\n\n${order}\n`;
}

function checkFiles(files: [string, string][], where: string): void {
  for (const [name, text] of files) {
    const limit = FILES[name];
    if (limit === undefined) {
      throw new ValidationFailed({
        what: `${name} is not among the files that OpenClaw puts into a prompt: ${Object.keys(FILES).join(", ")}`,
        where,
        fix: OTHER_FILES[name] ?? "put it into one of these, or into a skill",
      });
    }
    if (text.length > limit) tooLong(`${where}.${name}`, text.length, limit);
  }
  const all = files.reduce((sum, [, text]) => sum + text.length, 0);
  if (all > ALL_FILES) tooLong(where, all, ALL_FILES);
}

function tooLong(where: string, length: number, limit: number): never {
  throw new ValidationFailed({
    what: `${String(length)} characters, and OpenClaw cuts off what is beyond ${String(limit)}`,
    where,
    fix: "move the details into skills, which an agent reads when it needs them",
  });
}

/** OpenClaw skips a skill that it cannot read, with a line in its log. */
function checkSkill(name: string, text: string, where: string): void {
  const fail = (what: string, fix: string): never => {
    throw new ValidationFailed({ what, where, fix });
  };
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(name)) {
    fail("is no name of a skill", "use lower case letters, digits and hyphens, starting with a letter");
  }
  const front = frontMatter(text);
  if (front?.name !== name || typeof front.description !== "string" || front.description === "") {
    fail(
      "its SKILL.md does not begin with its name and description",
      `begin it with: ---, name: ${name}, description: when to use it, ---, each on a line`,
    );
  }
}

function frontMatter(text: string): Record<string, unknown> | undefined {
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---(\r?\n|$)/.exec(text)?.[1];
  if (yaml === undefined) return undefined;
  try {
    const value: unknown = parse(yaml);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function skillKey(name: string): string {
  return `skill.${name}`;
}

/** The ConfigMap's name. */
export function contentName(gateway: string, { agent, hash }: AgentContent): string {
  return `${gateway}-agent-${agent}-${hash}`;
}

/** An agent's content, and the ConfigMap that holds it. */
export interface MountedContent {
  content: AgentContent;
  configMap: Input<string>;
}

/**
 * The volumes of the content, and where the gateway's container mounts them and the workspaces.
 *
 * A workspace is a folder of the state's volume, which its agent writes its memory to. Each file lies over it as a mount
 * of its own, so that it is a plain read-only file there: OpenClaw refuses links that lead out of a workspace, and
 * nobody can rename another file over a mount.
 * @param agents the ids of all agents of the config.
 */
export function contentMounts(
  agents: string[],
  contents: MountedContent[],
): { volumes: types.input.core.v1.Volume[]; volumeMounts: types.input.core.v1.VolumeMount[] } {
  const workspaces = [...agents]
    .sort()
    .map((id) => ({ name: STATE_VOLUME, mountPath: `${WORKSPACES_DIR}/${id}`, subPath: `workspaces/${id}` }));
  const mounts = contents.flatMap(({ content: { agent, files, skills } }) => [
    ...files.map((file) => ({
      name: `agent-${agent}`,
      mountPath: `${WORKSPACES_DIR}/${agent}/${file}`,
      subPath: file,
      readOnly: true,
    })),
    ...(skills.length === 0
      ? []
      : [{ name: `skills-${agent}`, mountPath: `${WORKSPACES_DIR}/${agent}/skills`, readOnly: true }]),
  ]);
  const volumes = contents.flatMap(({ content: { agent, skills }, configMap }) => [
    { name: `agent-${agent}`, configMap: { name: configMap, defaultMode: 0o444 } },
    ...(skills.length === 0
      ? []
      : [
          {
            name: `skills-${agent}`,
            configMap: {
              name: configMap,
              defaultMode: 0o444,
              items: skills.map((name) => ({ key: skillKey(name), path: `${name}/SKILL.md` })),
            },
          },
        ]),
  ]);
  return { volumes, volumeMounts: [...workspaces, ...mounts] };
}
