import assert from "node:assert/strict";
import { TlsFrom } from "../../components/tls-from";
import { planEntry, type EntryOptions } from "../../components/entry";
import { EntryPreset } from "../../components/entry-presets";
import { ValidationFailed } from "../../components/errors";

const HOST = "openclaw.example.com";
const PODS = ["10.42.0.0/16"];

describe("the plan of an entry", () => {
  it("derives the gateway's origin and proxies", () => {
    const plan = planEntry({ host: HOST, ingress: {} }, PODS);
    assert.equal(plan.origin, "https://openclaw.example.com");
    assert.deepEqual(plan.trustedProxies, PODS);
    assert.deepEqual(plan.serviceAnnotations, {});
    assert.equal(plan.preset, EntryPreset.Nginx);
    assert.equal(plan.tlsFrom, TlsFrom.OwnCa);
    assert.equal(planEntry({ host: HOST, gatewayApi: {} }, PODS).preset, EntryPreset.EnvoyGateway);
  });

  it("trusts the addresses that are named instead of the Pods'", () => {
    const plan = planEntry({ host: HOST, ingress: {}, proxy: { cidrs: ["10.42.3.0/24"] } }, PODS);
    assert.deepEqual(plan.trustedProxies, ["10.42.3.0/24"]);
  });

  it("takes the certificate from the cloud where the load balancer reads no Secret", () => {
    const options = {
      host: HOST,
      ingress: { preset: EntryPreset.AlbInternal },
      proxy: { cidrs: ["10.1.0.0/20"] },
      tls: { cloudCertificate: "arn" },
    };
    assert.equal(planEntry(options, PODS).tlsFrom, TlsFrom.Cloud);
  });

  it("annotates the Service for GKE's load balancer", () => {
    const options = { host: HOST, ingress: { preset: EntryPreset.GkeInternal }, proxy: { cidrs: ["10.2.0.0/23"] } };
    assert.deepEqual(planEntry(options, PODS).serviceAnnotations, {
      "cloud.google.com/neg": '{"ingress": true}',
      "cloud.google.com/backend-config": '{"default": "openclaw"}',
    });
  });

  const shared = { name: "shared", namespace: "edge" };
  const refusals: [string, EntryOptions, string[], string, string][] = [
    ["neither way in", { host: HOST }, PODS, "entry", "give exactly one of entry.ingress and entry.gatewayApi"],
    ["both ways in", { host: HOST, ingress: {}, gatewayApi: {} }, PODS, "entry", "give exactly one of"],
    ["a wildcard", { host: "*.example.com", ingress: {} }, PODS, "entry.host", "without wildcard"],
    ["a URL", { host: "https://a.example.com", ingress: {} }, PODS, "entry.host", "without wildcard, scheme or port"],
    ["a name without domain", { host: "openclaw", ingress: {} }, PODS, "entry.host", "openclaw.example.com"],
    [
      "a preset of the other API",
      { host: HOST, ingress: { preset: EntryPreset.Cilium } },
      PODS,
      "entry.ingress.preset",
      "use one of nginx, traefik, alb-internal, gke-internal, azure-internal, or entry.gatewayApi",
    ],
    [
      "no addresses of a load balancer outside of the cluster",
      { host: HOST, ingress: { preset: EntryPreset.GkeInternal } },
      PODS,
      "entry.proxy.cidrs",
      "give the proxy-only subnet of the region",
    ],
    ["no Pod CIDR", { host: HOST, ingress: {} }, [], "entry.proxy.cidrs", "give the cluster's Pod CIDR"],
    [
      "a Secret's certificate for a load balancer that reads none",
      {
        host: HOST,
        ingress: { preset: EntryPreset.AlbInternal },
        tls: { from: TlsFrom.Existing, secretName: "x" },
        proxy: { cidrs: ["10.1.0.0/20"] },
      },
      PODS,
      "entry.tls.from",
      "use from: cloud with cloudCertificate",
    ],
    [
      "the cloud's certificate for a proxy that reads a Secret",
      { host: HOST, ingress: {}, tls: { from: TlsFrom.Cloud, cloudCertificate: "arn" } },
      PODS,
      "entry.tls.from",
      "use own-ca, cert-manager or existing",
    ],
    [
      "cert-manager without issuer",
      { host: HOST, ingress: {}, tls: { from: TlsFrom.CertManager } },
      PODS,
      "entry.tls",
      "give issuerName and issuerKind if wanted",
    ],
    [
      "an existing Secret without name",
      { host: HOST, ingress: {}, tls: { from: TlsFrom.Existing } },
      PODS,
      "entry.tls",
      "give secretName",
    ],
    [
      "a field of another source",
      { host: HOST, ingress: {}, tls: { secretName: "x" } },
      PODS,
      "entry.tls",
      "with from: own-ca, give nothing else",
    ],
    [
      "a certificate for a shared Gateway",
      { host: HOST, gatewayApi: { sharedGateway: shared }, tls: { from: TlsFrom.OwnCa } },
      PODS,
      "entry.tls",
      "remove entry.tls",
    ],
    [
      "a class for a shared Gateway",
      { host: HOST, gatewayApi: { sharedGateway: shared, className: "eg" } },
      PODS,
      "entry.gatewayApi.className",
      "remove entry.gatewayApi.className",
    ],
  ];
  for (const [what, options, podCidrs, where, fix] of refusals) {
    it(`refuses ${what}, names the option and says what to do`, () => {
      assert.throws(
        () => planEntry(options, podCidrs),
        (error: Error) => error instanceof ValidationFailed && error.where === where && (error.fix ?? "").includes(fix),
      );
    });
  }

  describe("pain 3: proxy_attribution_required, and trust in whole private ranges", () => {
    for (const cidr of ["0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::/0"]) {
      it(`refuses to trust ${cidr}`, () => {
        const named = { host: HOST, ingress: {}, proxy: { cidrs: [cidr] } };
        const refused = { name: "ValidationFailed", where: "entry.proxy.cidrs" };
        assert.throws(() => planEntry(named, PODS), refused);
        assert.throws(() => planEntry({ host: HOST, ingress: {} }, [cidr]), refused);
      });
    }
  });
});
