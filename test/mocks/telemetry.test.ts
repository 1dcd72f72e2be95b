import assert from "node:assert/strict";
import { ValidationFailed } from "../../components/errors";
import { SecretFrom } from "../../components/secrets";
import { planTelemetry, Telemetry, type TelemetryArgs, type TelemetryOptions } from "../../components/telemetry";
import { TelemetryMode } from "../../components/telemetry-mode";
import type { PodSpec } from "./cells";
import { differences, providers, record, type Recorder } from "./support";

const POD_KINDS = ["kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:Deployment"];

function recordTelemetry(args: Partial<TelemetryArgs> = {}) {
  return record((recorder) => {
    new Telemetry(
      "telemetry",
      { namespace: "agents", instance: "cell", clients: ["gateway", "model-proxy"], ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

const external: TelemetryOptions = {
  mode: TelemetryMode.External,
  external: {
    endpoint: "https://otlp.example.com",
    header: "Authorization",
    headerValue: { value: "canary-header" },
    egress: [{ cidr: "203.0.113.0/24" }],
  },
};

function workloads(recorder: Recorder): { name: string; pod: PodSpec; annotations: Record<string, string> }[] {
  return recorder.resources
    .filter(({ type }) => POD_KINDS.includes(type))
    .map(({ name, inputs }) => {
      const { spec } = inputs as {
        spec: { template: { metadata: { annotations: Record<string, string> }; spec: PodSpec } };
      };
      return { name, pod: spec.template.spec, annotations: spec.template.metadata.annotations };
    });
}

function policy(recorder: Recorder, name: string): { from: string[]; to: string[] } {
  const { spec } = recorder.get("kubernetes:networking.k8s.io/v1:NetworkPolicy", name).inputs as {
    spec: {
      ingress: { from: unknown[]; ports: { port: number }[] }[];
      egress: { to: unknown[]; ports: { port: number }[] }[];
    };
  };
  const component = (peer: unknown) => {
    const { podSelector, ipBlock } = peer as {
      podSelector?: { matchLabels: Record<string, string> };
      ipBlock?: { cidr: string };
    };
    const labels = podSelector?.matchLabels ?? {};
    return ipBlock?.cidr ?? labels["app.kubernetes.io/component"] ?? labels["k8s-app"] ?? "?";
  };
  const named = (peers: unknown[], ports: { port: number }[]) =>
    peers.flatMap((peer) => [...new Set(ports.map(({ port }) => `${component(peer)}:${String(port)}`))]);
  return {
    from: spec.ingress.flatMap(({ from, ports }) => named(from, ports)),
    to: spec.egress.flatMap(({ to, ports }) => named(to, ports)),
  };
}

describe("Telemetry", () => {
  const objects = (recorder: Recorder) =>
    recorder
      .objects()
      .map(({ type, name }) => `${type.split(":")[2] ?? ""} ${name}`)
      .sort();
  const hardened = (name: string, kind: string) =>
    [kind, "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"].map((object) => `${object} ${name}`);

  it("registers exactly these objects", async () => {
    const expected = [
      ...hardened("telemetry-collector", "StatefulSet"),
      "ConfigMap telemetry-collector-config",
      "PersistentVolumeClaim telemetry-collector-queue",
      ...hardened("telemetry-database", "StatefulSet"),
      "ConfigMap telemetry-database-config",
      "PersistentVolumeClaim telemetry-database-data",
      ...["admin", "collector", "console"].map((user) => `Secret telemetry-database-${user}-password`),
      ...hardened("telemetry-console", "Deployment"),
      "ConfigMap telemetry-console-config",
      "Secret telemetry-console-password",
      "Secret telemetry-console-session-secret",
      ...hardened("telemetry-mongo", "StatefulSet"),
      "ConfigMap telemetry-mongo-config",
      "PersistentVolumeClaim telemetry-mongo-data",
      "Secret telemetry-mongo-password",
    ];
    assert.deepEqual(objects(await recordTelemetry()), expected.sort());
  });

  it("has neither database nor console for an endpoint outside of the cell, and no console when told so", async () => {
    assert.deepEqual(
      objects(await recordTelemetry(external)),
      [
        ...hardened("telemetry-collector", "StatefulSet"),
        "ConfigMap telemetry-collector-config",
        "PersistentVolumeClaim telemetry-collector-queue",
        "Secret telemetry-collector-header",
      ].sort(),
    );
    const names = objects(await recordTelemetry({ consoleEnabled: false })).join();
    assert.ok(!names.includes("console-database") && names.includes("telemetry-database"));
  });

  it("connects them with each other and with nothing more", async () => {
    const at = (component: string, port: number) => ({ component, host: component, port });
    const recorder = await recordTelemetry({
      gateway: at("gateway", 18789),
      broker: at("message-broker", 8222),
      scrape: [{ job: "litellm", endpoint: at("model-proxy", 4000) }],
    });
    const dns = "kube-dns:53";
    assert.deepEqual(policy(recorder, "telemetry-collector"), {
      from: ["gateway:4318", "model-proxy:4318"],
      to: [dns, "telemetry-database:8123", "gateway:18789", "message-broker:8222", "model-proxy:4000"],
    });
    assert.deepEqual(policy(recorder, "telemetry-database"), {
      from: ["telemetry-collector:8123", "telemetry-console:8123"],
      to: [dns],
    });
    assert.deepEqual(policy(recorder, "telemetry-console"), {
      from: [],
      to: [dns, "telemetry-database:8123", "console-database:27017"],
    });
    assert.deepEqual(policy(recorder, "telemetry-mongo"), { from: ["telemetry-console:27017"], to: [dns] });
    assert.deepEqual(policy(await recordTelemetry(external), "telemetry-collector").to, [dns, "203.0.113.0/24:443"]);
    const proxied = { ...external, forwardProxy: at("forward-proxy", 3130) };
    proxied.external = { endpoint: "https://otlp.example.com" };
    assert.deepEqual(policy(await recordTelemetry(proxied), "telemetry-collector").to, [dns, "forward-proxy:3130"]);
  });

  it("keeps every container hardened, limited and probed", async () => {
    const recorder = await recordTelemetry({ broker: { component: "message-broker", host: "broker", port: 8222 } });
    const containers = workloads(recorder).flatMap(({ pod }) => pod.containers);
    assert.deepEqual(containers.map(({ name }) => name).sort(), [
      "broker-exporter",
      "clickhouse",
      "collector",
      "hyperdx",
      "mongo",
    ]);
    for (const { name, resources, securityContext, image, startupProbe, readinessProbe, livenessProbe } of containers) {
      assert.equal(securityContext.readOnlyRootFilesystem, true, name);
      assert.match(image, /@sha256:[0-9a-f]{64}$/);
      for (const side of [resources.requests, resources.limits]) {
        assert.deepEqual(Object.keys(side).sort(), ["cpu", "ephemeral-storage", "memory"], name);
      }
      assert.ok(startupProbe && readinessProbe && livenessProbe, name);
    }
    const uids = workloads(recorder).map(({ name, pod }) => [
      name,
      (pod.securityContext as { runAsUser: number }).runAsUser,
    ]);
    assert.deepEqual(Object.fromEntries(uids), {
      "telemetry-collector": 10001,
      "telemetry-database": 101,
      "telemetry-console": 1000,
      "telemetry-mongo": 999,
    });
  });

  it("derives what the programs may use from the container's memory limit", async () => {
    const recorder = await recordTelemetry({
      collector: { resources: { limitsMemory: "1Gi" } },
      clickhouse: { resources: { limitsMemory: "4Gi" } },
    });
    const collector = workloads(recorder).find(({ name }) => name === "telemetry-collector")?.pod.containers[0];
    assert.ok(collector?.env.some(({ name, value }) => name === "GOMEMLIMIT" && value === "819MiB"));
    const { data } = recorder.get("kubernetes:core/v1:ConfigMap", "telemetry-database-config").inputs as {
      data: Record<string, string>;
    };
    assert.match(data["server.xml"] ?? "", /<max_server_memory_usage>3435973836</);
    assert.match(data["users.xml"] ?? "", /<max_memory_usage>1717986918</);
  });

  it("lets nobody in without a password, and shows none", async () => {
    const value = (text: string) => ({ from: SecretFrom.Value, value: text });
    const recorder = await recordTelemetry({
      clickhouse: {
        collectorPassword: value("canary-collector"),
        consolePassword: value("canary-console"),
        adminPassword: value("canary-admin"),
      },
      console: { password: value("canary-Hx1-password"), sessionSecret: value("canary-session") },
      consoleDatabase: { password: value("canary-mongo") },
    });
    for (const { type, name, inputs, secrets } of recorder.resources) {
      const open = JSON.stringify(inputs, (key, child: unknown) => (secrets.includes(key) ? undefined : child));
      if (type === "kubernetes:core/v1:Secret") assert.deepEqual(secrets.length > 0, true, name);
      else if (!type.startsWith("clawfleet:")) assert.doesNotMatch(open, /canary/, `${type} ${name}`);
      else assert.ok(!open.includes("canary") || secrets.some((path) => path.endsWith("value")), name);
    }
    const { data } = recorder.get("kubernetes:core/v1:ConfigMap", "telemetry-database-config").inputs as {
      data: Record<string, string>;
    };
    const users = data["users.xml"] ?? "";
    assert.match(users, /<default remove="remove"\/>/);
    assert.equal(users.match(/<password from_env=/g)?.length, 3);
    assert.match(users, /<admin>\s*<password [^>]*>\s*<networks><ip>::1<\/ip><ip>127\.0\.0\.1<\/ip><\/networks>/);
    assert.doesNotMatch(users, /GRANT (ALL|SELECT) [^<]*<\/query><\/grants>\s*<\/collector>/);
    const console = workloads(recorder).find(({ name }) => name === "telemetry-console")?.pod.containers[0];
    const env = (name: string) => console?.env.find((variable) => variable.name === name)?.value;
    assert.match(env("DEFAULT_CONNECTIONS") ?? "", /"password":"\$\(CLICKHOUSE_CONSOLE_PASSWORD\)"/);
    assert.equal(
      env("MONGO_URI"),
      "mongodb://console:$(MONGO_PASSWORD)@telemetry-mongo:27017/hyperdx?authSource=admin",
    );
    assert.equal(env("USAGE_STATS_ENABLED"), "false");
    const names = console?.env.map(({ name }) => name) ?? [];
    assert.ok(names.indexOf("MONGO_PASSWORD") < names.indexOf("MONGO_URI"), "Kubernetes puts in what came before");
  });

  it("rolls what a changed option or a rotated password concerns, and nothing else", async () => {
    const before = await recordTelemetry();
    const changed = async (args: Partial<TelemetryArgs>) =>
      [...new Set(differences(before, await recordTelemetry(args)).map((line) => line.split(" ")[1]))].sort();
    assert.deepEqual(await changed({ clickhouse: { retention: { tracesDays: 7 } } }), [
      "telemetry-database",
      "telemetry-database-config",
    ]);
    assert.deepEqual(await changed({ tenant: "acme" }), ["telemetry-collector", "telemetry-collector-config"]);
    assert.deepEqual(await changed({ clickhouse: { collectorPassword: { version: 2 } } }), [
      "telemetry-collector",
      "telemetry-database",
      "telemetry-database-collector-password",
    ]);
    assert.deepEqual(await changed({ consoleDatabase: { password: { version: 2 } } }), [
      "telemetry-console",
      "telemetry-mongo",
      "telemetry-mongo-password",
    ]);
  });

  it("keeps its volumes only when told so", async () => {
    const claims = ["telemetry-collector-queue", "telemetry-database-data", "telemetry-mongo-data"];
    for (const retain of [false, true]) {
      const recorder = await recordTelemetry({ retain });
      for (const claim of claims) {
        assert.equal(recorder.options("kubernetes:core/v1:PersistentVolumeClaim", claim).retainOnDelete, retain, claim);
      }
    }
  });

  it("watches a certificate without seeing its key", async () => {
    const recorder = await recordTelemetry({ certificates: ["entry-tls"] });
    const [collector] = workloads(recorder).filter(({ name }) => name === "telemetry-collector");
    assert.deepEqual(
      collector?.pod.volumes.find(({ name }) => name === "certificate-0"),
      {
        name: "certificate-0",
        secret: {
          secretName: "entry-tls",
          optional: true,
          defaultMode: 0o444,
          items: [{ key: "tls.crt", path: "tls.crt" }],
        },
      },
    );
  });

  it("names the option that is wrong, before anything exists", () => {
    const own = TelemetryMode.Own;
    const wrong: [TelemetryOptions, RegExp][] = [
      [{ mode: TelemetryMode.External }, /telemetry\.external\.endpoint: telemetry\.mode is external, and no endpoint/],
      [{ ...external, mode: own }, /telemetry\.external: has no meaning while telemetry\.mode is own/],
      [{ ...external, mode: TelemetryMode.Off }, /telemetry\.external: has no meaning while telemetry\.mode is off/],
      [{ ...external, clickhouse: {} }, /telemetry\.clickhouse: has no meaning/],
      [{ ...external, external: { endpoint: "otlp.example.com" } }, /telemetry\.external\.endpoint/],
      [
        { ...external, external: { endpoint: "https://otlp.example.com" } },
        /telemetry\.external\.egress: no rule lets/,
      ],
      [
        { ...external, external: { ...external.external, endpoint: "https://a.example", header: undefined } },
        /external\.header/,
      ],
      [{ clickhouse: { retention: { logsDays: 0 } } }, /telemetry\.clickhouse\.retention\.logsDays/],
      [
        { clickhouse: { resources: { limitsMemory: "512Mi", requestsMemory: "256Mi" } } },
        /clickhouse\.resources\.limitsMemory/,
      ],
      [{ clickhouse: { alerts: { queuedMessages: -1 } } }, /telemetry\.alerts\.queuedMessages/],
      [{ collector: { queue: { size: "2" } } }, /telemetry\.collector\.queue\.size/],
      [{ console: { email: "nobody" } }, /telemetry\.console\.email/],
      [{ consoleDatabase: { image: "mongo:8" } }, /telemetry\.consoleDatabase\.image/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(
        () => planTelemetry(options),
        (error: unknown) => error instanceof ValidationFailed && message.test(error.message),
        String(message),
      );
    }
    assert.equal(planTelemetry({}), true);
    assert.equal(planTelemetry({ mode: TelemetryMode.Off }), false);
  });
});
