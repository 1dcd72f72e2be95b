import assert from "node:assert/strict";
import { agentContent, contentMounts, contentName } from "../../components/agent-content";
import { ValidationFailed } from "../../components/errors";
import { OpenClawExecMode, OpenClawInterface, type OpenClawAgent } from "../../components/openclaw/agent-options";
import { agentsConfig, behaviourConfig, checkAgents } from "../../components/openclaw/agents";
import { gatewayConfig } from "../../components/openclaw/config";
import { OpenClawToolProfile } from "../../components/openclaw/options";
import { INTERFACES, interfacesOf, toolPolicy } from "../../components/openclaw/tool-policy";

const SKILL = "---\nname: greeting\ndescription: when somebody says hello\n---\nSay hello.\n";
const INTERNAL = [OpenClawInterface.InternalApi];

function refusal(action: () => unknown): ValidationFailed {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof ValidationFailed, String(error));
    return error;
  }
  throw new Error("accepted");
}

describe("agents", () => {
  it("are configured with a workspace, their own skills and whom they answer", () => {
    const config = agentsConfig({
      entries: {
        clerk: { model: "p/m", skills: { greeting: SKILL }, bundledSkills: ["weather"], channels: ["telegram"] },
        bare: { heartbeat: { every: "2h", activeFrom: "08:00", activeTo: "18:00" } },
      },
    });
    assert.deepEqual(config, {
      agents: {
        defaults: {
          maxConcurrent: 4,
          timeoutSeconds: 600,
          sandbox: { mode: "off" },
          heartbeat: { every: "0m", target: "none" },
          skipBootstrap: true,
        },
        ownership: "explicit",
        entries: {
          bare: {
            workspace: "/workspaces/bare",
            skills: [],
            heartbeat: { every: "2h", target: "none", activeHours: { start: "08:00", end: "18:00", timezone: "UTC" } },
          },
          clerk: { workspace: "/workspaces/clerk", model: { primary: "p/m" }, skills: ["greeting", "weather"] },
        },
      },
      bindings: [{ agentId: "clerk", match: { channel: "telegram", accountId: "*" } }],
    });
  });

  it("take no turn, run no command and use no browser by default", () => {
    const config = gatewayConfig({}, { environment: "dev" }) as unknown as {
      agents: { defaults: { heartbeat: unknown } };
      tools: { exec: unknown; deny: string[]; fs: unknown; elevated: unknown; sessions: unknown };
    };
    assert.deepEqual(config.agents.defaults.heartbeat, { every: "0m", target: "none" });
    const { exec, deny, fs, elevated, sessions } = config.tools;
    assert.deepEqual(
      [exec, fs, elevated, sessions],
      [{ host: "gateway", mode: "deny" }, { workspaceOnly: true }, { enabled: false }, { visibility: "tree" }],
    );
    assert.deepEqual(deny, ["browser", "computer", "screen", "nodes"]);
  });

  it("keep to limits of sessions and media that fit the volume", () => {
    assert.deepEqual(behaviourConfig({}), {
      session: {
        reset: { mode: "daily", atHour: 4 },
        maintenance: { mode: "enforce", pruneAfter: "30d", maxEntries: 5000, maxDiskBytes: "2gb" },
      },
      agents: { defaults: { mediaMaxMb: 16 } },
      attachments: { ttlHours: 24 },
      approvals: { exec: { enabled: true, mode: "session" } },
    });
  });

  const cases: [string, Record<string, OpenClawAgent>, string][] = [
    ["an id with a capital", { Clerk: {} }, "Clerk"],
    ["a channel that is off", { clerk: { channels: ["slack"] } }, "clerk.channels"],
    ["fallbacks without a model", { clerk: { fallbacks: ["p/m"] } }, "clerk.fallbacks"],
    ["two lists of tools", { clerk: { tools: { allow: ["read"], alsoAllow: ["write"] } } }, "clerk.tools.alsoAllow"],
    ["a heartbeat of no length", { clerk: { heartbeat: { every: "often" } } }, "clerk.heartbeat.every"],
    ["a variable in a prompt", { clerk: { heartbeat: { prompt: "say ${HOME}" } } }, "clerk.heartbeat.prompt"],
    ["half of its hours", { clerk: { heartbeat: { activeFrom: "08:00" } } }, "clerk.heartbeat.activeFrom"],
    ["a channel that nobody answers", { clerk: {}, bare: {} }, ""],
    ["a channel that two answer", { clerk: { channels: ["telegram"] }, bare: { channels: ["telegram"] } }, ""],
  ];
  for (const [what, entries, option] of cases) {
    it(`refuse ${what}`, () => {
      const { where, fix } = refusal(() => checkAgents({ entries }, ["telegram"]));
      assert.equal(where, `gateway.openclaw.agents.entries${option === "" ? "" : "."}${option}`);
      assert.ok(fix);
    });
  }
});

describe("interfaces", () => {
  it("are in the order of their stability, whatever the order they are asked for in", () => {
    assert.deepEqual(interfacesOf([OpenClawInterface.Desktop, OpenClawInterface.InternalApi], false), [
      "internal-api",
      "desktop",
    ]);
    assert.deepEqual(INTERFACES, ["internal-api", "external-api", "query", "browser", "desktop"]);
  });

  it("include the browser when the gateway has one, and its tool then", () => {
    assert.deepEqual(interfacesOf(undefined, false), ["internal-api", "external-api", "query"]);
    const policy = toolPolicy({}, interfacesOf(undefined, true));
    assert.deepEqual(policy.alsoAllow, ["browser"]);
    assert.deepEqual(policy.deny, ["computer", "screen", "nodes"]);
  });

  it("deny what is not allowed, also to whoever allows the tool", () => {
    const policy = toolPolicy({ profile: OpenClawToolProfile.Full, alsoAllow: ["browser"] }, INTERNAL);
    assert.deepEqual(policy.deny, ["bundle-mcp", "group:web", "browser", "computer", "screen", "nodes"]);
    assert.deepEqual(toolPolicy({ allow: ["read"], exec: OpenClawExecMode.Ask }, INTERNAL).allow, ["read"]);
  });
});

describe("the content of agents", () => {
  const files = { "AGENTS.md": "Do.", "SOUL.md": "Be." };

  it("is a ConfigMap's data for each agent that has any, named by its hash", () => {
    const agents = { entries: { clerk: { files, skills: { greeting: SKILL } }, bare: {} } };
    const [content, ...rest] = agentContent(agents, INTERNAL);
    assert.deepEqual(rest, []);
    assert.ok(content);
    assert.deepEqual(Object.keys(content.data), ["AGENTS.md", "SOUL.md", "skill.greeting"]);
    assert.match(content.data["AGENTS.md"] ?? "", /^Do\.\n\n## Interfaces\n[\s\S]*\n1\. internal-api\n$/);
    assert.match(contentName("cell-gateway", content), /^cell-gateway-agent-clerk-[0-9a-f]{12}$/);
    const changed = agentContent({ entries: { clerk: { files: { ...files, "SOUL.md": "Be other." } } } }, INTERNAL);
    assert.notEqual(changed[0]?.hash, content.hash);
  });

  it("is mounted read-only over a workspace that is the agent's own", () => {
    const contents = agentContent({ entries: { clerk: { files, skills: { greeting: SKILL } } } }, INTERNAL);
    const mounted = contents.map((content) => ({ content, configMap: "texts" }));
    assert.deepEqual(contentMounts(["clerk", "bare"], mounted), {
      volumes: [
        { name: "agent-clerk", configMap: { name: "texts", defaultMode: 0o444 } },
        {
          name: "skills-clerk",
          configMap: {
            name: "texts",
            defaultMode: 0o444,
            items: [{ key: "skill.greeting", path: "greeting/SKILL.md" }],
          },
        },
      ],
      volumeMounts: [
        { name: "state", mountPath: "/workspaces/bare", subPath: "workspaces/bare" },
        { name: "state", mountPath: "/workspaces/clerk", subPath: "workspaces/clerk" },
        { name: "agent-clerk", mountPath: "/workspaces/clerk/AGENTS.md", subPath: "AGENTS.md", readOnly: true },
        { name: "agent-clerk", mountPath: "/workspaces/clerk/SOUL.md", subPath: "SOUL.md", readOnly: true },
        { name: "skills-clerk", mountPath: "/workspaces/clerk/skills", readOnly: true },
      ],
    });
  });

  const big = `---\nname: big\ndescription: d\n---\n${"é".repeat(2 ** 19)}`;
  const cases: [string, OpenClawAgent, RegExp][] = [
    ["TOOLS.md", { files: { "TOOLS.md": "x" } }, /put it under a heading Tools in AGENTS\.md/],
    ["HEARTBEAT.md", { files: { "HEARTBEAT.md": "x" } }, /heartbeat\.prompt/],
    ["a path", { files: { "../AGENTS.md": "x" } }, /is not among the files/],
    [
      "a file that would be cut",
      { files: { "USER.md": "x".repeat(4001) } },
      /4001 characters.* beyond 4000[\s\S]*skills/,
    ],
    [
      "files that would be cut together",
      {
        files: {
          "AGENTS.md": "x".repeat(19_800),
          "SOUL.md": "x".repeat(20_000),
          "IDENTITY.md": "x".repeat(20_000),
          "USER.md": "x".repeat(4000),
        },
      },
      /beyond 60000/,
    ],
    ["more than a ConfigMap holds", { skills: { big } }, /a ConfigMap holds 1048576[\s\S]*split the agent/],
    ["a skill without front matter", { skills: { greeting: "Say hello." } }, /begin it with: ---, name: greeting/],
    ["a skill of another name", { skills: { other: SKILL } }, /name: other/],
    ["a skill's name with a slash", { skills: { "a/b": SKILL } }, /no name of a skill/],
  ];
  for (const [what, agent, message] of cases) {
    it(`refuses ${what}, and says what to do`, () => {
      assert.match(refusal(() => agentContent({ entries: { clerk: agent } }, INTERNAL)).message, message);
    });
  }
});
