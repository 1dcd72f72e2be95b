import assert from "node:assert/strict";
import { openclawConfig } from "../../policy/policies/openclaw-config";
import { openclawGateway } from "../../policy/policies/openclaw-gateway";
import { UNKNOWN, validate, validateStack } from "./support";

const SAFE = {
  gateway: {
    auth: { mode: "token" },
    controlUi: { allowedOrigins: ["https://openclaw.example.com"] },
    trustedProxies: ["10.42.0.0/16", "10.1.2.3", "fd00::/64"],
  },
  channels: { telegram: { dmPolicy: "pairing", accounts: { main: { dmPolicy: "allowlist" } } } },
  tools: { elevated: { enabled: false } },
};
const configMap = (text: unknown) => ({
  type: "kubernetes:core/v1:ConfigMap",
  name: "config",
  props: { metadata: { name: "openclaw", namespace: "agents" }, data: { "openclaw.json": text } },
});
const problems = async (config: unknown, options?: Record<string, unknown>) => {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  const { violations, advisory } = await validate(openclawConfig, configMap(text), options);
  assert.equal(advisory, undefined);
  return violations.map((violation) => violation.replace('data["openclaw.json"]: ', ""));
};
const gateway = (changes: Record<string, unknown>) => ({ ...SAFE, gateway: { ...SAFE.gateway, ...changes } });

describe("policy openclaw-config", () => {
  it("accepts a safe config, and ConfigMaps without one", async () => {
    assert.deepEqual(await problems(SAFE), []);
    const other = { type: "kubernetes:core/v1:ConfigMap", props: { data: { "other.json": "{}" } } };
    assert.deepEqual(await validate(openclawConfig, other), { violations: [] });
  });

  it("refuses a gateway that asks for no login", async () => {
    const problem = "gateway.auth.mode asks nobody for a login; set it to token, password or trusted-proxy";
    for (const auth of [{ mode: "none" }, {}, undefined])
      assert.deepEqual(await problems(gateway({ auth })), [problem]);
    for (const mode of ["password", "trusted-proxy"]) assert.deepEqual(await problems(gateway({ auth: { mode } })), []);
  });

  it("refuses wildcard origins, and whatever turns a protection off", async () => {
    assert.deepEqual(await problems(gateway({ controlUi: { allowedOrigins: ["https://a.example.com", "*"] } })), [
      "gateway.controlUi.allowedOrigins[1] is a wildcard; name the origin",
    ]);
    for (const name of [
      "allowInsecureAuth",
      "dangerouslyDisableDeviceAuth",
      "dangerouslyAllowHostHeaderOriginFallback",
    ]) {
      assert.deepEqual(await problems(gateway({ controlUi: { [name]: true } })), [
        `gateway.controlUi.${name} turns a protection off; leave it out`,
      ]);
    }
    const browser = { profiles: [{ ssrfPolicy: { dangerouslyAllowPrivateNetwork: true, other: false } }] };
    assert.deepEqual(await problems({ ...gateway({ allowRealIpFallback: true }), browser }), [
      "gateway.allowRealIpFallback turns a protection off; leave it out",
      "browser.profiles[0].ssrfPolicy.dangerouslyAllowPrivateNetwork turns a protection off; leave it out",
    ]);
  });

  it("refuses wide networks of proxies, by the config's measure", async () => {
    const wide = (index: number) =>
      `gateway.trustedProxies[${String(index)}] is wide, or no network; name the proxies' own addresses`;
    const trustedProxies = [
      "10.0.0.0/8",
      "0.0.0.0/0",
      "fd00::/40",
      "proxy.example.com",
      "10.1.0.0/16",
      "10.0.0.0/99",
      "::/0",
      "192.168.0.0/16",
    ];
    assert.deepEqual(await problems(gateway({ trustedProxies })), [0, 1, 2, 3, 5, 6, 7].map(wide));
    assert.deepEqual(await problems(SAFE, { trustedProxyBits: 24, trustedProxyBitsOfIPv6: 96 }), [wide(0), wide(2)]);
  });

  it("refuses open messages, of channels and of accounts", async () => {
    const open = (path: string) => `${path} lets everyone talk to the agents; use pairing or allowlist`;
    const channels = {
      telegram: { dmPolicy: "open", accounts: { main: { dmPolicy: "open" } } },
      slack: { dm: { policy: "open" }, groupPolicy: "allowlist" },
    };
    assert.deepEqual(await problems({ ...SAFE, channels }), [
      open("channels.telegram.dmPolicy"),
      open("channels.telegram.accounts.main.dmPolicy"),
      open("channels.slack.dm.policy"),
    ]);
  });

  it("refuses elevated tools, everywhere and of one agent", async () => {
    const problem = (path: string) => `${path} is not off, so agents leave their sandbox; set it to false`;
    for (const tools of [undefined, {}, { elevated: {} }, { elevated: { enabled: true } }]) {
      assert.deepEqual(await problems({ ...SAFE, tools }), [problem("tools.elevated.enabled")]);
    }
    const agents = { list: [{ id: "a" }, { id: "b", tools: { elevated: { enabled: true } } }] };
    assert.deepEqual(await problems({ ...SAFE, agents }), [problem("agents.list[1].tools.elevated.enabled")]);
    const entries = { a: {}, b: { tools: { elevated: { enabled: true } } } };
    assert.deepEqual(await problems({ ...SAFE, agents: { entries } }), [
      problem("agents.entries.b.tools.elevated.enabled"),
    ]);
  });

  it("says what it cannot read", async () => {
    const problem = "no JSON, so it cannot be checked; write it without comments and trailing commas";
    assert.deepEqual(await problems("{ // canary\n}"), [problem]);
    assert.deepEqual(await validate(openclawConfig, configMap(UNKNOWN)), {
      violations: [],
      advisory: '1 field not decidable in preview: data["openclaw.json"]',
    });
    assert.ok((await problems("[]")).length > 0);
  });

  it("leaves other kinds alone", async () => {
    const props = { data: { "openclaw.json": "{}" } };
    assert.deepEqual(await validate(openclawConfig, { type: "kubernetes:core/v1:Secret", props }), { violations: [] });
  });
});

const CONFINED: Record<string, unknown> = {
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
};

describe("policy openclaw-gateway", () => {
  const statefulSet = (
    spec: Record<string, unknown>,
    memory: Record<string, unknown> = {},
    configName: unknown = "openclaw",
  ) => ({
    type: "kubernetes:apps/v1:StatefulSet",
    name: "gateway",
    props: {
      metadata: { namespace: "agents" },
      spec: {
        template: {
          spec: {
            terminationGracePeriodSeconds: 330,
            automountServiceAccountToken: false,
            volumes: [{ name: "config", configMap: { name: configName } }],
            containers: [
              {
                securityContext: CONFINED,
                volumeMounts: [{ name: "config", mountPath: "/etc/openclaw" }],
                resources: { requests: { memory: memory.request ?? "1Gi" }, limits: { memory: memory.limit ?? "2Gi" } },
              },
              { resources: { limits: { memory: "64Mi" } } },
            ],
            ...spec,
          },
        },
      },
    },
  });
  const POD = "gateway spec.template.spec";
  const verdict = (...args: Parameters<typeof statefulSet>) =>
    validateStack(openclawGateway, [configMap("{}"), statefulSet(...args)]);

  it("accepts a gateway with time and memory", async () => {
    assert.deepEqual(await verdict({}), { violations: [] });
    assert.deepEqual(await verdict({ terminationGracePeriodSeconds: 345 }, { request: "2048Mi", limit: 4e9 }), {
      violations: [],
    });
  });

  it("refuses one without time to drain", async () => {
    for (const terminationGracePeriodSeconds of [undefined, 30, 329]) {
      assert.deepEqual((await verdict({ terminationGracePeriodSeconds })).violations, [
        `${POD}.terminationGracePeriodSeconds: too short for the gateway to drain; set it to 330 or more`,
      ]);
    }
  });

  it("refuses one without memory, of the container that mounts the config", async () => {
    assert.deepEqual((await verdict({}, { request: "1023Mi", limit: "1Gi" })).violations, [
      `${POD}.containers[0].resources.requests.memory: too little for a gateway; set it to 1Gi or more`,
      `${POD}.containers[0].resources.limits.memory: too little for a gateway; set it to 2Gi or more`,
    ]);
  });

  describe("without OpenClaw's sandbox", () => {
    const MAIN = `${POD}.containers[0]`;
    const OUT = `${MAIN}: keeps no agent in: OpenClaw's sandbox is off, and the container is not confined; do as pod-security says`;
    const confinedBut = (changes: Record<string, unknown>) => {
      const { resource, container } = confinedGateway();
      container.securityContext = { ...CONFINED, ...changes };
      return resource;
    };
    const confinedGateway = () => {
      const resource = statefulSet({});
      const [container] = resource.props.spec.template.spec.containers;
      assert.ok(container !== undefined);
      return { resource, container };
    };
    const sandboxed = (agents: object) => configMap(JSON.stringify({ agents }));

    it("asks for a container that is confined", async () => {
      for (const changes of [
        { readOnlyRootFilesystem: false },
        { allowPrivilegeEscalation: undefined },
        { capabilities: { drop: ["NET_RAW"] } },
        { capabilities: undefined },
      ]) {
        assert.deepEqual(await validateStack(openclawGateway, [configMap("{}"), confinedBut(changes)]), {
          violations: [OUT],
        });
      }
      assert.deepEqual((await verdict({ automountServiceAccountToken: true })).violations, [OUT]);
    });

    it("asks for nothing of the container where every agent has OpenClaw's own", async () => {
      const open = confinedBut({ readOnlyRootFilesystem: false });
      const all = { sandbox: { mode: "all" } };
      assert.deepEqual(await validateStack(openclawGateway, [sandboxed({ defaults: all }), open]), { violations: [] });
      for (const agents of [
        { defaults: { sandbox: { mode: "non-main" } } },
        { defaults: all, entries: { a: { sandbox: { mode: "off" } } } },
        { defaults: all, list: [{ sandbox: { mode: "off" } }] },
      ]) {
        assert.deepEqual((await validateStack(openclawGateway, [sandboxed(agents), open])).violations, [OUT]);
      }
    });

    it("asks for OpenClaw's own where the config does", async () => {
      const config = { sandbox: "openclaw" };
      const { resource } = confinedGateway();
      assert.deepEqual((await validateStack(openclawGateway, [configMap("{}"), resource], config)).violations, [
        `${MAIN}: runs agents without OpenClaw's sandbox; set agents.defaults.sandbox.mode to all`,
      ]);
      const own = sandboxed({ defaults: { sandbox: { mode: "all" } } });
      assert.deepEqual(await validateStack(openclawGateway, [own, resource], config), { violations: [] });
    });

    it("names what is not known", async () => {
      assert.deepEqual(
        await validateStack(openclawGateway, [configMap("{}"), confinedBut({ capabilities: { drop: [UNKNOWN] } })]),
        {
          violations: [],
          advisory: `1 field not decidable in preview: ${MAIN}.securityContext.capabilities.drop[0]`,
        },
      );
    });
  });

  it("has its floors from the config", async () => {
    const config = { gracePeriodSeconds: 10, memoryRequest: "1Mi", memoryLimit: "1Mi" };
    const small = statefulSet({ terminationGracePeriodSeconds: 10 }, { request: "1Mi", limit: "1Mi" });
    assert.deepEqual(await validateStack(openclawGateway, [configMap("{}"), small], config), { violations: [] });
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(await verdict({ terminationGracePeriodSeconds: 30 }, { request: UNKNOWN }), {
      violations: [`${POD}.terminationGracePeriodSeconds: too short for the gateway to drain; set it to 330 or more`],
      advisory: "1 field not decidable in preview: gateway spec.template.spec.containers[0].resources.requests.memory",
    });
    const undecided = [configMap(UNKNOWN), statefulSet({ terminationGracePeriodSeconds: 30 })];
    assert.deepEqual(await validateStack(openclawGateway, undecided), {
      violations: [`${POD}.terminationGracePeriodSeconds: too short for the gateway to drain; set it to 330 or more`],
      advisory: '1 field not decidable in preview: config data["openclaw.json"]',
    });
  });

  it("leaves alone what mounts another ConfigMap, or one of another namespace", async () => {
    assert.deepEqual(await verdict({ terminationGracePeriodSeconds: 1 }, {}, "other"), { violations: [] });
    const elsewhere = configMap("{}");
    elsewhere.props.metadata.namespace = "other";
    const resources = [elsewhere, statefulSet({ terminationGracePeriodSeconds: 1 })];
    assert.deepEqual(await validateStack(openclawGateway, resources), { violations: [] });
  });
});
