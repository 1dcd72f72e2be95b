import assert from "node:assert/strict";
import { OpenClawLogLevel } from "../../components/openclaw/options";
import { Environment } from "../../components/environment";
import { EntryPreset } from "../../components/entry-presets";
import { SecretFrom } from "../../components/secrets";
import { CANARIES, configText, everything, pod, recordCell } from "./cells";
import { differences, generatedValue, type Recorder } from "./support";

const DEFAULT = [
  "clawfleet:index:AgentStack cell",
  "clawfleet:index:OpenClawGateway cell-gateway",
  "clawfleet:index:Tenancy cell",
  "clawfleet:index:Vault cell-vault",
  "kubernetes:apps/v1:StatefulSet cell-gateway",
  "kubernetes:core/v1:ConfigMap cell-gateway-config",
  "kubernetes:core/v1:LimitRange cell-limits",
  "kubernetes:core/v1:Namespace cell",
  "kubernetes:core/v1:PersistentVolumeClaim cell-gateway-state",
  "kubernetes:core/v1:PersistentVolumeClaim cell-vault",
  "kubernetes:core/v1:ResourceQuota cell-quota",
  "kubernetes:core/v1:Secret cell-gateway-token",
  "kubernetes:core/v1:Service cell-gateway",
  "kubernetes:core/v1:ServiceAccount cell-gateway",
  "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-default-deny",
  "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-gateway",
  "kubernetes:policy/v1:PodDisruptionBudget cell-gateway",
  "random:index/randomPassword:RandomPassword cell-gateway-token",
];
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";
const CLAIM = "kubernetes:core/v1:PersistentVolumeClaim";

describe("AgentStack", () => {
  it("registers exactly these resources by default", async () => {
    assert.deepEqual((await recordCell()).list(), DEFAULT);
  });

  it("registers exactly these resources with everything switched on", async () => {
    const added = [
      "clawfleet:index:Entry cell-entry",
      "kubernetes:core/v1:Secret cell-entry-tls",
      "kubernetes:core/v1:Secret cell-gateway-git-credential",
      "kubernetes:core/v1:Secret cell-gateway-litellm-key",
      "kubernetes:networking.k8s.io/v1:Ingress cell-entry",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-entry",
      "kubernetes:rbac.authorization.k8s.io/v1:Role cell-app-team",
      "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding cell-app-team",
      "tls:index/certRequest:CertRequest cell-entry-tls",
      "tls:index/locallySignedCert:LocallySignedCert cell-entry-tls",
      "tls:index/privateKey:PrivateKey cell-entry-tls",
      "tls:index/privateKey:PrivateKey cell-entry-tls-ca",
      "tls:index/selfSignedCert:SelfSignedCert cell-entry-tls-ca",
    ];
    // The token is given.
    const generated = DEFAULT.filter((resource) => !resource.startsWith("random:"));
    assert.deepEqual((await recordCell(everything())).list(), [...generated, ...added].sort());
  });

  it("has no vault when it is switched off", async () => {
    const recorder = await recordCell({ vault: { enabled: false } });
    assert.deepEqual(
      recorder.list(),
      DEFAULT.filter((resource) => !resource.endsWith("cell-vault")),
    );
    const mounts = pod(recorder).containers[0]?.volumeMounts.map(({ name }) => name);
    assert.deepEqual(mounts, ["config", "state", "tmp"]);
    assert.ok(!configText(recorder).includes("/vault"));
  });

  it("gives every resource an explicit provider", async () => {
    const recorder = await recordCell(everything());
    const ofProvider = (name: string) => recorder.resources.filter(({ type }) => type.startsWith(`${name}:`));
    for (const { type, name, provider } of ofProvider("kubernetes"))
      assert.match(provider, /::cluster::/, `${type} ${name}`);
    for (const { type, name, provider } of [...ofProvider("random"), ...ofProvider("tls")]) {
      assert.match(provider, /::(random|tls)::/, `${type} ${name}`);
    }
    assert.equal(recorder.objects().length, 20);
  });

  it("labels every object with its cell, its owner, and where it belongs", async () => {
    const recorder = await recordCell(everything());
    for (const { type, name, inputs } of recorder.objects()) {
      const { labels } = inputs.metadata as { labels: Record<string, string> };
      const { "app.kubernetes.io/component": component, "clawfleet.dev/owner": owner, ...rest } = labels;
      assert.match(component ?? "", /^(tenancy|gateway|entry|vault)$/, `${type} ${name}`);
      assert.match(owner ?? "", /^(platform|app)$/, `${type} ${name}`);
      const podSecurity = Object.keys(rest).filter((key) => key.startsWith("pod-security.kubernetes.io/"));
      for (const key of podSecurity) delete rest[key];
      assert.deepEqual(rest, {
        "app.kubernetes.io/name": "openclaw",
        "app.kubernetes.io/instance": "cell",
        "app.kubernetes.io/part-of": "agent-stack",
        "app.kubernetes.io/managed-by": "pulumi",
        "clawfleet.dev/environment": "dev",
        "clawfleet.dev/region": "eu-west",
        "clawfleet.dev/tenant": "acme",
      });
    }
  });

  it("puts every object but the Namespace into the namespace", async () => {
    const recorder = await recordCell({ ...everything(), namespace: "agents" });
    for (const { type, name, inputs } of recorder.objects()) {
      const metadata = inputs.metadata as { name: string; namespace?: string };
      if (type === "kubernetes:core/v1:Namespace") assert.equal(metadata.name, "agents");
      else assert.equal(metadata.namespace, "agents", `${type} ${name}`);
    }
  });

  it("keeps every object's name within 63 characters", async () => {
    const recorder = await recordCell({ ...everything(), environment: Environment.Prod }, `c${"x".repeat(31)}`);
    for (const { inputs } of recorder.objects()) {
      const { name } = inputs.metadata as { name: string };
      assert.ok(name.length <= 63, name);
    }
  });

  it("owns the app's objects and the platform's apart", async () => {
    const recorder = await recordCell(everything());
    const app = recorder
      .objects()
      .filter(
        ({ inputs }) => (inputs.metadata as { labels: Record<string, string> }).labels["clawfleet.dev/owner"] === "app",
      )
      .map(({ type, name }) => `${type.split(":")[2] ?? ""} ${name}`)
      .sort();
    assert.deepEqual(app, [
      "ConfigMap cell-gateway-config",
      "Ingress cell-entry",
      "PersistentVolumeClaim cell-gateway-state",
      "PersistentVolumeClaim cell-vault",
      "Service cell-gateway",
      "StatefulSet cell-gateway",
    ]);
  });

  describe("retain", () => {
    const kept = (recorder: Recorder) => [
      recorder.options("kubernetes:core/v1:Namespace", "cell").retainOnDelete,
      recorder.options(CLAIM, "cell-gateway-state").retainOnDelete,
      recorder.options(CLAIM, "cell-vault").retainOnDelete,
    ];

    it("keeps the volume claims and their namespace in prod, and nothing elsewhere", async () => {
      assert.deepEqual(kept(await recordCell({ environment: Environment.Prod })), [true, true, true]);
      assert.deepEqual(kept(await recordCell({ environment: Environment.Stage })), [false, false, false]);
      assert.deepEqual(kept(await recordCell({ environment: Environment.Dev })), [false, false, false]);
    });

    it("is what the option says", async () => {
      assert.deepEqual(kept(await recordCell({ environment: Environment.Prod, retain: false })), [false, false, false]);
      assert.deepEqual(kept(await recordCell({ retain: true })), [true, true, true]);
    });
  });

  describe("pain 8: config that is edited in the Pod, or drifts", () => {
    it("changes the ConfigMap's name and content and the Pod that mounts it, and nothing else", async () => {
      const before = await recordCell(everything());
      const options = everything();
      const gateway = {
        ...options.gateway,
        openclaw: { ...options.gateway?.openclaw, logLevel: OpenClawLogLevel.Debug },
      };
      const after = await recordCell({ ...options, gateway });
      assert.deepEqual(differences(before, after), [
        `${STATEFUL_SET} cell-gateway spec.template.spec.volumes.0.configMap.name`,
        "kubernetes:core/v1:ConfigMap cell-gateway-config data.openclaw.json",
        "kubernetes:core/v1:ConfigMap cell-gateway-config metadata.name",
        "kubernetes:rbac.authorization.k8s.io/v1:Role cell-app-team rules.5.resourceNames.0",
      ]);
    });

    it("mounts an immutable ConfigMap, named by its hash, read-only as a directory", async () => {
      const recorder = await recordCell();
      const { inputs } = recorder.get("kubernetes:core/v1:ConfigMap", "cell-gateway-config");
      const { name } = inputs.metadata as { name: string };
      assert.match(name, /^cell-gateway-config-[0-9a-f]{12}$/);
      assert.equal(inputs.immutable, true);
      const { containers, volumes } = pod(recorder);
      assert.deepEqual(volumes[0], { name: "config", configMap: { name, defaultMode: 0o444 } });
      assert.deepEqual(containers[0]?.volumeMounts[0], { name: "config", mountPath: "/etc/openclaw", readOnly: true });
      const env = Object.fromEntries(containers[0]?.env.map(({ name, value }) => [name, value]) ?? []);
      assert.equal(env.OPENCLAW_CONFIG_READONLY, "1");
      assert.equal(env.OPENCLAW_CONFIG_PATH, "/etc/openclaw/openclaw.json");
    });
  });

  describe("rotation", () => {
    it("makes a generated token anew and rolls the Pod, and changes nothing else", async () => {
      const before = await recordCell();
      const after = await recordCell({ gateway: { token: { version: 2 } } });
      assert.deepEqual(differences(before, after), [
        `${STATEFUL_SET} cell-gateway spec.template.metadata.annotations.clawfleet.dev/secrets`,
        "random:index/randomPassword:RandomPassword cell-gateway-token keepers.version",
      ]);
    });

    it("rolls the Pod for an existing Secret, which Pulumi never reads", async () => {
      const token = { existingName: "mine", existingKey: "token" };
      const before = await recordCell({ gateway: { token: { from: SecretFrom.Existing, ...token } } });
      const after = await recordCell({ gateway: { token: { from: SecretFrom.Existing, ...token, version: 2 } } });
      assert.ok(!before.list().some((resource) => resource.includes("Secret") || resource.startsWith("random:")));
      assert.deepEqual(differences(before, after), [
        `${STATEFUL_SET} cell-gateway spec.template.metadata.annotations.clawfleet.dev/secrets`,
      ]);
    });
  });

  it("changes nothing from one run to the next", async () => {
    assert.deepEqual(differences(await recordCell(everything()), await recordCell(everything())), []);
  });

  it("replaces only the entry when Ingress gives way to the Gateway API", async () => {
    const before = await recordCell(everything());
    const entry = { host: "openclaw.example.com", gatewayApi: { preset: EntryPreset.EnvoyGateway } };
    const changed = differences(before, await recordCell({ ...everything(), entry }));
    assert.deepEqual(
      [...new Set(changed.map((change) => change.split(" ").slice(0, 2).join(" ")))],
      [
        "kubernetes:gateway.networking.k8s.io/v1:Gateway cell-entry",
        "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute cell-entry-route",
        "kubernetes:networking.k8s.io/v1:Ingress cell-entry",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy cell-entry",
      ],
    );
  });

  describe("pain 14: secrets in ConfigMaps or on command lines", () => {
    it("passes on a secret in nothing but an input that is marked secret", async () => {
      const recorder = await recordCell(everything());
      const secrets = [...Object.values(CANARIES), "key-cell-entry-tls", "key-cell-entry-tls-ca"];
      const found = new Set<string>();
      for (const { type, name, inputs, secrets: marked } of recorder.resources) {
        for (const [input, value] of Object.entries(inputs)) {
          for (const secret of secrets.filter((text) => JSON.stringify(value).includes(text))) {
            assert.ok(marked.includes(input), `${secret} is in the clear in ${type} ${name} ${input}`);
            found.add(`${type} ${name} ${input}`);
          }
        }
      }
      assert.deepEqual([...found].sort(), [
        "clawfleet:index:AgentStack cell gateway",
        "clawfleet:index:AgentStack cell vault",
        "kubernetes:core/v1:Secret cell-entry-tls stringData",
        "kubernetes:core/v1:Secret cell-gateway-git-credential stringData",
        "kubernetes:core/v1:Secret cell-gateway-litellm-key stringData",
        "kubernetes:core/v1:Secret cell-gateway-token stringData",
        "tls:index/certRequest:CertRequest cell-entry-tls privateKeyPem",
        "tls:index/locallySignedCert:LocallySignedCert cell-entry-tls caPrivateKeyPem",
        "tls:index/selfSignedCert:SelfSignedCert cell-entry-tls-ca privateKeyPem",
      ]);
    });

    it("hands a generated token on as a secret", async () => {
      const recorder = await recordCell();
      const secret = recorder.get("kubernetes:core/v1:Secret", "cell-gateway-token");
      assert.deepEqual(secret.inputs.stringData, { OPENCLAW_GATEWAY_TOKEN: generatedValue("cell-gateway-token") });
      assert.deepEqual(secret.secrets, ["stringData"]);
      assert.deepEqual(recorder.get("random:index/randomPassword:RandomPassword", "cell-gateway-token").inputs, {
        length: 43,
        special: false,
        keepers: { version: "1" },
      });
    });

    it("supplies secrets as environment variables from Secrets alone", async () => {
      const { containers } = pod(await recordCell(everything()));
      const references = containers.map(({ name, env }) => [
        name,
        env.filter(({ valueFrom }) => valueFrom !== undefined).map(({ name, valueFrom }) => [name, valueFrom]),
      ]);
      const from = (name: string, key: string) => [key, { secretKeyRef: { name, key } }];
      assert.deepEqual(references, [
        [
          "gateway",
          [
            from("cell-gateway-token", "OPENCLAW_GATEWAY_TOKEN"),
            from("cell-gateway-litellm-key", "MODEL_LITELLM_API_KEY"),
          ],
        ],
        ["git-sync", [from("cell-gateway-git-credential", "GIT_PASSWORD")]],
      ]);
    });
  });

  describe("what is refused", () => {
    const refusals: [string, Parameters<typeof recordCell>[0], RegExp][] = [
      [
        "both entries at once",
        { entry: { host: "a.example.com", ingress: {}, gatewayApi: {} } },
        /entry: ingress and gatewayApi are both given[^]*Fix: give exactly one of entry\.ingress and entry\.gatewayApi/,
      ],
      [
        "an image without digest",
        { gateway: { image: "ghcr.io/openclaw/openclaw:2026.9.6" } },
        /gateway\.image: .*not pinned/,
      ],
      [
        "git-sync without a vault",
        { vault: { ...everything().vault, enabled: false } },
        /vault\.gitSync: gitSync without a vault[^]*Fix: set vault\.enabled/,
      ],
      [
        "a model provider without a key",
        { gateway: { openclaw: everything().gateway?.openclaw } },
        /gateway\.providerKeys\.litellm: the model provider litellm has no key/,
      ],
      [
        "a key without its model provider",
        { gateway: { providerKeys: { other: { value: "canary-key" } } } },
        /gateway\.providerKeys\.other: .*which the config does not have/,
      ],
      [
        "a certificate that does not fit",
        { entry: { host: "a.example.com", ingress: {}, tls: { issuerName: "acme" } } },
        /entry\.tls: issuerName does not go with from: own-ca/,
      ],
    ];
    for (const [what, args, message] of refusals) {
      it(what, async () => {
        await assert.rejects(recordCell(args), (error: Error) => {
          assert.match(error.message, message);
          assert.ok(!error.message.includes("canary"));
          return true;
        });
      });
    }

    it("a name that makes no object names", async () => {
      for (const name of ["Cell", "1cell", "cell-", "c".repeat(33)]) {
        await assert.rejects(recordCell({}, name), /is no cell name/);
      }
    });
  });
});
