import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { catalogueImage } from "../../components/images";
import { ModelDatabase, ModelMode } from "../../components/model-proxy-options";
import { planModelProxy } from "../../components/model-proxy-plan";
import { proxyEnv } from "../../components/model-proxy-pod";
import { PROVIDER_HOSTS } from "../../components/model-providers";
import { bytesOf } from "../../components/resources";
import type { PythonPrograms } from "../../engine/programs/python";
import { run } from "../../engine/toolchain/process";
import { ClosedProxy, realLiteLlm, RunningLiteLlm, StubProvider } from "../support/model-proxy";
import { freePort } from "../support/openclaw";

const CANARY = "canary-provider-key";
const MAIN = "sk-canary-agent-main";
const SUPPORT = "sk-canary-agent-support";
const HURRIED = "sk-canary-agent-hurried";

const chat = (model: string, content = "hi") => ({ model, messages: [{ role: "user", content }] });

describe("contract of the model proxy with the real LiteLLM", function () {
  this.timeout(300_000);
  let programs: PythonPrograms;
  let provider: StubProvider;
  let forwardProxy: ClosedProxy;
  let litellm: RunningLiteLlm;
  let requestedMemory: number;

  before(async function () {
    programs = await realLiteLlm(this);
    provider = await StubProvider.start();
    forwardProxy = await ClosedProxy.start();
    const stub = { model: "openai/stub", providerKey: "openai" };
    const base = `http://127.0.0.1:${String(provider.port)}`;
    const plan = planModelProxy(
      {
        models: {
          main: { ...stub, apiBase: `${base}/v1` },
          broken: { ...stub, apiBase: `${base}/broken/v1` },
          embed: { ...stub, apiBase: `${base}/v1`, mode: ModelMode.Embedding },
          outside: { model: "openai/gpt-4o" },
        },
        fallbacks: { broken: ["main"] },
        retries: 0,
        providerKeys: { openai: { value: CANARY } },
        agents: { main: {}, support: { models: ["main"], rpm: 3 }, hurried: { maxParallelRequests: 1 } },
        database: { kind: ModelDatabase.None },
        egress: [{ cidr: "127.0.0.1/32" }],
      },
      { forwardProxy: true, telemetry: false },
    );
    requestedMemory = bytesOf(plan.resources.requests.memory, "requests") / 2 ** 20;
    const env = await resolved(
      proxyEnv({
        plan,
        database: undefined,
        telemetry: undefined,
        forwardProxy: { component: "forward-proxy", host: "127.0.0.1", port: forwardProxy.port },
        directHosts: [],
      }),
    );
    const keys = {
      PROVIDER_KEY_OPENAI: CANARY,
      AGENT_KEY_MAIN: MAIN,
      AGENT_KEY_SUPPORT: SUPPORT,
      AGENT_KEY_HURRIED: HURRIED,
    };
    litellm = new RunningLiteLlm(programs, plan.files, { ...env, ...keys }, await freePort());
    const milliseconds = await litellm.ready();
    console.log(`    ready after ${(milliseconds / 1000).toFixed(1)} s, ${litellm.look().memory.toFixed(0)} MiB`);
  });
  after(async () => {
    await (litellm as RunningLiteLlm | undefined)?.dispose();
    (provider as StubProvider | undefined)?.stop();
    (forwardProxy as ClosedProxy | undefined)?.stop();
  });

  it("is of the image's version", async () => {
    const version = await run(programs.python, [
      "-c",
      "from importlib.metadata import version; print(version('litellm'))",
    ]);
    assert.equal(`v${version.trim()}`, catalogueImage("litellm").tag);
  });

  it("lists the models, and to each agent its own alone", async () => {
    const models = async (key: string) => {
      const { data } = JSON.parse((await litellm.ask("/v1/models", key)).text) as { data: { id: string }[] };
      return data.map(({ id }) => id).sort();
    };
    assert.deepEqual(await models(MAIN), ["broken", "embed", "main", "outside"]);
    assert.deepEqual(await models(SUPPORT), ["main"]);
    assert.equal((await litellm.ask("/v1/chat/completions", SUPPORT, chat("broken"))).status, 403);
  });

  it("refuses a wrong key, and none", async () => {
    for (const key of ["sk-wrong-key-000000", "wrong", CANARY, undefined]) {
      assert.equal((await litellm.ask("/v1/models", key)).status, 401);
      assert.equal((await litellm.ask("/v1/chat/completions", key, chat("main"))).status, 401);
    }
  });

  it("answers chat and embeddings", async () => {
    const answer = await litellm.ask("/v1/chat/completions", MAIN, chat("main"));
    assert.equal(answer.status, 200);
    assert.match(answer.text, /hello from the stub/);
    const embedding = await litellm.ask("/v1/embeddings", MAIN, { model: "embed", input: "a note" });
    assert.match(embedding.text, /\[0\.25,0\.5\]/);
  });

  it("falls back when the first model's provider fails", async () => {
    provider.requests.length = 0;
    const answer = await litellm.ask("/v1/chat/completions", MAIN, chat("broken"));
    assert.equal(answer.status, 200);
    const asked = provider.requests.filter(({ path }) => path.endsWith("/chat/completions")).map(({ path }) => path);
    assert.deepEqual(asked, ["/broken/v1/chat/completions", "/v1/chat/completions"]);
  });

  it("lets an agent make as many requests per minute as its key says", async () => {
    const statuses: number[] = [];
    for (let request = 0; request < 5; request++) {
      statuses.push((await litellm.ask("/v1/chat/completions", SUPPORT, chat("main"))).status);
    }
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
  });

  it("lets an agent make as many requests at a time as its key says", async () => {
    const first = litellm.ask("/v1/chat/completions", HURRIED, chat("main", "take your time"));
    await until(() => provider.requests.some(({ body }) => body.includes("take your time")));
    const second = await litellm.ask("/v1/chat/completions", HURRIED, chat("main"));
    assert.equal(second.status, 429);
    assert.match(second.text, /max_parallel_requests/);
    assert.equal((await first).status, 200);
  });

  it("lets no agent administer, and serves no description of itself", async () => {
    for (const path of ["/key/list", "/spend/logs", "/health", "/routes"]) {
      assert.equal((await litellm.ask(path, MAIN)).status, 403, path);
    }
    for (const path of ["/key/generate", "/model/new", "/user/new", "/config/update"]) {
      assert.equal((await litellm.ask(path, MAIN, {})).status, 403, path);
    }
    for (const path of ["/openapi.json", "/redoc"]) assert.equal((await litellm.ask(path)).status, 404, path);
  });

  it("has probes that mean something: an unknown path is not found", async () => {
    assert.equal((await litellm.ask("/health/liveliness")).status, 200);
    assert.equal((await litellm.ask("/health/unknown")).status, 404);
  });

  it("reaches a provider's own API through the forward proxy, and a private one directly", async () => {
    const answer = await litellm.ask("/v1/chat/completions", MAIN, chat("outside"));
    assert.notEqual(answer.status, 200);
    assert.deepEqual([...new Set(forwardProxy.asked)], ["api.openai.com:443"]);
  });

  it("knows the providers' hosts as LiteLLM does", async () => {
    const script =
      "import json, sys, litellm; print(json.dumps({p: litellm.get_llm_provider(p + '/x', api_key='k')[3] for p in sys.argv[1:]}))";
    const output = await run(programs.python, ["-c", script, ...Object.keys(PROVIDER_HOSTS)], {
      env: { ...programs.env, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
    });
    const bases = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Record<string, string | null>;
    const known = Object.entries(bases).filter((entry): entry is [string, string] => entry[1] !== null);
    assert.ok(known.length >= 9, "LiteLLM names too few to tell");
    for (const [name, base] of known) assert.equal(new URL(base).hostname, PROVIDER_HOSTS[name], name);
  });

  it("pain 14: shows the provider's key to the provider alone", () => {
    assert.ok(provider.requests.some(({ authorization }) => authorization === `Bearer ${CANARY}`));
    const { commandLine } = litellm.look();
    assert.ok(!commandLine.includes("canary"), "a secret is on the command line");
    assert.ok(!litellm.log.includes("canary"), "a secret is in the log");
    const files = readdirSync(litellm.root, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      assert.ok(!readFileSync(path).includes("canary"), `a secret is in ${path}`);
    }
  });

  it("needs less memory than it asks the scheduler for", () => {
    assert.ok(litellm.look().memory < requestedMemory, `${String(litellm.look().memory)} MiB`);
  });

  it("answers what it has begun before it ends", async () => {
    provider.requests.length = 0;
    const last = litellm.ask("/v1/chat/completions", MAIN, chat("main", "take your time"));
    await until(() => provider.requests.some(({ body }) => body.includes("take your time")));
    await litellm.stop();
    assert.equal((await last).status, 200);
    assert.match(litellm.log, /Application shutdown complete/);
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds();) {
    if (Date.now() > end) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function resolved(values: Record<string, pulumi.Input<string>>): Promise<Record<string, string>> {
  return new Promise((resolve) => {
    pulumi.output(values).apply(resolve);
  });
}
