import assert from "node:assert/strict";
import {
  MessageBroker,
  planMessageBroker,
  type MessageBrokerArgs,
  type MessageBrokerOptions,
} from "../../components/message-broker";
import { MessageRelay, type MessageRelayArgs } from "../../components/message-relay";
import { planMessageRelay, type MessageRelayOptions } from "../../components/message-relay-plan";
import { recordCell, type Container, type PodSpec } from "./cells";
import { differences, providers, record } from "./support";

const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const SECRET = "kubernetes:core/v1:Secret";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";
const DEPLOYMENT = "kubernetes:apps/v1:Deployment";

function recordBroker(args: Partial<MessageBrokerArgs> = {}) {
  return record((recorder) => {
    new MessageBroker(
      "broker",
      { namespace: "agents", ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

const key = (user: string) => ({
  secretName: `broker-${user}-password`,
  key: `NATS_${user.toUpperCase()}_PASSWORD`,
  version: 1,
});

function recordRelay(args: Partial<MessageRelayArgs> = {}) {
  return record((recorder) => {
    new MessageRelay(
      "relay",
      {
        namespace: "agents",
        broker: { component: "message-broker", host: "broker", port: 4222 },
        gateway: { component: "gateway", host: "gateway", port: 18789 },
        setupPassword: key("setup"),
        relayPassword: key("relay"),
        redrivePassword: key("redrive"),
        ...args,
      },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

type Recorded = Awaited<ReturnType<typeof recordBroker>>;

function podOf(recorder: Recorded, type: string, name: string): PodSpec {
  return (recorder.get(type, name).inputs as { spec: { template: { spec: PodSpec } } }).spec.template.spec;
}

function rulesOf(recorder: Recorded, name: string) {
  const { spec } = recorder.get(POLICY, name).inputs as {
    spec: {
      ingress: { from: { podSelector?: { matchLabels: Record<string, string> } }[]; ports: { port: number }[] }[];
      egress: { to: { podSelector: { matchLabels: Record<string, string> } }[]; ports: { port: number }[] }[];
    };
  };
  const component = (peer: { podSelector?: { matchLabels: Record<string, string> } }) =>
    peer.podSelector?.matchLabels["app.kubernetes.io/component"] ?? peer.podSelector?.matchLabels["k8s-app"];
  return {
    ingress: spec.ingress.map(({ from, ports }) => [from.map(component).join(), ports[0]?.port]),
    egress: spec.egress.map(({ to, ports }) => [to.map(component).join(), ports[0]?.port]),
  };
}

const assertHardened = ({ securityContext, resources }: Container) => {
  assert.equal(securityContext.readOnlyRootFilesystem, true);
  assert.deepEqual(Object.keys(resources.limits).sort(), ["cpu", "ephemeral-storage", "memory"]);
  assert.deepEqual(Object.keys(resources.requests).sort(), ["cpu", "ephemeral-storage", "memory"]);
};

describe("MessageBroker", () => {
  it("registers exactly these resources alone", async () => {
    const users = ["redrive", "relay", "setup"];
    assert.deepEqual(
      (await recordBroker()).list(),
      [
        "clawfleet:index:MessageBroker broker",
        ...users.map((user) => `random:index/randomPassword:RandomPassword broker-${user}-password`),
        ...users.map((user) => `${SECRET} broker-${user}-password`),
        `${CONFIG_MAP} broker-config`,
        "kubernetes:core/v1:PersistentVolumeClaim broker-streams",
        "kubernetes:core/v1:Service broker",
        "kubernetes:core/v1:ServiceAccount broker",
        `${POLICY} broker`,
        "kubernetes:policy/v1:PodDisruptionBudget broker",
        `${STATEFUL_SET} broker`,
      ].sort(),
    );
  });

  it("lets in the relay, and to its figures who observes the cell; it reaches nothing but DNS", async () => {
    assert.deepEqual(rulesOf(await recordBroker(), "broker"), {
      ingress: [
        ["message-relay,message-redrive", 4222],
        ["diagnostics,telemetry-collector", 8222],
      ],
      egress: [["kube-dns", 53]],
    });
  });

  it("lets Pods of other namespaces in only when told so", async () => {
    const recorder = await recordBroker({ clientNamespaces: ["billing"] });
    const { spec } = recorder.get(POLICY, "broker-clients").inputs as { spec: { ingress: unknown } };
    assert.deepEqual(spec.ingress, [
      {
        from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "billing" } } }],
        ports: [{ protocol: "TCP", port: 4222 }],
      },
    ]);
  });

  it("is hardened, and takes its passwords from the environment alone", async () => {
    const recorder = await recordBroker({ publishers: { billing: { password: { value: "canary-password" } } } });
    const [container] = podOf(recorder, STATEFUL_SET, "broker").containers;
    assert.ok(container);
    assertHardened(container);
    const env = container.env.filter(({ name }) => name.startsWith("NATS_BILLING"));
    assert.deepEqual(env, [
      {
        name: "NATS_BILLING_PASSWORD_PLAIN",
        valueFrom: { secretKeyRef: { name: "broker-billing-password", key: "NATS_BILLING_PASSWORD" } },
      },
      { name: "NATS_BILLING_PASSWORD", value: '"$(NATS_BILLING_PASSWORD_PLAIN)"' },
    ]);
    for (const { inputs, secrets, type, name } of recorder.resources) {
      const holds = JSON.stringify(inputs).includes("canary-password");
      assert.ok(!holds || secrets.length > 0, `${type} ${name} holds the password in clear`);
    }
  });

  it("rolls when its config changes and when a password is rotated", async () => {
    const before = await recordBroker({ publishers: { billing: {} } });
    const config = differences(before, await recordBroker({ publishers: { billing: {} }, maxConnections: 512 }));
    assert.deepEqual(config, [
      `${STATEFUL_SET} broker spec.template.spec.volumes.0.configMap.name`,
      `${CONFIG_MAP} broker-config data.nats.conf`,
      `${CONFIG_MAP} broker-config metadata.name`,
    ]);
    const rotated = differences(before, await recordBroker({ publishers: { billing: { password: { version: 2 } } } }));
    assert.deepEqual(rotated, [
      `${STATEFUL_SET} broker spec.template.metadata.annotations.clawfleet.dev/secrets`,
      "random:index/randomPassword:RandomPassword broker-billing-password keepers.version",
    ]);
  });

  it("keeps its volume only when told so", async () => {
    const claim = "kubernetes:core/v1:PersistentVolumeClaim";
    assert.equal((await recordBroker()).options(claim, "broker-streams").retainOnDelete, false);
    assert.equal((await recordBroker({ retain: true })).options(claim, "broker-streams").retainOnDelete, true);
  });

  const refused: [MessageBrokerOptions, RegExp][] = [
    [{ publishers: { Billing: {} } }, /messaging\.broker\.publishers\.Billing/],
    [{ publishers: { relay: {} } }, /messaging\.broker\.publishers\.relay[\s\S]*reserved|the user name relay is taken/],
    [{ publishers: { crm: {} }, subscribers: { crm: {} } }, /messaging\.broker\.subscribers\.crm/],
    [{ clientNamespaces: ["*"] }, /messaging\.broker\.clientNamespaces/],
    [{ maxPayloadBytes: 1_000_000 }, /messaging\.broker\.maxPayloadBytes/],
    [{ volume: { size: "big" } }, /messaging\.broker\.volume\.size/],
    [{ image: "nats:latest" }, /messaging\.broker\.image/],
  ];
  for (const [options, message] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => assert.throws(() => planMessageBroker(options), message));
  }
});

describe("MessageRelay", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual(
      (await recordRelay()).list(),
      [
        "clawfleet:index:MessageRelay relay",
        "random:index/randomPassword:RandomPassword relay-hooks-token",
        `${SECRET} relay-hooks-token`,
        `${CONFIG_MAP} relay-config`,
        "kubernetes:batch/v1:CronJob relay-redrive",
        "kubernetes:core/v1:Service relay",
        "kubernetes:core/v1:ServiceAccount relay",
        "kubernetes:core/v1:ServiceAccount relay-redrive",
        `${POLICY} relay`,
        `${POLICY} relay-redrive`,
        "kubernetes:policy/v1:PodDisruptionBudget relay",
        `${DEPLOYMENT} relay`,
      ].sort(),
    );
  });

  it("reaches broker and gateway alone, and the gateway reaches it only for events", async () => {
    const egress = [
      ["kube-dns", 53],
      ["message-broker", 4222],
      ["gateway", 18789],
    ];
    const figures = ["diagnostics,telemetry-collector", 4195];
    assert.deepEqual(rulesOf(await recordRelay(), "relay"), { ingress: [figures], egress });
    assert.deepEqual(rulesOf(await recordRelay({ events: true }), "relay"), {
      ingress: [figures, ["gateway", 8080]],
      egress,
    });
  });

  it("holds the password of its own user alone: the one that makes streams is the init container's", async () => {
    const { containers, initContainers = [] } = podOf(await recordRelay(), DEPLOYMENT, "relay");
    const names = (list: Container[]) => list.flatMap(({ env }) => env.map(({ name }) => name));
    assert.deepEqual(names(containers), [
      "BROKER_ADDRESS",
      "NATS_RELAY_PASSWORD",
      "GATEWAY_URL",
      "OPENCLAW_HOOKS_TOKEN",
    ]);
    assert.deepEqual(names(initContainers), ["BROKER_ADDRESS", "NATS_SETUP_PASSWORD"]);
    for (const container of [...containers, ...initContainers]) assertHardened(container);
  });

  it("brings dead letters back only when a person runs the job", async () => {
    const { spec } = (await recordRelay()).get("kubernetes:batch/v1:CronJob", "relay-redrive").inputs as {
      spec: { suspend: boolean; jobTemplate: { spec: { template: { spec: PodSpec } } } };
    };
    assert.equal(spec.suspend, true);
    const { serviceAccountName, automountServiceAccountToken } = spec.jobTemplate.spec.template.spec;
    assert.deepEqual([serviceAccountName, automountServiceAccountToken], ["relay-redrive", false]);
    for (const container of spec.jobTemplate.spec.template.spec.containers) assertHardened(container);
  });

  it("rolls when its config changes and when a secret is rotated", async () => {
    const before = await recordRelay();
    assert.ok(
      differences(before, await recordRelay({ maxInFlight: 8 })).includes(
        `${DEPLOYMENT} relay spec.template.spec.volumes.0.configMap.name`,
      ),
    );
    assert.deepEqual(differences(before, await recordRelay({ hooksToken: { version: 2 } })), [
      `${DEPLOYMENT} relay spec.template.metadata.annotations.clawfleet.dev/secrets`,
      "random:index/randomPassword:RandomPassword relay-hooks-token keepers.version",
    ]);
  });

  it("has a cell's broker where a rollout asks for its queue", async () => {
    const recorder = await recordCell({ messaging: {} });
    const { metadata, spec } = recorder.get("kubernetes:core/v1:Service", "cell-broker").inputs as {
      metadata: { name: string };
      spec: { selector: Record<string, string>; ports: { name: string; port: number }[] };
    };
    assert.equal(metadata.name, "cell-broker");
    assert.equal(recorder.get(STATEFUL_SET, "cell-broker").type, STATEFUL_SET);
    assert.deepEqual(spec.ports[1], { name: "monitoring", port: 8222, targetPort: 8222, protocol: "TCP" });
    assert.equal(spec.selector["app.kubernetes.io/component"], "message-broker");
    assert.equal(spec.selector["app.kubernetes.io/instance"], "cell");
  });

  const refused: [MessageRelayOptions, RegExp][] = [
    [{ duplicateWindowSeconds: 60 }, /messaging\.relay\.duplicateWindowSeconds/],
    [{ outboundSize: "20Gi" }, /messaging\.relay\.outboundSize/],
    [{ outboundSize: "all" }, /messaging\.relay\.outboundSize/],
    [{ maxMessageBytes: 229376 }, /messaging\.relay\.maxMessageBytes/],
    [{ retryDelaysSeconds: [] }, /messaging\.relay\.retryDelaysSeconds/],
    [{ retryDelaysSeconds: [0] }, /messaging\.relay\.retryDelaysSeconds/],
    [{ turnTimeoutSeconds: 0.5 }, /messaging\.relay\.turnTimeoutSeconds/],
    [{ image: "bento:latest" }, /messaging\.relay\.image/],
  ];
  const { storageBytes, maxPayloadBytes } = planMessageBroker({});
  for (const [options, message] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () =>
      assert.throws(() => planMessageRelay(options, { storageBytes, maxPayloadBytes, subscribers: [] }), message));
  }

  it("refuses subscribers that no event would reach", () => {
    assert.throws(() => planMessageRelay({}, { subscribers: ["crm"] }), /messaging\.relay\.events/);
    assert.ok(planMessageRelay({ events: true }, { storageBytes, maxPayloadBytes, subscribers: ["crm"] }).events);
  });
});
