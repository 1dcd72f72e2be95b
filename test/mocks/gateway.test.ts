import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { Environment } from "../../components/environment";
import { catalogueImage } from "../../components/images";
import { OpenClawGateway, type OpenClawGatewayArgs } from "../../components/openclaw-gateway";
import { configText, everything, pod, recordCell, type Container } from "./cells";
import { providers, record, type Recorder } from "./support";

const GIT_SYNC = everything().vault?.gitSync;

function recordGateway(args: Partial<OpenClawGatewayArgs> = {}): Promise<Recorder> {
  return record((recorder) => {
    new OpenClawGateway(
      "gw",
      { namespace: "agents", environment: Environment.Dev, ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

function onlyContainer(recorder: Recorder): Container {
  const [container, ...others] = pod(recorder, "gw").containers;
  assert.ok(container !== undefined && others.length === 0);
  return container;
}

const SELECTOR = {
  "app.kubernetes.io/name": "openclaw",
  "app.kubernetes.io/instance": "gw",
  "app.kubernetes.io/component": "gateway",
};

describe("OpenClawGateway", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordGateway()).list(), [
      "clawfleet:index:OpenClawGateway gw",
      "kubernetes:apps/v1:StatefulSet gw",
      "kubernetes:core/v1:ConfigMap gw-config",
      "kubernetes:core/v1:PersistentVolumeClaim gw-state",
      "kubernetes:core/v1:Secret gw-token",
      "kubernetes:core/v1:Service gw",
      "kubernetes:core/v1:ServiceAccount gw",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy gw",
      "kubernetes:policy/v1:PodDisruptionBudget gw",
      "random:index/randomPassword:RandomPassword gw-token",
    ]);
  });

  it("is one Pod behind a ClusterIP Service that nothing waits for", async () => {
    const recorder = await recordGateway();
    const service = recorder.get("kubernetes:core/v1:Service", "gw").inputs;
    assert.deepEqual(service.spec, {
      type: "ClusterIP",
      selector: SELECTOR,
      ports: [{ name: "http", port: 18789, targetPort: "http", protocol: "TCP" }],
    });
    assert.deepEqual((service.metadata as { annotations: unknown }).annotations, { "pulumi.com/skipAwait": "true" });
    const { spec } = recorder.get("kubernetes:apps/v1:StatefulSet", "gw").inputs as {
      spec: Record<string, unknown> & { template: { metadata: { labels: Record<string, string> } } };
    };
    assert.equal(spec.replicas, 1);
    assert.equal(spec.serviceName, "gw");
    assert.deepEqual(spec.selector, { matchLabels: SELECTOR });
    for (const [key, value] of Object.entries(SELECTOR)) assert.equal(spec.template.metadata.labels[key], value);
    assert.deepEqual(recorder.options("kubernetes:apps/v1:StatefulSet", "gw").customTimeouts, {
      create: "15m",
      update: "20m",
    });
  });

  it("keeps its own labels when others are given", async () => {
    const recorder = await recordGateway({ labels: { "app.kubernetes.io/component": "x", team: "acme" } });
    const { spec } = recorder.get("kubernetes:apps/v1:StatefulSet", "gw").inputs as {
      spec: { template: { metadata: { labels: Record<string, string> } } };
    };
    assert.equal(spec.template.metadata.labels["app.kubernetes.io/component"], "gateway");
    assert.equal(spec.template.metadata.labels.team, "acme");
  });

  it("lets one voluntary disruption happen: with one replica, none would block every node drain", async () => {
    const recorder = await recordGateway();
    assert.deepEqual(recorder.get("kubernetes:policy/v1:PodDisruptionBudget", "gw").inputs.spec, {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: SELECTOR },
    });
  });

  it("claims its state on a volume of one node", async () => {
    const claim = async (args: Partial<OpenClawGatewayArgs>) =>
      (await recordGateway(args)).get("kubernetes:core/v1:PersistentVolumeClaim", "gw-state").inputs.spec;
    assert.deepEqual(await claim({}), {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "10Gi" } },
    });
    assert.deepEqual(await claim({ state: { size: "20Gi", storageClass: "fast" } }), {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "20Gi" } },
      storageClassName: "fast",
    });
  });

  it("runs the catalogue's image by digest, or the one that is given", async () => {
    const { repository, tag, digest } = catalogueImage("openclaw-gateway");
    assert.equal(onlyContainer(await recordGateway()).image, `${repository}:${tag}@${digest}`);
    const image = `registry.example.com/openclaw:2026.9.6@sha256:${"0".repeat(64)}`;
    assert.equal(onlyContainer(await recordGateway({ image })).image, image);
    await assert.rejects(
      recordGateway({ image: "registry.example.com/openclaw:2026.9.6" }),
      /gateway\.image: .*not pinned/,
    );
  });

  it("keeps the image's entrypoint, whose init forwards signals", async () => {
    const { command, args } = onlyContainer(await recordGateway());
    assert.equal(command, undefined);
    assert.deepEqual(args, ["node", "openclaw.mjs", "gateway"]);
  });

  it("reaches the cluster's DNS and what is allowed, and nothing reaches it", async () => {
    const recorder = await recordGateway({ egress: [{ cidr: "203.0.113.0/24", ports: [443, 8443] }] });
    assert.deepEqual(recorder.get("kubernetes:networking.k8s.io/v1:NetworkPolicy", "gw").inputs.spec, {
      podSelector: { matchLabels: SELECTOR },
      policyTypes: ["Ingress", "Egress"],
      egress: [
        {
          to: [
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
              podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
            },
          ],
          ports: [
            { protocol: "UDP", port: 53 },
            { protocol: "TCP", port: 53 },
          ],
        },
        {
          to: [{ ipBlock: { cidr: "203.0.113.0/24" } }],
          ports: [
            { protocol: "TCP", port: 443 },
            { protocol: "TCP", port: 8443 },
          ],
        },
      ],
    });
  });

  it("starts its Pod after the policy that confines it", async () => {
    const recorder = await recordGateway();
    const { dependsOn } = recorder.options("kubernetes:apps/v1:StatefulSet", "gw");
    assert.ok(Array.isArray(dependsOn));
    const types = dependsOn.map((resource) => (resource as pulumi.Resource & { __pulumiType: string }).__pulumiType);
    assert.deepEqual(types, ["kubernetes:networking.k8s.io/v1:NetworkPolicy"]);
  });

  it("mounts the notes of the vault, and leaves git's repository to git-sync", async () => {
    const { containers } = pod(await recordGateway({ vaultClaim: "vault", vaultGitSync: GIT_SYNC }), "gw");
    const vaultMounts = containers.map(({ name, volumeMounts }) => [
      name,
      volumeMounts.filter((mount) => mount.name === "vault").map(({ mountPath, subPath }) => [mountPath, subPath]),
    ]);
    assert.deepEqual(vaultMounts, [
      ["gateway", [["/vault", "notes"]]],
      [
        "git-sync",
        [
          ["/vault", "notes"],
          ["/repository", "repository"],
        ],
      ],
    ]);
  });

  it("schedules its Pod as it is told", async () => {
    const scheduling = {
      nodeSelector: { pool: "agents" },
      tolerations: [{ key: "agents", value: "yes", effect: "NoSchedule" }, { key: "spot" }],
      priorityClassName: "high",
    };
    const { nodeSelector, tolerations, priorityClassName } = pod(await recordGateway({ scheduling }), "gw");
    assert.deepEqual(nodeSelector, { pool: "agents" });
    assert.deepEqual(tolerations, [
      { key: "agents", operator: "Equal", value: "yes", effect: "NoSchedule" },
      { key: "spot", operator: "Exists" },
    ]);
    assert.equal(priorityClassName, "high");
  });

  it("refuses git-sync without a vault", async () => {
    await assert.rejects(recordGateway({ vaultGitSync: GIT_SYNC }), /vault\.gitSync: gitSync without a vault/);
  });

  describe("Pod Security `restricted`, and a read-only root", () => {
    it("holds for the Pod and each of its containers", async () => {
      const spec = pod(await recordCell(everything()));
      assert.deepEqual(spec.securityContext, {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      });
      const containers = [...spec.containers, ...(spec.initContainers ?? [])];
      assert.deepEqual(
        containers.map(({ name }) => name),
        ["gateway", "git-sync"],
      );
      for (const { name, securityContext } of containers) {
        assert.deepEqual(
          securityContext,
          {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            runAsNonRoot: true,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
          name,
        );
      }
      for (const field of ["hostNetwork", "hostPID", "hostIPC"]) assert.equal(spec[field], undefined);
      const kinds = spec.volumes.map((volume) => Object.keys(volume).filter((key) => key !== "name"));
      assert.ok(kinds.flat().every((kind) => ["configMap", "persistentVolumeClaim", "emptyDir"].includes(kind)));
    });

    it("mounts no token of a service account", async () => {
      const recorder = await recordCell(everything());
      assert.equal(pod(recorder).automountServiceAccountToken, false);
      assert.equal(pod(recorder).enableServiceLinks, false);
      assert.equal(pod(recorder).serviceAccountName, "cell-gateway");
      const account = recorder.get("kubernetes:core/v1:ServiceAccount", "cell-gateway");
      assert.equal(account.inputs.automountServiceAccountToken, false);
    });

    it("requests and limits CPU, memory and ephemeral storage of every container", async () => {
      const { containers } = pod(await recordCell(everything()));
      assert.deepEqual(
        containers.map(({ resources }) => resources),
        [
          {
            requests: { cpu: "250m", memory: "1Gi", "ephemeral-storage": "256Mi" },
            limits: { cpu: "2", memory: "2Gi", "ephemeral-storage": "2Gi" },
          },
          {
            requests: { cpu: "10m", memory: "64Mi", "ephemeral-storage": "16Mi" },
            limits: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "128Mi" },
          },
        ],
      );
    });

    it("bounds every emptyDir by less than its container's ephemeral storage", async () => {
      const { volumes } = pod(await recordCell(everything()));
      assert.deepEqual(
        volumes.filter((volume) => volume.emptyDir !== undefined),
        [
          { name: "tmp", emptyDir: { sizeLimit: "1Gi" } },
          { name: "git-sync", emptyDir: { sizeLimit: "64Mi" } },
        ],
      );
    });
  });

  describe("pain 6: OOM kills with limits", () => {
    const heap = (container: Container) => container.env.find(({ name }) => name === "NODE_OPTIONS")?.value;

    it("computes Node's heap from the memory limit", async () => {
      assert.equal(heap(onlyContainer(await recordGateway())), "--max-old-space-size=1536");
      const container = onlyContainer(await recordGateway({ resources: { limitsMemory: "4Gi" } }));
      assert.equal(container.resources.limits.memory, "4Gi");
      assert.equal(heap(container), "--max-old-space-size=3072");
    });

    it("refuses less than the gateway was measured to need", async () => {
      await assert.rejects(
        recordGateway({ resources: { requestsMemory: "512Mi" } }),
        /resources\.requestsMemory is 512Mi/,
      );
      await assert.rejects(recordGateway({ resources: { limitsMemory: "1Gi" } }), /resources\.limitsMemory is 1024Mi/);
      await assert.rejects(recordGateway({ resources: { limitsMemory: "2 GB" } }), /"2 GB" is no quantity of memory/);
    });
  });

  describe("pain 7: SIGKILL during the drain", () => {
    it("gives the gateway longer than its longest measured end", async () => {
      assert.equal(pod(await recordGateway(), "gw").terminationGracePeriodSeconds, 345);
      const longer = await recordGateway({ terminationGracePeriodSeconds: 600 });
      assert.equal(pod(longer, "gw").terminationGracePeriodSeconds, 600);
      assert.equal(
        pod(await recordGateway({ terminationGracePeriodSeconds: 330 }), "gw").terminationGracePeriodSeconds,
        330,
      );
    });

    it("refuses less than the drain takes", async () => {
      await assert.rejects(
        recordGateway({ terminationGracePeriodSeconds: 329 }),
        /gateway\.terminationGracePeriodSeconds: 329 s[^]*Fix: at least 330/,
      );
    });
  });

  describe("pain 11: probes that one broken channel fails, or that any answer passes", () => {
    it("asserts the answer of /startupz and /healthz by programs in the container", async () => {
      const { startupProbe, readinessProbe, livenessProbe } = onlyContainer(await recordGateway());
      const script = (probe: Record<string, unknown> | undefined) => {
        const { command } = probe?.exec as { command: string[] };
        assert.equal(command[0], "node");
        return command.at(-1) ?? "";
      };
      for (const probe of [startupProbe, readinessProbe]) {
        assert.match(script(probe), /path:"\/startupz"/);
        assert.match(script(probe), /"started"/);
      }
      assert.match(script(livenessProbe), /path:"\/healthz"/);
      assert.match(script(livenessProbe), /"live"/);
      const timing = (probe: Record<string, unknown> | undefined) => [
        probe?.periodSeconds,
        probe?.failureThreshold,
        probe?.timeoutSeconds,
      ];
      assert.deepEqual(timing(startupProbe), [5, 60, 5]);
      assert.deepEqual(timing(readinessProbe), [15, 3, 5]);
      assert.deepEqual(timing(livenessProbe), [30, 3, 5]);
    });

    it("keeps git-sync alive while the git host is away, and for longer than its interval", async () => {
      const gitSync = GIT_SYNC && { ...GIT_SYNC, intervalSeconds: 3600 };
      const { containers } = pod(await recordGateway({ vaultClaim: "vault", vaultGitSync: gitSync }), "gw");
      const { exec } = containers[1]?.livenessProbe as { exec: { command: string[] } };
      assert.match(exec.command.at(-1) ?? "", /-mmin -185/);
    });
  });

  it("puts the entry's origin and proxies into the config", async () => {
    const recorder = await recordCell({ entry: { host: "openclaw.example.com", ingress: {} } });
    const { gateway } = JSON.parse(configText(recorder)) as {
      gateway: { mode: string; trustedProxies: string[]; controlUi: { allowedOrigins: string[] } };
    };
    assert.equal(gateway.mode, "local");
    assert.deepEqual(gateway.trustedProxies, ["10.42.0.0/16"]);
    assert.deepEqual(gateway.controlUi.allowedOrigins, [
      "https://openclaw.example.com",
      "http://localhost:18789",
      "http://127.0.0.1:18789",
    ]);
  });
});
