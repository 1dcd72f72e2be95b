import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { agentContent, type AgentContent } from "../../components/agent-content";
import { SignalDaemon, type ChannelsOptions } from "../../components/channel-options";
import { channelSecrets } from "../../components/channels";
import { OpenClawExecMode, type OpenClawAgents } from "../../components/openclaw/agent-options";
import { gatewayConfig, GATEWAY_TOKEN_ENV, providerKeyEnv } from "../../components/openclaw/config";
import { OpenClawToolProfile, type OpenClawOptions } from "../../components/openclaw/options";
import { interfacesOf } from "../../components/openclaw/tool-policy";
import type { OpenClawConfig } from "../../components/openclaw/validate";
import type { InstalledOpenClaw } from "../../engine/openclaw";
import { botApi, type BotApi } from "../support/bot-api";
import { modelStandIn, type ModelStandIn } from "../support/http-stand-ins";
import {
  bearer,
  freePort,
  podEnv,
  podFiles,
  realOpenClaw,
  secret,
  send,
  startGateway,
  untilStarted,
  type Gateway,
} from "../support/openclaw";

const FRIEND = 1001;
const STRANGER = 2002;
const GROUP = -5001;
const OTHER_GROUP = -6001;
/** Long enough for a message to be dealt with on a busy machine; what must not happen is waited for this long. */
const QUIET_MS = 8000;

const AGENTS: OpenClawAgents = {
  entries: {
    clerk: {
      files: {
        "AGENTS.md": "Say WORD-OF-AGENTS.",
        "SOUL.md": "Be WORD-OF-SOUL.",
        "IDENTITY.md": "You are WORD-OF-IDENTITY.",
        "USER.md": "They are WORD-OF-USER.",
      },
      skills: { greeting: "---\nname: greeting\ndescription: WORD-OF-SKILL\n---\nSay hello.\n" },
      tools: { profile: OpenClawToolProfile.Coding },
      channels: ["telegram"],
    },
    bare: { tools: { profile: OpenClawToolProfile.Coding, exec: OpenClawExecMode.Ask } },
  },
};
const WORDS = ["AGENTS", "SOUL", "IDENTITY", "USER", "SKILL"].map((name) => `WORD-OF-${name}`);

/** Lays a content out as the Pod's mounts do: the files plain, the skills as a ConfigMap's directory. */
function mountContent(workspaces: string, { agent, data, files, skills }: AgentContent): void {
  const workspace = join(workspaces, agent);
  const dated = join(workspace, "skills", "..2026_11_21");
  mkdirSync(dated, { recursive: true });
  for (const file of files) writeFileSync(join(workspace, file), data[file] ?? "", { mode: 0o444 });
  symlinkSync("..2026_11_21", join(workspace, "skills", "..data"));
  for (const skill of skills) {
    mkdirSync(join(dated, skill));
    writeFileSync(join(dated, skill, "SKILL.md"), data[`skill.${skill}`] ?? "", { mode: 0o444 });
    symlinkSync(join("..data", skill), join(workspace, "skills", skill));
  }
}

describe("contract with the real OpenClaw: channels and agents", function () {
  this.timeout(240_000);
  let openclaw: InstalledOpenClaw;
  let model: ModelStandIn;
  let bot: BotApi;
  let gateway: Gateway;
  let options: OpenClawOptions;
  let workspacesDir: string;
  const token = secret();
  const botToken = `123456:${secret()}`;
  const disposals: (() => Promise<void> | void)[] = [];

  before(async function () {
    this.timeout(600_000); // the first run installs
    openclaw = await realOpenClaw(this);
    model = await modelStandIn("pong");
    bot = await botApi();
    workspacesDir = await mkdtemp(join(tmpdir(), "clawfleet-workspaces-"));
    disposals.push(model.close, bot.close, () => rm(workspacesDir, { recursive: true, force: true }));
    options = {
      http: { chatCompletions: true },
      agents: AGENTS,
      models: {
        primary: "stand-in/echo",
        providers: { "stand-in": { baseUrl: `http://127.0.0.1:${model.port}/v1`, models: [{ id: "echo" }] } },
      },
    };
    for (const content of agentContent(AGENTS, interfacesOf(undefined, false))) mountContent(workspacesDir, content);
    mkdirSync(join(workspacesDir, "bare"));
    const port = await freePort();
    const channels: ChannelsOptions = {
      telegram: { apiRoot: bot.url, allowFrom: [String(FRIEND)], groups: { [GROUP]: {} } },
    };
    gateway = startGateway(
      openclaw,
      gatewayConfig(options, { environment: "dev", port, channels, workspacesDir }),
      port,
      {
        [GATEWAY_TOKEN_ENV]: token,
        [providerKeyEnv("stand-in")]: secret(),
        TELEGRAM_BOT_TOKEN: botToken,
      },
    );
    disposals.push(gateway.dispose);
    await untilStarted(gateway);
  });

  after(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  const chat = async (agent: string): Promise<string> => {
    const before = model.requests.length;
    const body = JSON.stringify({ model: `openclaw/${agent}`, messages: [{ role: "user", content: "ping" }] });
    const headers = { ...bearer(token), "content-type": "application/json" };
    const answer = await send({ port: gateway.port, path: "/v1/chat/completions", headers, body });
    assert.equal(answer.status, 200, answer.body);
    return model.requests.slice(before).join("\n");
  };
  const answersTo = (chatId: number): string[] =>
    bot.calls.filter(({ method, chat }) => method === "sendMessage" && chat === chatId).map(({ text }) => text);
  const answered = async (chatId: number): Promise<string> => {
    const deadline = Date.now() + 90_000;
    while (Date.now() < deadline) {
      const [text] = answersTo(chatId);
      if (text !== undefined) return text;
      await sleep(100);
    }
    throw new Error(`no answer in chat ${chatId}:\n${gateway.output().slice(-2000)}`);
  };

  describe("an agent's content", () => {
    it("reaches the model, and no other agent's", async () => {
      const prompt = await chat("clerk");
      assert.deepEqual(
        WORDS.filter((word) => !prompt.includes(word)),
        [],
      );
      assert.match(prompt, /1\. internal-api\\n2\. external-api\\n3\. query/);
      const other = await chat("bare");
      assert.deepEqual(
        WORDS.filter((word) => other.includes(word)),
        [],
      );
    });

    it("offers no tool of an interface that is not allowed", async () => {
      const { tools = [] } = JSON.parse(await chat("clerk")) as { tools?: { function: { name: string } }[] };
      const names = tools.map(({ function: { name } }) => name);
      assert.ok(names.includes("read"), names.join(" "));
      assert.deepEqual(
        names.filter((name) => ["browser", "computer", "screen", "nodes"].includes(name)),
        [],
      );
    });

    it("stays as it was mounted, and nothing is put beside it that nobody declared", () => {
      assert.deepEqual(readdirSync(join(workspacesDir, "clerk")).sort(), [
        "AGENTS.md",
        "IDENTITY.md",
        "SOUL.md",
        "USER.md",
        "skills",
      ]);
      const text = readFileSync(join(workspacesDir, "clerk", "SOUL.md"), "utf8");
      assert.equal(text, AGENTS.entries?.clerk?.files?.["SOUL.md"]);
      assert.ok(!existsSync(join(workspacesDir, "bare", "BOOTSTRAP.md")));
    });
  });

  describe("Telegram, with a stand-in for its Bot API", () => {
    it("answers who is on the list", async () => {
      bot.say(FRIEND, "hello");
      assert.equal(await answered(FRIEND), "pong");
    });

    it("gives a stranger a pairing code and no answer, and asks no model", async () => {
      const before = model.requests.length;
      bot.say(STRANGER, "STRANGE-WORDS");
      assert.match(await answered(STRANGER), /access not configured[\s\S]*pairing approve telegram/);
      await sleep(QUIET_MS);
      assert.equal(answersTo(STRANGER).length, 1);
      assert.ok(!model.requests.slice(before).some((request) => request.includes("STRANGE-WORDS")));
    });

    it("answers in a group on the list who is on the list, and nobody and nowhere else", async () => {
      bot.say(FRIEND, "hello", GROUP);
      assert.equal(await answered(GROUP), "pong");
      const before = model.requests.length;
      bot.say(STRANGER, "STRANGE-WORDS", GROUP);
      bot.say(FRIEND, "STRANGE-WORDS", OTHER_GROUP);
      await sleep(QUIET_MS);
      assert.deepEqual([answersTo(GROUP).length, answersTo(OTHER_GROUP).length], [1, 0]);
      assert.ok(!model.requests.slice(before).some((request) => request.includes("STRANGE-WORDS")));
    });

    it("never logs the bot's token", () => {
      assert.ok(!gateway.output().includes(botToken.slice(7)));
    });
  });

  describe("every channel, with nobody at the other end", () => {
    const channels: ChannelsOptions = {
      discord: { allowFrom: ["123456789012345678"], groups: { "123456789012345678": {} } },
      slack: { groups: { C0123456789: { requireMention: false } }, groupAllowFrom: ["*"] },
      whatsapp: { allowFrom: ["+15551234567"], groups: { "120363424282127706@g.us": {} } },
      signal: { account: "+15551234567", daemonUrl: "http://signal.example.com", daemon: SignalDaemon.RestApi },
    };

    it("has a config without issues and warnings", async () => {
      const all = { telegram: {}, ...channels };
      const config: OpenClawConfig = gatewayConfig({}, { environment: "prod", channels: all });
      const files = podFiles(config);
      disposals.push(files.remove);
      const secrets = Object.fromEntries(channelSecrets(all).map(({ env }) => [env, secret()]));
      const env = podEnv(files, { [GATEWAY_TOKEN_ENV]: secret(), ...secrets });
      const { valid, warnings } = JSON.parse(await openclaw.run(["config", "validate", "--json"], env)) as {
        valid: boolean;
        warnings: unknown[];
      };
      assert.deepEqual({ valid, warnings }, { valid: true, warnings: [] });
    });

    it("stays ready while the channel is broken", async () => {
      // The Bot API goes away under a gateway that runs; the readiness probe must not notice.
      await bot.close();
      await sleep(QUIET_MS);
      const { status, body } = await gateway.get("/startupz");
      assert.equal(status, 200, body);
      assert.match(body, /"started"/);
    });
  });
});
