import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TestFleet, type KubernetesObject } from "../support/fleet";

const KINDS =
  "configmaps,secrets,serviceaccounts,services,persistentvolumeclaims,statefulsets,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges,ingresses";
const CANARY = "canary-9f3e1c77";

/** Values for a stack with one cell on each of two clusters. */
function config(options: { logLevel?: string; tokenVersion?: number; gatewayApi?: boolean; retain?: boolean } = {}) {
  const entry = (host: string) =>
    options.gatewayApi ? { host, gatewayApi: { className: "clawfleet-local" } } : { host, ingress: {} };
  return {
    environment: "dev",
    clusters: [
      { id: "east", region: "us-east", embedded: true, cell: { entry: entry("east.example.com") } },
      { id: "west", region: "us-west", embedded: true, cell: { entry: entry("west.example.com") } },
    ],
    cell: {
      tenancy: { appTeamGroups: ["agents-team"] },
      gateway: {
        token: { version: options.tokenVersion ?? 1 },
        providerKeys: { openai: { from: "value", configKey: "openai" } },
        egress: [{ cidr: "198.51.100.0/24" }],
        openclaw: {
          logLevel: options.logLevel ?? "info",
          models: { providers: { openai: { baseUrl: "https://models.example.com/v1", models: [{ id: "gpt-4o" }] } } },
        },
      },
      ...(options.retain !== undefined && { retain: options.retain }),
    },
  };
}

describe("a stack on two real API servers", function () {
  this.timeout(600_000);
  let fleet: TestFleet;

  const configure = async (options: Parameters<typeof config>[0] = {}) => {
    await fleet.configure("test", config(options));
    await fleet.must("test", ["config", "set", "--secret", "secrets:openai", CANARY]);
  };
  const both = async <T>(read: (context: string) => Promise<T>): Promise<T[]> =>
    Promise.all(["east", "west"].map(read));
  const objects = (context: string) => fleet.objects(context, context, KINDS);

  before(async () => {
    fleet = await TestFleet.start(["east", "west"]);
  });
  after(() => fleet.stop());

  it("comes up with every Pod Ready, nothing rejected and nothing warned about", async () => {
    await configure();
    const output = await fleet.up("test");
    // Other warnings are the cluster's own: a new API server may say that it is still repairing its address allocation.
    assert.doesNotMatch(output, /PodSecurity|violat|forbidden/i);
    for (const pods of await both((context) => fleet.objects(context, context, "pods"))) {
      assert.deepEqual([...pods.keys()], [`pod/${[...pods.values()][0]?.metadata.namespace ?? ""}-gateway-0`]);
      for (const pod of pods.values()) {
        const conditions = pod.status?.conditions as { type: string; status: string }[];
        assert.equal(conditions.find(({ type }) => type === "Ready")?.status, "True");
      }
    }
  });

  it("enforces Pod Security restricted in the namespace", async () => {
    const privileged = { name: "c", image: "busybox", securityContext: { privileged: true } };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { containers: [privileged] } };
    await assert.rejects(fleet.dryRun("east", "east", pod), /violates PodSecurity "restricted/);
  });

  it("shows no change in the next preview", async () => {
    await fleet.must("test", ["preview", "--expect-no-changes"]);
    assert.deepEqual(await fleet.plan("test"), []);
  });

  it("tells its cells, and the tokens as secrets", async () => {
    const { cells, tokens } = JSON.parse(await fleet.must("test", ["stack", "output", "--json"])) as Record<
      string,
      Record<string, unknown>
    >;
    assert.deepEqual(tokens, { east: "[secret]", west: "[secret]" });
    assert.deepEqual(Object.keys(cells ?? {}), ["east", "west"]);
    const east = cells?.east as Record<string, string>;
    assert.equal(east.url, "https://east.example.com");
    assert.equal(east.uid, fleet.clusters[0]?.uid);
  });

  it("rolls only the gateway when its config changes", async () => {
    const before = await both(objects);
    const pods = await both((context) => fleet.objects(context, context, "pods"));
    await configure({ logLevel: "debug" });
    const cell = (name: string) => [
      `replace kubernetes:core/v1:ConfigMap ${name}-gateway-config`,
      `update kubernetes:apps/v1:StatefulSet ${name}-gateway`,
      // The Role names the ConfigMap that the app team may change.
      `update kubernetes:rbac.authorization.k8s.io/v1:Role ${name}-app-team`,
    ];
    assert.deepEqual(await fleet.plan("test"), [...cell("east"), ...cell("west")].sort());
    await fleet.up("test");
    const after = await both(objects);
    for (const [index, objectsBefore] of before.entries()) {
      const changed = changes(objectsBefore, after[index] ?? new Map<string, KubernetesObject>());
      assert.deepEqual(
        changed.map((name) => name.replace(/-config-[0-9a-f]+$/, "-config")).sort(),
        ["east", "west"]
          .slice(index, index + 1)
          .flatMap((name) => [
            `configmap/${name}-gateway-config`,
            `configmap/${name}-gateway-config`,
            `statefulset/${name}-gateway`,
          ]),
      );
    }
    for (const [index, pod] of (await both((context) => fleet.objects(context, context, "pods"))).entries()) {
      assert.notEqual([...pod.values()][0]?.metadata.uid, [...(pods[index]?.values() ?? [])][0]?.metadata.uid);
    }
  });

  it("rotates the token by a version number and rolls what uses it", async () => {
    const tokens = await fleet.must("test", ["stack", "output", "tokens", "--json", "--show-secrets"]);
    fleet.transcript.pop(); // asked for in clear
    await configure({ logLevel: "debug", tokenVersion: 2 });
    const plan = (await fleet.plan("test")).filter((step) => / east-/.test(step));
    assert.deepEqual(plan, [
      "replace random:index/randomPassword:RandomPassword east-gateway-token",
      "update kubernetes:apps/v1:StatefulSet east-gateway",
      "update kubernetes:core/v1:Secret east-gateway-token",
    ]);
    await fleet.up("test");
    assert.notEqual(await fleet.must("test", ["stack", "output", "tokens", "--json", "--show-secrets"]), tokens);
    fleet.transcript.pop();
  });

  it("switches from Ingress to the Gateway API", async () => {
    await configure({ logLevel: "debug", tokenVersion: 2, gatewayApi: true });
    await fleet.up("test");
    for (const context of ["east", "west"]) {
      assert.equal((await fleet.objects(context, context, "ingresses")).size, 0);
      const routes = await fleet.objects(
        context,
        context,
        "gateways.gateway.networking.k8s.io,httproutes.gateway.networking.k8s.io",
      );
      assert.deepEqual([...routes.keys()], [`gateway/${context}-entry`, `httproute/${context}-entry`]);
    }
    assert.deepEqual(await fleet.plan("test"), []);
  });

  it("lets the app team change what the app owns, and nothing of the platform's", async () => {
    const can = async (verb: string, object: string) => {
      const args = ["auth", "can-i", verb, object, "-n", "east", "--as", "ann", "--as-group", "agents-team"];
      return (await fleet.kubectl("east", ...args).catch((error: { stdout?: string }) => error.stdout ?? "")).trim();
    };
    assert.equal(await can("patch", "statefulset/east-gateway"), "yes");
    assert.equal(await can("get", "pods"), "yes");
    for (const object of [
      "networkpolicy/default-deny",
      "resourcequota/quota",
      "statefulset/other",
      "role/app-team",
      "secret/east-gateway-token",
      "serviceaccount/east-gateway",
    ]) {
      assert.equal(await can("patch", object), "no", object);
    }
    assert.equal(await can("get", "secrets"), "no");
    assert.equal(await can("create", "pods"), "no");
  });

  it("keeps a secret out of state, logs, ConfigMaps and everything else that is not a Secret", async () => {
    const everything = await fleet.kubectl(
      "east",
      "get",
      "all,configmaps,networkpolicies,persistentvolumeclaims,events,roles",
      "-A",
      "-o",
      "json",
    );
    for (const [where, text] of Object.entries({
      state: fleet.state("test"),
      logs: fleet.transcript.join("\n"),
      objects: everything,
    })) {
      assert.ok(!text.includes(CANARY), `the canary is in the ${where}`);
      assert.ok(!text.includes(Buffer.from(CANARY).toString("base64")), `the canary is in the ${where}, encoded`);
    }
    // It did arrive where it belongs.
    const secrets = await fleet.objects("east", "east", "secrets");
    assert.equal(
      secrets.get("secret/east-gateway-openai-key")?.data?.MODEL_OPENAI_API_KEY,
      Buffer.from(CANARY).toString("base64"),
    );
  });

  it("keeps the kubeconfigs that the Kubernetes provider leaves behind in its own state folder", () => {
    const left = readdirSync(join(fleet.folder, "tmp")).filter((file) => /^kubeconfig\d+$/.test(file));
    assert.ok(left.length > 0, "the provider leaves none any more: removeLeftKubeconfigs can go");
  });

  it("destroys everything but what is to be retained, and takes that over again", async () => {
    await configure({ gatewayApi: true, retain: true });
    await fleet.up("test");
    const claims = () => fleet.objects("east", "east", "persistentvolumeclaims");
    const uids = async () => [...(await claims()).values()].map(({ metadata }) => metadata.uid);
    const kept = await uids();
    await fleet.must("test", ["destroy", "--yes", "--skip-preview"]);
    assert.deepEqual(
      [...(await objects("east")).keys()].filter((name) => !IN_EVERY_NAMESPACE.includes(name)),
      ["persistentvolumeclaim/east-gateway-state", "persistentvolumeclaim/east-vault"],
    );
    await fleet.up("test");
    assert.deepEqual(await uids(), kept);
  });

  it("destroys everything where nothing is to be retained", async () => {
    await configure({ gatewayApi: true, retain: false });
    await fleet.up("test");
    await fleet.must("test", ["destroy", "--yes", "--skip-preview"]);
    for (const context of ["east", "west"]) {
      assert.equal(await fleet.kubectl(context, "get", "namespace", context, "--ignore-not-found"), "");
    }
  });
});

/** What Kubernetes itself puts into each namespace. */
const IN_EVERY_NAMESPACE = ["configmap/kube-root-ca.crt", "serviceaccount/default"];

/** The names of the objects that came, went or changed; counters in a status are no change. */
function changes(before: Map<string, KubernetesObject>, after: Map<string, KubernetesObject>): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => !/^(resourcequota|poddisruptionbudget)\//.test(name),
  );
  return names.filter(
    (name) => before.get(name)?.metadata.resourceVersion !== after.get(name)?.metadata.resourceVersion,
  );
}
