import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { Search, type SearchArgs, type SearchOptions } from "../../components/search";
import { planSearch } from "../../components/search-plan";
import { catalogueImage } from "../../components/images";
import type { PodSpec } from "./cells";
import { SecretFrom } from "../../components/secrets";
import { differences, providers, record, type Recorder } from "./support";

const CLAIM = "kubernetes:core/v1:PersistentVolumeClaim";
const CONFIG = "kubernetes:core/v1:ConfigMap";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";

function recordSearch(args: Partial<SearchArgs> = {}) {
  return record((recorder) => {
    new Search(
      "find",
      { namespace: "agents", vaultClaim: "notes", ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

const MODELS: Partial<SearchArgs> = {
  embeddingModel: "embed",
  modelProxy: {
    endpoint: { component: "model-proxy", host: "cell-models", port: 80, podPort: 4000 },
    key: { secretName: "cell-search-key", key: "KEY", version: 3 },
  },
};

function template(recorder: Recorder): { metadata: { annotations: Record<string, string> }; spec: PodSpec } {
  const { spec } = recorder.get(STATEFUL_SET, "find").inputs as { spec: { template: never } };
  return spec.template;
}

function container(recorder: Recorder) {
  const [only, ...others] = template(recorder).spec.containers;
  assert.ok(only !== undefined && others.length === 0);
  return only;
}

function settings(recorder: Recorder): Record<string, unknown> {
  const { data } = recorder.get(CONFIG, "find-config").inputs as { data: Record<string, string> };
  return JSON.parse(data["settings.json"] ?? "") as Record<string, unknown>;
}

describe("Search", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordSearch()).list(), [
      "clawfleet:index:Search find",
      `${STATEFUL_SET} find`,
      `${CONFIG} find-config`,
      `${CLAIM} find-index`,
      "kubernetes:core/v1:Secret find-token",
      "kubernetes:core/v1:Service find",
      "kubernetes:core/v1:ServiceAccount find",
      `${POLICY} find`,
      "kubernetes:policy/v1:PodDisruptionBudget find",
      "random:index/randomPassword:RandomPassword find-token",
    ]);
  });

  it("runs one Pod beside the gateway, with the vault read-only at the gateway's path", async () => {
    const recorder = await recordSearch();
    const { spec } = recorder.get(STATEFUL_SET, "find").inputs as { spec: Record<string, unknown> };
    assert.equal(spec.replicas, 1);
    const pod = template(recorder).spec;
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual(pod.affinity, {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            labelSelector: {
              matchLabels: {
                "app.kubernetes.io/name": "openclaw",
                "app.kubernetes.io/instance": "find",
                "app.kubernetes.io/component": "gateway",
              },
            },
            topologyKey: "kubernetes.io/hostname",
          },
        ],
      },
    });
    const { repository, tag, digest } = catalogueImage("openclaw-gateway");
    const { image, command, env, resources, securityContext, volumeMounts } = container(recorder);
    assert.equal(image, `${repository}:${tag}@${digest}`);
    assert.deepEqual(command, ["node", "/search/main.js", "/search/settings.json"]);
    assert.deepEqual(env, [
      { name: "NODE_PATH", value: "/app/node_modules" },
      { name: "NODE_OPTIONS", value: "--max-old-space-size=256" },
      { name: "SEARCH_TOKEN", valueFrom: { secretKeyRef: { name: "find-token", key: "SEARCH_TOKEN" } } },
    ]);
    assert.deepEqual(resources, {
      requests: { cpu: "50m", memory: "192Mi", "ephemeral-storage": "32Mi" },
      limits: { cpu: "1", memory: "512Mi", "ephemeral-storage": "128Mi" },
    });
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(volumeMounts, [
      { name: "config", mountPath: "/search", readOnly: true },
      { name: "vault", mountPath: "/vault", subPath: "notes", readOnly: true },
      { name: "index", mountPath: "/index" },
      { name: "tmp", mountPath: "/tmp" },
    ]);
    assert.deepEqual(pod.volumes, [
      { name: "config", configMap: { name: configName(recorder) } },
      { name: "vault", persistentVolumeClaim: { claimName: "notes" } },
      { name: "index", persistentVolumeClaim: { claimName: "find-index" } },
      { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
    ]);
  });

  it("asks the program itself whether it is alive and in step", async () => {
    const { startupProbe, readinessProbe, livenessProbe } = container(await recordSearch());
    assert.deepEqual(
      [startupProbe, readinessProbe, livenessProbe].map((probe) => probe?.httpGet),
      [
        { path: "/livez", port: "http" },
        { path: "/readyz", port: "http" },
        { path: "/livez", port: "http" },
      ],
    );
  });

  it("delivers the compiled program and its settings in an immutable ConfigMap", async () => {
    const recorder = await recordSearch();
    const { immutable, data } = recorder.get(CONFIG, "find-config").inputs as {
      immutable: boolean;
      data: Record<string, string>;
    };
    assert.equal(immutable, true);
    assert.deepEqual(Object.keys(data).sort(), [
      "chunks.js",
      "indexer.js",
      "main.js",
      "model-proxy.js",
      "settings.js",
      "settings.json",
      "store.js",
    ]);
    assert.deepEqual(settings(recorder), {
      port: 8080,
      vault: "/vault",
      index: "/index",
      refreshSeconds: 300,
      chunkChars: 1500,
      maxNoteBytes: 1048576,
      maxQueryChars: 1000,
      maxResults: 10,
    });
  });

  it("delivers every file that one of the program's files requires", () => {
    const { files } = planSearch({}, { vault: true, modelProxy: false });
    const required = Object.values(files).flatMap((text) => [...text.matchAll(/require\("\.\/([^"]+)"\)/g)]);
    assert.ok(required.length > 5);
    for (const [, file = ""] of required) assert.ok(`${file}.js` in files, file);
  });

  it("lets nobody connect, and reaches DNS alone, until it is told otherwise", async () => {
    const { spec } = (await recordSearch()).get(POLICY, "find").inputs as {
      spec: { ingress: unknown[]; egress: unknown[] };
    };
    assert.deepEqual(spec.ingress, []);
    assert.equal(spec.egress.length, 1);
  });

  it("lets its clients connect, and reaches the model proxy's Pods", async () => {
    const recorder = await recordSearch({ ...MODELS, instance: "cell", clients: ["gateway"] });
    const { spec } = recorder.get(POLICY, "find").inputs as { spec: { ingress: unknown[]; egress: unknown[] } };
    const pods = (component: string) => ({
      podSelector: {
        matchLabels: {
          "app.kubernetes.io/name": "openclaw",
          "app.kubernetes.io/instance": "cell",
          "app.kubernetes.io/component": component,
        },
      },
    });
    assert.deepEqual(spec.ingress, [{ from: [pods("gateway")], ports: [{ protocol: "TCP", port: 8080 }] }]);
    assert.deepEqual(spec.egress.slice(1), [{ to: [pods("model-proxy")], ports: [{ protocol: "TCP", port: 4000 }] }]);
    const env = container(recorder).env.slice(2);
    assert.deepEqual(env, [
      { name: "MODEL_PROXY_URL", value: "http://cell-models:80/v1" },
      { name: "SEARCH_TOKEN", valueFrom: { secretKeyRef: { name: "find-token", key: "SEARCH_TOKEN" } } },
      { name: "MODEL_PROXY_KEY", valueFrom: { secretKeyRef: { name: "cell-search-key", key: "KEY" } } },
    ]);
    assert.equal(template(recorder).metadata.annotations["clawfleet.dev/secrets"], "MODEL_PROXY_KEY=3,SEARCH_TOKEN=1");
    assert.equal(settings(recorder).embeddingModel, "embed");
  });

  it("keeps the token out of everything but its Secret", async () => {
    const recorder = await recordSearch({ token: { value: pulumi.secret("canary-search-token") } });
    assert.deepEqual(recorder.get("kubernetes:core/v1:Secret", "find-token").secrets, ["stringData"]);
    const elsewhere = recorder.resources.filter(({ inputs }) => JSON.stringify(inputs).includes("canary-search-token"));
    assert.deepEqual(
      elsewhere.map(({ name }) => name),
      ["find-token"],
    );
  });

  it("has the token from the cell's store of secrets, when there is one", async () => {
    const secrets = (await recordSearch({ externalSecrets: { store: "company" } }))
      .list()
      .filter((line) => /secret|password/i.test(line));
    assert.deepEqual(secrets, ["kubernetes:external-secrets.io/v1:ExternalSecret find-token"]);
  });

  it("rolls the Pod when a setting changes or the token is rotated", async () => {
    const before = await recordSearch();
    assert.deepEqual(differences(before, await recordSearch({ maxResults: 5 })), [
      `${STATEFUL_SET} find spec.template.spec.volumes.0.configMap.name`,
      `${CONFIG} find-config data.settings.json`,
      `${CONFIG} find-config metadata.name`,
    ]);
    assert.deepEqual(differences(before, await recordSearch({ token: { version: 2 } })), [
      `${STATEFUL_SET} find spec.template.metadata.annotations.clawfleet.dev/secrets`,
      "random:index/randomPassword:RandomPassword find-token keepers.version",
    ]);
  });

  it("keeps the index's volume only when told so", async () => {
    assert.equal((await recordSearch()).options(CLAIM, "find-index").retainOnDelete, false);
    assert.equal((await recordSearch({ retain: true })).options(CLAIM, "find-index").retainOnDelete, true);
  });

  const wrong: [SearchOptions, RegExp][] = [
    [{ embeddingModel: "embed" }, /^search\.embeddingModel: there is no model proxy to ask\n {2}Fix: /],
    [{ rerankModel: "rank" }, /^search\.rerankModel: there is no model proxy/],
    [{ dimensions: 384 }, /^search\.dimensions: dimensions without embeddingModel/],
    [
      { refreshSeconds: 1 },
      /^search\.refreshSeconds: refreshSeconds is 1\n {2}Fix: use a whole number from 10 to 86400/,
    ],
    [{ chunkChars: 20 }, /^search\.chunkChars/],
    [{ maxNoteBytes: 1 }, /^search\.maxNoteBytes/],
    [{ maxQueryChars: 9000 }, /^search\.maxQueryChars/],
    [{ maxResults: 0.5 }, /^search\.maxResults/],
    [{ index: { size: "2 GB" } }, /^search\.index\.size/],
    [{ image: "openclaw:latest" }, /^search\.image/],
    [{ token: { version: 0 } }, /^search\.token/],
    [{ resources: { limitsMemory: "64Mi" } }, /^search\.resources\.limitsMemory/],
    [
      { resources: { requestsMemory: "64Mi", limitsMemory: "128Mi" } },
      /^search\.resources\.limitsMemory: 128Mi is too little/,
    ],
    [{ token: { from: SecretFrom.External } }, /^search\.token: from is external, and the cell has no store/],
  ];
  for (const [options, message] of wrong) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => planSearch(options, { vault: true, modelProxy: false }), { message });
    });
  }

  it("refuses an empty model name, and wrong dimensions", () => {
    const plan = (options: SearchOptions) => () => planSearch(options, { vault: true, modelProxy: true });
    assert.throws(plan({ embeddingModel: " " }), /search\.embeddingModel: the model's name is empty/);
    assert.throws(plan({ embeddingModel: "embed", dimensions: 0 }), /search\.dimensions: dimensions is 0/);
  });

  it("refuses a cell without a vault", () => {
    assert.throws(
      () => planSearch({}, { vault: false, modelProxy: true }),
      /^ValidationFailed: search: search without a vault/,
    );
  });
});

function configName(recorder: Recorder): string {
  const { metadata } = recorder.get(CONFIG, "find-config").inputs as { metadata: { name: string } };
  assert.match(metadata.name, /^find-config-[0-9a-f]{12}$/);
  return metadata.name;
}
