import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { forwardProxyEnv, ForwardProxy, planForwardProxy, type ForwardProxyArgs } from "../../components/forward-proxy";
import type { ForwardProxyListener } from "../../components/forward-proxy-config";
import { PRIVATE_RANGES } from "../../components/network";
import type { Endpoint } from "../../components/part";
import type { PodSpec } from "./cells";
import { differences, providers, record, type Recorder } from "./support";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const CILIUM = "kubernetes:cilium.io/v2:CiliumNetworkPolicy";
const DNS: Endpoint = { component: "dns-filter", host: "10.96.0.9", port: 53, podPort: 5353 };

const LISTENERS: ForwardProxyListener[] = [
  {
    component: "gateway",
    allowedHosts: ["api.telegram.org", ".slack.com"],
    internal: [{ component: "model-proxy", host: pulumi.output("cell-model-proxy"), port: 4000 }],
  },
  { component: "browser", allowedHosts: ["docs.example.com"], plainHttp: true },
  { component: "model-proxy", allowedHosts: ["api.openai.com"], allowedPorts: [443, 8443] },
];

async function recordProxy(args: Partial<ForwardProxyArgs> = {}): Promise<Recorder & { proxy?: ForwardProxy }> {
  let proxy: ForwardProxy | undefined;
  const recorder = await record((mocks) => {
    proxy = new ForwardProxy(
      "proxy",
      { namespace: "agents", instance: "cell", listeners: LISTENERS, ...args },
      { providers: providers(), transformations: [mocks.observe] },
    );
  });
  return Object.assign(recorder, { proxy });
}

const podSpec = (recorder: Recorder): PodSpec =>
  (recorder.get(DEPLOYMENT, "proxy").inputs as { spec: { template: { spec: PodSpec } } }).spec.template.spec;

const configOf = (recorder: Recorder): string =>
  (recorder.get(CONFIG_MAP, "proxy-config").inputs as { data: Record<string, string> }).data["squid.conf"] ?? "";

const selector = (component: string): Record<string, string> => ({
  "app.kubernetes.io/name": "openclaw",
  "app.kubernetes.io/instance": "cell",
  "app.kubernetes.io/component": component,
});
const podsOf = (component: string) => ({ podSelector: { matchLabels: selector(component) } });

describe("ForwardProxy", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordProxy({ listeners: undefined })).list(), [
      "clawfleet:index:ForwardProxy proxy",
      `${DEPLOYMENT} proxy`,
      `${CONFIG_MAP} proxy-config`,
      "kubernetes:core/v1:Service proxy",
      "kubernetes:core/v1:ServiceAccount proxy",
      `${POLICY} proxy`,
      "kubernetes:policy/v1:PodDisruptionBudget proxy",
    ]);
  });

  it("has a port for each component, which that component alone reaches", async () => {
    const recorder = await recordProxy();
    const { ingress } = recorder.get(POLICY, "proxy").inputs.spec as { ingress: unknown };
    assert.deepEqual(
      ingress,
      [
        ["gateway", 3128],
        ["browser", 3129],
        ["model-proxy", 3130],
      ].map(([component, port]) => ({ from: [podsOf(String(component))], ports: [{ protocol: "TCP", port }] })),
    );
    assert.equal(recorder.proxy?.endpointFor("model-proxy").port, 3130);
    assert.equal(recorder.proxy?.endpointFor("gateway").component, "forward-proxy");
    assert.throws(() => recorder.proxy?.endpointFor("search"), /forwardProxy\.listeners: .*no port for search/);
  });

  it("keeps a component's port when another one is switched off", async () => {
    const recorder = await recordProxy({ listeners: LISTENERS.filter(({ component }) => component !== "browser") });
    assert.equal(recorder.proxy?.endpointFor("model-proxy").port, 3130);
  });

  it("reaches the internet on the allowed ports, named parts of the cell, and DNS", async () => {
    const recorder = await recordProxy({ dns: DNS });
    const { egress } = recorder.get(POLICY, "proxy").inputs.spec as { egress: unknown[] };
    assert.deepEqual(egress, [
      {
        to: [podsOf("dns-filter")],
        ports: [
          { protocol: "UDP", port: 5353 },
          { protocol: "TCP", port: 5353 },
        ],
      },
      {
        to: [{ ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE_RANGES } }],
        ports: [80, 443, 8443].map((port) => ({ protocol: "TCP", port })),
      },
      { to: [podsOf("model-proxy")], ports: [{ protocol: "TCP", port: 4000 }] },
    ]);
  });

  it("opens nothing for listeners that allow no host", async () => {
    const recorder = await recordProxy({ listeners: [{ component: "gateway" }] });
    const { egress } = recorder.get(POLICY, "proxy").inputs.spec as { egress: unknown[] };
    assert.equal(egress.length, 1);
    assert.ok(!configOf(recorder).includes("http_access allow"));
  });

  it("knows an internal service by all of its names, and by nothing else", async () => {
    const text = configOf(await recordProxy());
    const hosts = [...text.matchAll(/^acl gateway_internal_0 dstdomain -n (.*)$/gm)].map(([, host]) => host);
    assert.deepEqual(hosts, [
      "cell-model-proxy",
      "cell-model-proxy.agents",
      "cell-model-proxy.agents.svc",
      "cell-model-proxy.agents.svc.cluster.local",
    ]);
    assert.ok(text.includes("acl gateway_internal_0_port port 4000\n"));
  });

  it("allows by port and host together, refuses everything else, and has a name resolved last", async () => {
    const rules = configOf(await recordProxy())
      .split("\n")
      .filter((line) => line.startsWith("http_access"));
    assert.deepEqual(rules, [
      "http_access deny manager",
      "http_access allow gateway gateway_internal_0 gateway_internal_0_port",
      "http_access allow gateway CONNECT gateway_ports gateway_hosts host_name !not_public",
      "http_access allow browser CONNECT browser_ports browser_hosts host_name !not_public",
      "http_access allow browser plain_http !CONNECT plain_http_port browser_hosts host_name !not_public",
      "http_access allow model_proxy CONNECT model_proxy_ports model_proxy_hosts host_name !not_public",
      "http_access deny all",
    ]);
  });

  it("asks the cell's DNS for full names first", async () => {
    const { dnsPolicy, dnsConfig } = podSpec(await recordProxy({ dns: DNS }));
    assert.equal(dnsPolicy, "None");
    assert.deepEqual(dnsConfig, {
      nameservers: ["10.96.0.9"],
      searches: ["agents.svc.cluster.local", "svc.cluster.local", "cluster.local"],
      options: [{ name: "ndots", value: "1" }],
    });
  });

  it("runs twice, without a capability, a token or anything to write to but shared memory", async () => {
    const recorder = await recordProxy();
    const spec = podSpec(recorder);
    assert.equal((recorder.get(DEPLOYMENT, "proxy").inputs.spec as { replicas: number }).replicas, 2);
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.securityContext, {
      runAsNonRoot: true,
      runAsUser: 13,
      runAsGroup: 13,
      fsGroup: 13,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    });
    const [container, ...others] = spec.containers;
    assert.equal(others.length, 0);
    assert.deepEqual(container?.command, ["/usr/sbin/squid", "-N", "-d", "1", "-f", "/config/squid.conf"]);
    assert.deepEqual(container?.volumeMounts, [
      { name: "config", mountPath: "/config", readOnly: true },
      { name: "shm", mountPath: "/dev/shm" },
    ]);
    assert.equal(container?.securityContext.readOnlyRootFilesystem, true);
  });

  it("rolls its Pods when a host is added", async () => {
    const [first, ...rest] = LISTENERS;
    assert.ok(first !== undefined);
    const more = [{ ...first, allowedHosts: [...(first.allowedHosts ?? []), "discord.com"] }, ...rest];
    assert.deepEqual(differences(await recordProxy(), await recordProxy({ listeners: more })), [
      `${DEPLOYMENT} proxy spec.template.spec.volumes.0.configMap.name`,
      `${CONFIG_MAP} proxy-config data.squid.conf`,
      `${CONFIG_MAP} proxy-config metadata.name`,
    ]);
  });

  it("leaves the internet to Cilium's FQDN policy when told so: policies add up", async () => {
    const recorder = await recordProxy({ dns: DNS, ciliumFqdnPolicy: true });
    const { egress } = recorder.get(POLICY, "proxy").inputs.spec as { egress: unknown[] };
    assert.ok(!JSON.stringify(egress).includes("ipBlock"));
    assert.deepEqual(recorder.get(CILIUM, "proxy-fqdn").inputs.spec, {
      endpointSelector: { matchLabels: selector("forward-proxy") },
      egress: [
        {
          toEndpoints: [{ matchLabels: selector("dns-filter") }],
          toPorts: [
            {
              ports: [
                { port: "5353", protocol: "UDP" },
                { port: "5353", protocol: "TCP" },
              ],
              rules: { dns: [{ matchPattern: "*" }] },
            },
          ],
        },
        {
          toFQDNs: [
            { matchName: "slack.com" },
            { matchPattern: "**.slack.com" },
            { matchName: "api.openai.com" },
            { matchName: "api.telegram.org" },
            { matchName: "docs.example.com" },
          ],
          toPorts: [{ ports: ["80", "443", "8443"].map((port) => ({ port, protocol: "TCP" })) }],
        },
      ],
    });
  });

  it("says what the DNS filter has to resolve for it", () => {
    const { hosts, ports } = planForwardProxy({ listeners: LISTENERS });
    assert.deepEqual(hosts, [".slack.com", "api.openai.com", "api.telegram.org", "docs.example.com"]);
    assert.deepEqual(ports, [80, 443, 8443]);
  });

  it("is found by programs through the usual variables", async () => {
    const env = forwardProxyEnv({ component: "forward-proxy", host: "proxy", port: 3130 }, [".svc"]);
    const values = await new Promise((resolve) => pulumi.all(env.map(({ value }) => value)).apply(resolve));
    assert.deepEqual(
      env.map(({ name }) => name),
      ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"],
    );
    const [url, direct] = ["http://proxy:3130", "127.0.0.1,::1,localhost,.svc"];
    assert.deepEqual(values, [url, url, url, url, direct, direct]);
  });

  describe("refuses, and names the option", () => {
    const one = (listener: Partial<ForwardProxyListener>): ForwardProxyListener[] => [
      { component: "gateway", ...listener },
    ];
    const cases: [string, ForwardProxyListener[], RegExp][] = [
      ["an address", one({ allowedHosts: ["a.example.com", "192.0.2.1"] }), /listeners\[0\]\.allowedHosts\[1\]/],
      ["a decimal address", one({ allowedHosts: ["2130706433"] }), /listeners\[0\]\.allowedHosts\[0\]/],
      ["a name that ends in a number", one({ allowedHosts: ["a.0x7f"] }), /listeners\[0\]\.allowedHosts\[0\]/],
      ["a port in a host", one({ allowedHosts: ["a.example.com:443"] }), /allowedHosts\[0\]/],
      ["a line break", one({ allowedHosts: ["a.example.com\nhttp_access allow all"] }), /allowedHosts\[0\]/],
      ["a name without a dot", one({ allowedHosts: ["metadata"] }), /allowedHosts\[0\]/],
      ["no port at all", one({ allowedPorts: [] }), /listeners\[0\]\.allowedPorts: the list is empty/],
      ["a port that is none", one({ allowedPorts: [0] }), /listeners\[0\]\.allowedPorts/],
      ["an unknown component without a port", [{ component: "mine" }], /listeners\[0\]\.port: mine has no port/],
      ["a port for root alone", one({ port: 443 }), /listeners\[0\]\.port: 443/],
      [
        "a component twice",
        [...one({}), ...one({ port: 4444 })],
        /forwardProxy\.listeners: two listeners with component/,
      ],
      ["a port twice", [...one({}), { component: "mine", port: 3128 }], /two listeners with port 3128/],
      ["nobody", [], /forwardProxy\.listeners: the list is empty/],
    ];
    for (const [what, listeners, message] of cases) {
      it(what, () => assert.throws(() => planForwardProxy({ listeners }), message));
    }
    it("clients beside listeners", () =>
      assert.rejects(recordProxy({ clients: ["gateway"] }), /forwardProxy\.clients: .*no meaning/));
    it("no Pod", () => assert.throws(() => planForwardProxy({ replicas: 0 }), /forwardProxy\.replicas/));
  });
});
