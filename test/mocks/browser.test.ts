import assert from "node:assert/strict";
import { Browser, BrowserMode, planBrowser, type BrowserArgs } from "../../components/browser";
import { catalogueImage } from "../../components/images";
import type { Endpoint } from "../../components/part";
import type { PodSpec } from "./cells";
import { CLUSTER_IP, providers, record, type Recorder } from "./support";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const FORWARD_PROXY: Endpoint = { component: "forward-proxy", host: "cell-forward-proxy", port: 3129 };

async function recordBrowser(args: Partial<BrowserArgs> = {}): Promise<{ recorder: Recorder; endpoint: Endpoint }> {
  let browser: Browser | undefined;
  const recorder = await record((mocks) => {
    browser = new Browser(
      "web",
      { namespace: "agents", instance: "cell", ...args },
      { providers: providers(), transformations: [mocks.observe] },
    );
  });
  assert.ok(browser !== undefined);
  return { recorder, endpoint: browser.endpoint };
}

function podSpec(recorder: Recorder): PodSpec {
  const { spec } = recorder.get(DEPLOYMENT, "web").inputs as { spec: { template: { spec: PodSpec } } };
  return spec.template.spec;
}

async function onlyContainer(args: Partial<BrowserArgs> = {}) {
  const { containers } = podSpec((await recordBrowser(args)).recorder);
  const [container, ...others] = containers;
  assert.ok(container !== undefined && others.length === 0);
  return container;
}

const podsOf = (component: string) => ({
  podSelector: {
    matchLabels: {
      "app.kubernetes.io/name": "openclaw",
      "app.kubernetes.io/instance": "cell",
      "app.kubernetes.io/component": component,
    },
  },
});

describe("Browser", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordBrowser()).recorder.list(), [
      "clawfleet:index:Browser web",
      `${DEPLOYMENT} web`,
      "kubernetes:core/v1:Service web",
      "kubernetes:core/v1:ServiceAccount web",
      `${POLICY} web`,
      "kubernetes:policy/v1:PodDisruptionBudget web",
    ]);
  });

  it("is found by its literal address", async () => {
    const { recorder, endpoint } = await recordBrowser();
    const { host, ...rest } = endpoint;
    assert.deepEqual(rest, { component: "browser", port: 9222 });
    const address = await new Promise((resolve) => {
      if (typeof host === "string" || host instanceof Promise) return resolve(host);
      host.apply(resolve);
    });
    assert.equal(address, CLUSTER_IP);
    const { spec } = recorder.get("kubernetes:core/v1:Service", "web").inputs as { spec: { ports: unknown } };
    assert.deepEqual(spec.ports, [{ name: "cdp", port: 9222, targetPort: 9222, protocol: "TCP" }]);
  });

  it("lets its clients in alone, and out to the forward proxy and DNS alone", async () => {
    const { recorder } = await recordBrowser({ clients: ["gateway"], forwardProxy: FORWARD_PROXY });
    const { ingress, egress } = recorder.get(POLICY, "web").inputs.spec as { ingress: unknown; egress: unknown[] };
    assert.deepEqual(ingress, [{ from: [podsOf("gateway")], ports: [{ protocol: "TCP", port: 9222 }] }]);
    assert.equal(egress.length, 2);
    assert.deepEqual(egress[1], { to: [podsOf("forward-proxy")], ports: [{ protocol: "TCP", port: 3129 }] });
  });

  it("reaches DNS and nothing else without a forward proxy", async () => {
    const { recorder } = await recordBrowser();
    const { ingress, egress } = recorder.get(POLICY, "web").inputs.spec as { ingress: unknown[]; egress: unknown[] };
    assert.deepEqual(ingress, []);
    assert.equal(egress.length, 1);
  });

  it("sends every page to the forward proxy, and resolves no name but the proxy's", async () => {
    const { args = [] } = await onlyContainer({ forwardProxy: FORWARD_PROXY });
    assert.ok(args.includes("--proxy-server=http://cell-forward-proxy:3129"));
    assert.ok(args.includes("--proxy-bypass-list=<-loopback>"));
    assert.ok(args.includes("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE cell-forward-proxy"));
    const alone = (await onlyContainer()).args ?? [];
    assert.ok(alone.includes("--host-resolver-rules=MAP * ~NOTFOUND"));
    assert.ok(!alone.some((arg) => arg.startsWith("--proxy-server")));
  });

  it("is hardened as every Pod, without a capability, a token or a writable root", async () => {
    const { recorder } = await recordBrowser();
    const spec = podSpec(recorder);
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.securityContext, {
      runAsNonRoot: true,
      runAsUser: 65534,
      runAsGroup: 65534,
      fsGroup: 65534,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual((await onlyContainer()).securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("bounds its memory, with the shared memory in it, and its files", async () => {
    const { volumes } = podSpec((await recordBrowser({ sharedMemory: "256Mi" })).recorder);
    assert.deepEqual(volumes, [
      { name: "browser-tmp", emptyDir: { sizeLimit: "1Gi" } },
      { name: "browser-shm", emptyDir: { medium: "Memory", sizeLimit: "256Mi" } },
    ]);
    const { resources, volumeMounts } = await onlyContainer({ resources: { limitsMemory: "4Gi" } });
    assert.deepEqual(resources, {
      requests: { cpu: "250m", memory: "512Mi", "ephemeral-storage": "128Mi" },
      limits: { cpu: "1", memory: "4Gi", "ephemeral-storage": "1536Mi" },
    });
    assert.deepEqual(
      volumeMounts.map(({ mountPath }) => mountPath),
      ["/tmp", "/dev/shm"],
    );
  });

  it("runs the catalogue's image by digest, or the one that is given", async () => {
    const { repository, tag, digest } = catalogueImage("chromium");
    assert.equal((await onlyContainer()).image, `${repository}:${tag}@${digest}`);
    await assert.rejects(recordBrowser({ image: "chromium:latest" }), /browser\.image: .*not pinned/);
  });

  it("asks for the browser's version in every probe", async () => {
    const { startupProbe, readinessProbe, livenessProbe } = await onlyContainer();
    for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
      const { command } = probe?.exec as { command: string[] };
      assert.equal(command[0], "bash");
      assert.match(command[2] ?? "", /\/dev\/tcp\/127\.0\.0\.1\/9222/);
      assert.match(command[2] ?? "", /webSocketDebuggerUrl/);
    }
  });

  it("refuses hosts and a sidecar without a way out, and sizes that contradict each other", () => {
    const without = { forwardProxy: false };
    assert.throws(() => planBrowser({ allowedHosts: ["*"] }, without), /browser\.allowedHosts: [^]*Fix: switch/);
    assert.throws(() => planBrowser({ mode: BrowserMode.Sidecar }, without), /browser\.mode: [^]*Fix: switch/);
    const plan = (options: object) => () => planBrowser(options, { forwardProxy: true });
    assert.throws(plan({ sharedMemory: "1.5Gi" }), /browser\.sharedMemory: 1\.5Gi/);
    assert.throws(plan({ sharedMemory: "lots" }), /browser\.sharedMemory: "lots"/);
    assert.throws(plan({ resources: { limitsMemory: "512Mi" } }), /browser\.resources\.limitsMemory: 512Mi/);
    assert.deepEqual(plan({ allowedHosts: ["*"] })().allowedHosts, ["*"]);
    assert.deepEqual(plan({})().allowedHosts, []);
  });

  it("refuses to be a sidecar by itself", async () => {
    await assert.rejects(
      recordBrowser({ mode: BrowserMode.Sidecar, forwardProxy: FORWARD_PROXY }),
      /browser\.mode: [^]*browserSidecar/,
    );
  });
});
