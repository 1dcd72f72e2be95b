import assert from "node:assert/strict";
import { ValidationFailed } from "../../components/errors";
import { Environment } from "../../components/environment";
import { OpenClawGateway, type GatewayOptions } from "../../components/openclaw-gateway";
import { configText, pod } from "./cells";
import { differences, providers, record, type Recorder } from "./support";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const SECRET = "kubernetes:core/v1:Secret";

function recordGateway(options: Partial<GatewayOptions> = {}, soul = "Be kind."): Promise<Recorder> {
  return record(() => {
    new OpenClawGateway(
      "gateway",
      {
        namespace: "agents",
        environment: Environment.Dev,
        channels: { telegram: { botToken: { value: "canary-bot-token" }, allowFrom: ["1001"] } },
        egress: [{ cidr: "149.154.160.0/20" }],
        openclaw: { agents: { entries: { clerk: { files: { "SOUL.md": soul } } } } },
        ...options,
      },
      { providers: providers() },
    );
  });
}

describe("OpenClawGateway with channels and agents", () => {
  it("puts a channel's token into a Secret and a variable, and nowhere else", async () => {
    const recorder = await recordGateway();
    const { inputs, secrets } = recorder.get(SECRET, "gateway-telegram-bot-token");
    assert.deepEqual(inputs.stringData, { TELEGRAM_BOT_TOKEN: "canary-bot-token" });
    assert.ok(secrets.length > 0);
    const [container] = pod(recorder, "gateway").containers;
    const variable = container?.env.find(({ name }) => name === "TELEGRAM_BOT_TOKEN");
    assert.deepEqual(variable?.valueFrom, {
      secretKeyRef: { name: "gateway-telegram-bot-token", key: "TELEGRAM_BOT_TOKEN" },
    });
    for (const resource of recorder.objects()) {
      if (resource.type !== SECRET) assert.ok(!JSON.stringify(resource.inputs).includes("canary"), resource.name);
    }
    assert.ok(!configText(recorder, "gateway").includes("canary"));
  });

  it("mounts an agent's texts read-only from an immutable ConfigMap, over its workspace on the state's volume", async () => {
    const recorder = await recordGateway();
    const { metadata, immutable, data } = recorder.get(CONFIG_MAP, "gateway-agent-clerk").inputs as {
      metadata: { name: string };
      immutable: boolean;
      data: Record<string, string>;
    };
    assert.deepEqual([immutable, data], [true, { "SOUL.md": "Be kind." }]);
    const { containers, volumes } = pod(recorder, "gateway");
    assert.deepEqual(
      containers[0]?.volumeMounts.filter(({ mountPath }) => mountPath.startsWith("/workspaces")),
      [
        { name: "state", mountPath: "/workspaces/clerk", subPath: "workspaces/clerk" },
        { name: "agent-clerk", mountPath: "/workspaces/clerk/SOUL.md", subPath: "SOUL.md", readOnly: true },
      ],
    );
    assert.deepEqual(
      volumes.find(({ name }) => name === "agent-clerk"),
      { name: "agent-clerk", configMap: { name: metadata.name, defaultMode: 0o444 } },
    );
  });

  it("rolls the Pod for a changed text, and changes nothing else", async () => {
    const changed = differences(await recordGateway(), await recordGateway({}, "Be brief."));
    assert.deepEqual(
      changed.map((difference) => difference.split(" ").slice(0, 2).join(" ")),
      [
        "kubernetes:apps/v1:StatefulSet gateway",
        `${CONFIG_MAP} gateway-agent-clerk`,
        `${CONFIG_MAP} gateway-agent-clerk`,
      ],
    );
  });

  it("rolls the Pod when a channel's token is rotated", async () => {
    const botToken = { value: "canary-bot-token", version: 2 };
    const changed = differences(
      await recordGateway(),
      await recordGateway({ channels: { telegram: { botToken, allowFrom: ["1001"] } } }),
    );
    assert.equal(changed.length, 1);
    assert.match(changed[0] ?? "", /StatefulSet gateway .*clawfleet\.dev\/secrets$/);
  });

  it("refuses a channel that nothing lets out", async () => {
    await assert.rejects(recordGateway({ egress: [] }), (error) => {
      assert.ok(error instanceof ValidationFailed);
      return error.where === "gateway.channels";
    });
  });
});
