import assert from "node:assert/strict";
import { DnsFilter, type DnsFilterArgs } from "../../components/dns-filter";
import { planDnsFilter, type DnsFilterOptions } from "../../components/dns-filter-config";
import { egressToDns } from "../../components/network";
import type { PodSpec } from "./cells";
import { CLUSTER_IP, differences, providers, record, type Recorder } from "./support";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";

async function recordFilter(args: Partial<DnsFilterArgs> = {}): Promise<Recorder & { filter?: DnsFilter }> {
  let filter: DnsFilter | undefined;
  const recorder = await record((mocks) => {
    filter = new DnsFilter(
      "dns",
      { namespace: "agents", instance: "cell", ...args },
      { providers: providers(), transformations: [mocks.observe] },
    );
  });
  return Object.assign(recorder, { filter });
}

const deployment = (recorder: Recorder): { replicas: number; template: { spec: PodSpec } } =>
  (recorder.get(DEPLOYMENT, "dns").inputs as { spec: { replicas: number; template: { spec: PodSpec } } }).spec;

const podsOf = (component: string) => ({
  podSelector: {
    matchLabels: {
      "app.kubernetes.io/name": "openclaw",
      "app.kubernetes.io/instance": "cell",
      "app.kubernetes.io/component": component,
    },
  },
});

describe("DnsFilter", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordFilter()).list(), [
      "clawfleet:index:DnsFilter dns",
      `${DEPLOYMENT} dns`,
      `${CONFIG_MAP} dns-config`,
      "kubernetes:core/v1:Service dns",
      "kubernetes:core/v1:ServiceAccount dns",
      `${POLICY} dns`,
      "kubernetes:policy/v1:PodDisruptionBudget dns",
    ]);
  });

  it("is found by its literal address at port 53, and listens where an ordinary user may", async () => {
    const recorder = await recordFilter();
    const endpoint = recorder.filter?.endpoint;
    const { host, ...rest } = endpoint ?? { host: "" };
    assert.deepEqual(rest, { component: "dns-filter", port: 53, podPort: 5353 });
    assert.equal(await new Promise((resolve) => recorder.filter?.address.apply(resolve)), CLUSTER_IP);
    assert.equal(host, recorder.filter?.address);
    const { spec } = recorder.get("kubernetes:core/v1:Service", "dns").inputs as { spec: { ports: unknown } };
    assert.deepEqual(spec.ports, [
      { name: "dns-udp", port: 53, targetPort: 5353, protocol: "UDP" },
      { name: "dns-tcp", port: 53, targetPort: 5353, protocol: "TCP" },
    ]);
  });

  it("lets its clients in alone, and asks the cluster's DNS alone", async () => {
    const recorder = await recordFilter({ clients: ["gateway", "search"] });
    const { ingress, egress } = recorder.get(POLICY, "dns").inputs.spec as { ingress: unknown; egress: unknown };
    assert.deepEqual(ingress, [
      { from: [podsOf("gateway"), podsOf("search")], ports: [{ protocol: "UDP", port: 5353 }] },
      { from: [podsOf("gateway"), podsOf("search")], ports: [{ protocol: "TCP", port: 5353 }] },
    ]);
    assert.deepEqual(egress, [egressToDns("cell", undefined)]);
  });

  it("never asks itself, even when it is given as the cell's DNS", async () => {
    const dns = { component: "dns-filter", host: "10.96.0.9", port: 53, podPort: 5353 };
    const recorder = await recordFilter({ dns });
    assert.equal(deployment(recorder).template.spec.dnsPolicy, undefined);
    assert.deepEqual(recorder.get(POLICY, "dns").inputs.spec, (await recordFilter()).get(POLICY, "dns").inputs.spec);
  });

  it("reaches the upstreams that are named, and no other address", async () => {
    const recorder = await recordFilter({
      upstreams: [{ address: "203.0.113.53", tlsName: "dns.example.com" }, { address: "2001:db8::53" }],
    });
    const { egress } = recorder.get(POLICY, "dns").inputs.spec as { egress: unknown[] };
    assert.deepEqual(egress.slice(1), [
      {
        to: [{ ipBlock: { cidr: "203.0.113.53/32" } }],
        ports: [{ protocol: "TCP", port: 853 }],
      },
      {
        to: [{ ipBlock: { cidr: "2001:db8::53/128" } }],
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
    ]);
    const { data } = recorder.get(CONFIG_MAP, "dns-config").inputs as { data: Record<string, string> };
    assert.match(data["config.yml"] ?? "", /tcp-tls:203\.0\.113\.53:853#dns\.example\.com/);
    assert.match(data["config.yml"] ?? "", /tcp\+udp:\[2001:db8::53\]:53/);
  });

  it("runs twice, without a capability, a token or anything to write to", async () => {
    const { replicas, template } = deployment(await recordFilter());
    assert.equal(replicas, 2);
    assert.equal(template.spec.automountServiceAccountToken, false);
    const [container, ...others] = template.spec.containers;
    assert.equal(others.length, 0);
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual(container?.resources, {
      requests: { cpu: "50m", memory: "64Mi", "ephemeral-storage": "32Mi" },
      limits: { cpu: "500m", memory: "128Mi", "ephemeral-storage": "64Mi" },
    });
    assert.deepEqual(container?.volumeMounts, [{ name: "config", mountPath: "/config", readOnly: true }]);
    for (const probe of [container?.startupProbe, container?.readinessProbe, container?.livenessProbe]) {
      assert.deepEqual(probe?.exec, { command: ["/app/blocky", "healthcheck", "--port", "5353"] });
    }
  });

  it("rolls its Pods when a name is added", async () => {
    const changed = differences(await recordFilter(), await recordFilter({ allow: ["api.example.com"] }));
    assert.deepEqual(changed, [
      `${DEPLOYMENT} dns spec.template.spec.volumes.0.configMap.name`,
      `${CONFIG_MAP} dns-config data.config.yml`,
      `${CONFIG_MAP} dns-config metadata.name`,
    ]);
  });

  describe("refuses, and names the option", () => {
    const cases: [string, DnsFilterOptions, RegExp][] = [
      ["an address", { allow: ["192.0.2.1"] }, /dnsFilter\.allow\[0\]: "192\.0\.2\.1" is no host name/],
      ["a pattern", { allow: ["*.example.com"] }, /dnsFilter\.allow\[0\]/],
      ["a URL", { allow: ["a.example.com", "https://b.example.com"] }, /dnsFilter\.allow\[1\]/],
      ["a deny-list beside an allow-list", { allow: [".a.com"], deny: ["b.a.com"] }, /dnsFilter\.deny: .*no effect/],
      ["everything denied", { allow: ["*"], deny: ["*"] }, /dnsFilter\.deny/],
      ["no Pod", { replicas: 0 }, /dnsFilter\.replicas: replicas is 0/],
      [
        "an upstream by name",
        { upstreams: [{ address: "dns.example.com" }] },
        /dnsFilter\.upstreams\[0\]: .*no address/,
      ],
      [
        "an upstream's port",
        { upstreams: [{ address: "192.0.2.1", port: 0 }] },
        /dnsFilter\.upstreams\[0\]: 0 is no port/,
      ],
      ["a line break in the cluster's DNS", { clusterDns: "10.0.0.1\nlog: x" }, /dnsFilter\.clusterDns/],
      ["too little memory", { resources: { limitsMemory: "16Mi" } }, /dnsFilter\.resources\.limitsMemory/],
    ];
    for (const [what, options, message] of cases) {
      it(what, () => assert.throws(() => planDnsFilter(options), message));
    }
  });
});
