import assert from "node:assert/strict";
import { TlsFrom } from "../../components/tls-from";
import { Entry, type EntryArgs } from "../../components/entry";
import { EntryPreset } from "../../components/entry-presets";
import { POD_CIDRS } from "./cells";
import { providers, record, type Recorder } from "./support";

const HOST = "openclaw.example.com";
const INGRESS = "kubernetes:networking.k8s.io/v1:Ingress";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const GATEWAY = "kubernetes:gateway.networking.k8s.io/v1:Gateway";
const ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute";
const OWN_CA = [
  "kubernetes:core/v1:Secret door-tls",
  "tls:index/certRequest:CertRequest door-tls",
  "tls:index/locallySignedCert:LocallySignedCert door-tls",
  "tls:index/privateKey:PrivateKey door-tls",
  "tls:index/privateKey:PrivateKey door-tls-ca",
  "tls:index/selfSignedCert:SelfSignedCert door-tls-ca",
];

function recordEntry(args: Partial<EntryArgs>): Promise<Recorder> {
  return record(() => {
    new Entry(
      "door",
      { namespace: "agents", instance: "cell", host: HOST, service: "cell-gateway", podCidrs: POD_CIDRS, ...args },
      { providers: providers() },
    );
  });
}

const spec = (recorder: Recorder, type: string, name: string) =>
  recorder.get(type, name).inputs.spec as Record<string, unknown>;
const annotations = (recorder: Recorder) =>
  (recorder.get(INGRESS, "door").inputs.metadata as { annotations: Record<string, string> }).annotations;

/** The only sources that the entry lets through to the gateway. */
function sources(recorder: Recorder): unknown {
  const policy = spec(recorder, POLICY, "door") as { podSelector: unknown; policyTypes: unknown; ingress: unknown[] };
  assert.deepEqual(policy.podSelector, {
    matchLabels: {
      "app.kubernetes.io/name": "openclaw",
      "app.kubernetes.io/instance": "cell",
      "app.kubernetes.io/component": "gateway",
    },
  });
  assert.deepEqual(policy.policyTypes, ["Ingress"]);
  const [rule, ...others] = policy.ingress as { from: unknown; ports: unknown }[];
  assert.equal(others.length, 0);
  assert.deepEqual(rule?.ports, [{ protocol: "TCP", port: 18789 }]);
  return rule.from;
}

const pods = (namespace: string, matchLabels: Record<string, string>) => [
  { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } }, podSelector: { matchLabels } },
];

interface Expected {
  preset: EntryPreset;
  args?: Partial<EntryArgs>;
  className: string | undefined;
  annotations: Record<string, string>;
  from: unknown;
  further: string[];
  tls: boolean;
}

const INGRESSES: Expected[] = [
  {
    preset: EntryPreset.Nginx,
    className: "nginx",
    annotations: {
      "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
      "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
      "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
    },
    from: pods("ingress-nginx", { "app.kubernetes.io/name": "ingress-nginx" }),
    further: OWN_CA,
    tls: true,
  },
  {
    preset: EntryPreset.Traefik,
    className: "traefik",
    annotations: {
      "traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
      "traefik.ingress.kubernetes.io/router.tls": "true",
    },
    from: pods("traefik", { "app.kubernetes.io/name": "traefik" }),
    further: OWN_CA,
    tls: true,
  },
  {
    preset: EntryPreset.AlbInternal,
    args: { tls: { cloudCertificate: "arn:aws:acm:eu-west-1:1:certificate/1" }, proxy: { cidrs: ["10.1.0.0/20"] } },
    className: "alb",
    annotations: {
      "alb.ingress.kubernetes.io/scheme": "internal",
      "alb.ingress.kubernetes.io/target-type": "ip",
      "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS":443}]',
      "alb.ingress.kubernetes.io/healthcheck-path": "/healthz",
      "alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=3600",
      "alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:eu-west-1:1:certificate/1",
    },
    from: [{ ipBlock: { cidr: "10.1.0.0/20" } }],
    further: [],
    tls: false,
  },
  {
    preset: EntryPreset.GkeInternal,
    args: { proxy: { cidrs: ["10.2.0.0/23"] } },
    className: undefined,
    annotations: { "kubernetes.io/ingress.class": "gce-internal", "kubernetes.io/ingress.allow-http": "false" },
    from: ["10.2.0.0/23", "35.191.0.0/16", "130.211.0.0/22"].map((cidr) => ({ ipBlock: { cidr } })),
    further: [...OWN_CA, "kubernetes:cloud.google.com/v1:BackendConfig door-backend"],
    tls: true,
  },
  {
    preset: EntryPreset.AzureInternal,
    args: { proxy: { cidrs: ["10.3.0.0/24"] } },
    className: "azure-application-gateway",
    annotations: {
      "appgw.ingress.kubernetes.io/use-private-ip": "true",
      "appgw.ingress.kubernetes.io/ssl-redirect": "true",
      "appgw.ingress.kubernetes.io/request-timeout": "3600",
      "appgw.ingress.kubernetes.io/health-probe-path": "/healthz",
      "appgw.ingress.kubernetes.io/health-probe-port": "18789",
    },
    from: [{ ipBlock: { cidr: "10.3.0.0/24" } }],
    further: OWN_CA,
    tls: true,
  },
];

describe("Entry", () => {
  for (const { preset, args, className, annotations: expected, from, further, tls } of INGRESSES) {
    it(`is an Ingress for ${preset}`, async () => {
      const recorder = await recordEntry({ ...args, ingress: { preset } });
      assert.deepEqual(
        recorder.list(),
        ["clawfleet:index:Entry door", `${INGRESS} door`, `${POLICY} door`, ...further].sort(),
      );
      assert.deepEqual(annotations(recorder), expected);
      assert.deepEqual(spec(recorder, INGRESS, "door"), {
        ...(className !== undefined && { ingressClassName: className }),
        ...(tls && { tls: [{ hosts: [HOST], secretName: "door-tls" }] }),
        rules: [
          {
            host: HOST,
            http: {
              paths: [
                {
                  path: "/",
                  pathType: "Prefix",
                  backend: { service: { name: "cell-gateway", port: { name: "http" } } },
                },
              ],
            },
          },
        ],
      });
      assert.deepEqual(sources(recorder), from);
    });
  }

  it("takes another class, further annotations, and another place of the proxy", async () => {
    const recorder = await recordEntry({
      ingress: {
        className: "private",
        annotations: { "nginx.ingress.kubernetes.io/proxy-read-timeout": "60", x: "y" },
      },
      proxy: { namespace: "edge", podLabels: { app: "proxy" } },
    });
    assert.equal(spec(recorder, INGRESS, "door").ingressClassName, "private");
    assert.equal(annotations(recorder)["nginx.ingress.kubernetes.io/proxy-read-timeout"], "60");
    assert.equal(annotations(recorder).x, "y");
    assert.deepEqual(sources(recorder), pods("edge", { app: "proxy" }));
  });

  it("gives GKE's load balancer a time limit that WebSockets outlast, and a health check that fails", async () => {
    const recorder = await recordEntry({
      ingress: { preset: EntryPreset.GkeInternal },
      proxy: { cidrs: ["10.2.0.0/23"] },
    });
    const backend = recorder.get("kubernetes:cloud.google.com/v1:BackendConfig", "door-backend").inputs;
    assert.equal((backend.metadata as { name: string }).name, "openclaw");
    assert.deepEqual(backend.spec, {
      timeoutSec: 3600,
      healthCheck: { type: "HTTP", requestPath: "/healthz", port: 18789 },
    });
  });

  describe("the Gateway API", () => {
    const route = (parentRefs: unknown[]) => ({
      parentRefs,
      hostnames: [HOST],
      rules: [
        {
          matches: [{ path: { type: "PathPrefix", value: "/" } }],
          backendRefs: [{ name: "cell-gateway", port: 18789 }],
          timeouts: { request: "0s", backendRequest: "0s" },
        },
      ],
    });

    it("is a private Gateway of the cell's own with a route, for Envoy Gateway", async () => {
      const recorder = await recordEntry({ gatewayApi: {} });
      assert.deepEqual(
        recorder.list(),
        ["clawfleet:index:Entry door", `${GATEWAY} door`, `${ROUTE} door-route`, `${POLICY} door`, ...OWN_CA].sort(),
      );
      assert.deepEqual(spec(recorder, GATEWAY, "door"), {
        gatewayClassName: "eg",
        infrastructure: {
          annotations: {
            "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
            "networking.gke.io/load-balancer-type": "Internal",
            "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
          },
        },
        listeners: [
          {
            name: "https",
            protocol: "HTTPS",
            port: 443,
            hostname: HOST,
            tls: { mode: "Terminate", certificateRefs: [{ kind: "Secret", name: "door-tls" }] },
            allowedRoutes: { namespaces: { from: "Same" } },
          },
        ],
      });
      assert.deepEqual(spec(recorder, ROUTE, "door-route"), route([{ name: "door", sectionName: "https" }]));
      assert.deepEqual(
        sources(recorder),
        pods("envoy-gateway-system", { "app.kubernetes.io/component": "proxy", "app.kubernetes.io/name": "envoy" }),
      );
    });

    it("lets Cilium's proxy in by Cilium's own policy, which alone knows it", async () => {
      const recorder = await recordEntry({ gatewayApi: { preset: EntryPreset.Cilium } });
      assert.equal(spec(recorder, GATEWAY, "door").gatewayClassName, "cilium");
      assert.ok(!recorder.list().includes(`${POLICY} door`));
      const policy = spec(recorder, "kubernetes:cilium.io/v2:CiliumNetworkPolicy", "door");
      assert.deepEqual(policy.ingress, [
        { fromEntities: ["ingress"], toPorts: [{ ports: [{ port: "18789", protocol: "TCP" }] }] },
      ]);
    });

    it("attaches to a shared Gateway, whose owner keeps the certificate", async () => {
      const sharedGateway = { name: "shared", namespace: "edge", sectionName: "agents" };
      const recorder = await recordEntry({ gatewayApi: { sharedGateway } });
      assert.deepEqual(recorder.list(), ["clawfleet:index:Entry door", `${ROUTE} door-route`, `${POLICY} door`]);
      assert.deepEqual(spec(recorder, ROUTE, "door-route"), route([sharedGateway]));
    });
  });

  describe("the certificate", () => {
    it("comes from an authority of the cell's own, whose keys stay secrets", async () => {
      const recorder = await recordEntry({ ingress: {} });
      const secret = recorder.get("kubernetes:core/v1:Secret", "door-tls");
      assert.equal(secret.inputs.type, "kubernetes.io/tls");
      assert.deepEqual(secret.inputs.stringData, { "tls.crt": "cert-door-tls", "tls.key": "key-door-tls" });
      assert.deepEqual(secret.secrets, ["stringData"]);
      const certificate = recorder.get("tls:index/locallySignedCert:LocallySignedCert", "door-tls");
      assert.deepEqual(certificate.secrets, ["caPrivateKeyPem"]);
      assert.deepEqual(recorder.get("tls:index/certRequest:CertRequest", "door-tls").inputs.dnsNames, [HOST]);
    });

    it("comes from cert-manager", async () => {
      const tls = { from: TlsFrom.CertManager, issuerName: "acme", issuerKind: "Issuer" };
      const recorder = await recordEntry({ ingress: {}, tls });
      assert.ok(!recorder.list().some((resource) => resource.startsWith("tls:") || resource.includes("Secret")));
      assert.deepEqual(spec(recorder, "kubernetes:cert-manager.io/v1:Certificate", "door-tls"), {
        secretName: "door-tls",
        dnsNames: [HOST],
        issuerRef: { group: "cert-manager.io", kind: "Issuer", name: "acme" },
        privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      });
      assert.deepEqual(spec(recorder, INGRESS, "door").tls, [{ hosts: [HOST], secretName: "door-tls" }]);
    });

    it("is an existing Secret", async () => {
      const recorder = await recordEntry({ ingress: {}, tls: { from: TlsFrom.Existing, secretName: "wildcard" } });
      assert.deepEqual(recorder.list(), ["clawfleet:index:Entry door", `${INGRESS} door`, `${POLICY} door`]);
      assert.deepEqual(spec(recorder, INGRESS, "door").tls, [{ hosts: [HOST], secretName: "wildcard" }]);
    });
  });
});
