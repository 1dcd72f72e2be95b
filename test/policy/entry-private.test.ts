import assert from "node:assert/strict";
import { entryPrivate } from "../../policy/policies/entry-private";
import { UNKNOWN, validate } from "./support";

const OPENS = "opens the Service to the outside; use a ClusterIP Service behind an Ingress or an HTTPRoute";
const NO_HOST = "missing, so every host is served; name the host";
const WILDCARD = "a wildcard; name the host";
const NO_TLS = "missing; name the Secret of the host's certificate";
const HOST = "openclaw.example.com";

const service = (spec: unknown) => ({ type: "kubernetes:core/v1:Service", props: { spec } });
const ingress = (spec: Record<string, unknown>, annotations?: unknown) => ({
  type: "kubernetes:networking.k8s.io/v1:Ingress",
  props: { metadata: { annotations }, spec },
});
const gateway = (...listeners: unknown[]) => ({
  type: "kubernetes:gateway.networking.k8s.io/v1:Gateway",
  props: { spec: { listeners } },
});
const route = (hostnames: unknown, kind = "HTTPRoute") => ({
  type: `kubernetes:gateway.networking.k8s.io/v1:${kind}`,
  props: { spec: { hostnames } },
});
const violations = async (...args: Parameters<typeof validate> extends [unknown, ...infer Rest] ? Rest : never) => {
  const verdict = await validate(entryPrivate, ...args);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};

describe("policy entry-private", () => {
  describe("Service", () => {
    it("accepts what stays in the cluster", async () => {
      for (const spec of [{}, { type: "ClusterIP" }, { type: "ClusterIP", clusterIP: "None", externalIPs: [] }]) {
        assert.deepEqual(await violations(service(spec)), []);
      }
    });

    it("refuses LoadBalancer and NodePort", async () => {
      for (const type of ["LoadBalancer", "NodePort"]) {
        assert.deepEqual(await violations(service({ type })), [`spec.type: ${OPENS}`]);
      }
    });

    it("accepts an internal load balancer where the config does, by each cloud's annotation", async () => {
      const config = { internalLoadBalancers: true };
      const balancer = (annotations?: unknown) => ({
        type: "kubernetes:core/v1:Service",
        props: { metadata: { annotations }, spec: { type: "LoadBalancer" } },
      });
      for (const annotations of [
        { "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal" },
        { "networking.gke.io/load-balancer-type": "Internal" },
        { "service.beta.kubernetes.io/azure-load-balancer-internal": "true" },
      ]) {
        assert.deepEqual(await violations(balancer(annotations), config), []);
        assert.deepEqual(await violations(balancer(annotations)), [`spec.type: ${OPENS}`]);
      }
      const facing = { "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing" };
      for (const annotations of [undefined, facing]) {
        assert.deepEqual(await violations(balancer(annotations), config), [`spec.type: ${OPENS}`]);
      }
      assert.deepEqual(await violations(service({ type: "NodePort" }), config), [`spec.type: ${OPENS}`]);
    });

    it("refuses external addresses, also ones that are unknown", async () => {
      const expected = [`spec.externalIPs: ${OPENS}`];
      assert.deepEqual(await violations(service({ type: "ClusterIP", externalIPs: ["203.0.113.7"] })), expected);
      assert.deepEqual(await violations(service({ type: "ClusterIP", externalIPs: [UNKNOWN] })), expected);
    });

    it("finds a violation beside an unknown, and names the unknown", async () => {
      assert.deepEqual(await validate(entryPrivate, service({ type: UNKNOWN, externalIPs: ["203.0.113.7"] })), {
        violations: [`spec.externalIPs: ${OPENS}`],
        advisory: "1 field not decidable in preview: spec.type",
      });
    });
  });

  describe("Ingress", () => {
    const rules = [{ host: HOST }];
    const tls = [{ hosts: [HOST], secretName: "tls" }];

    it("accepts a host with its certificate", async () => {
      assert.deepEqual(await violations(ingress({ rules, tls })), []);
      assert.deepEqual(await violations(ingress({ rules, tls: [{ hosts: ["*.example.com"] }] })), []);
      assert.deepEqual(await violations(ingress({ rules, tls: [{ secretName: "tls" }] })), []);
      assert.deepEqual(
        await violations({ ...ingress({ rules, tls }), type: "kubernetes:extensions/v1beta1:Ingress" }),
        [],
      );
    });

    it("refuses a rule without a host, and a wildcard", async () => {
      assert.deepEqual(await violations(ingress({ rules: [{}, { host: "" }, { host: "*.example.com" }], tls: [{}] })), [
        `spec.rules[0].host: ${NO_HOST}`,
        `spec.rules[1].host: ${NO_HOST}`,
        `spec.rules[2].host: ${WILDCARD}`,
      ]);
    });

    it("refuses a default backend", async () => {
      for (const name of ["defaultBackend", "backend"]) {
        assert.deepEqual(await violations(ingress({ rules, tls, [name]: { service: {} } })), [
          `spec.${name}: serves every host; move it into a rule with a host`,
        ]);
      }
    });

    it("refuses an Ingress without TLS", async () => {
      assert.deepEqual(await violations(ingress({ rules })), [`spec.tls: ${NO_TLS}`]);
      assert.deepEqual(await violations(ingress({ rules, tls: [] }, { other: "1" })), [`spec.tls: ${NO_TLS}`]);
    });

    it("refuses a host that no certificate is named for", async () => {
      const more = [...rules, { host: "a.example.com" }, { host: "b.a.example.com" }];
      assert.deepEqual(await violations(ingress({ rules: more, tls })), [
        "spec.rules[1].host: not in spec.tls[].hosts; add it",
        "spec.rules[2].host: not in spec.tls[].hosts; add it",
      ]);
      assert.deepEqual(await violations(ingress({ rules: more, tls: [{ hosts: ["*.example.com"] }] })), [
        "spec.rules[2].host: not in spec.tls[].hosts; add it",
      ]);
    });

    it("refuses classes that serve plain HTTP as well", async () => {
      const classed = (ingressClassName: string, annotations: Record<string, string> = {}) =>
        violations(ingress({ ingressClassName, rules, tls }, annotations));
      const place = (name: string) => `metadata.annotations["${name}"]`;
      assert.deepEqual(await classed("nginx"), []);
      assert.deepEqual(await classed("nginx", { "nginx.ingress.kubernetes.io/ssl-redirect": "false" }), [
        `${place("nginx.ingress.kubernetes.io/ssl-redirect")}: serves plain HTTP as well; leave it out`,
      ]);
      assert.deepEqual(await classed("gce-internal"), [
        `${place("kubernetes.io/ingress.allow-http")}: not false, so plain HTTP is served as well; set it`,
      ]);
      assert.deepEqual(await classed("azure-application-gateway"), [
        `${place("appgw.ingress.kubernetes.io/ssl-redirect")}: not true, so plain HTTP is served as well; set it`,
      ]);
      const ports = "alb.ingress.kubernetes.io/listen-ports";
      assert.deepEqual(await classed("alb", { [ports]: '[{"HTTPS":443}]' }), []);
      assert.deepEqual(await classed("alb", { [ports]: '[{"HTTP":80},{"HTTPS":443}]' }), [
        `${place(ports)}: serves plain HTTP as well; listen on HTTPS alone`,
      ]);
    });

    it("takes a certificate that an annotation names, of the ones in the config", async () => {
      const alb = ingress({ rules }, { "alb.ingress.kubernetes.io/certificate-arn": "arn" });
      assert.deepEqual(await violations(alb), []);
      const certificateAnnotations = ["example.com/certificate"];
      assert.deepEqual(await violations(alb, { certificateAnnotations }), [`spec.tls: ${NO_TLS}`]);
      assert.deepEqual(
        await violations(ingress({ rules }, { "example.com/certificate": "a" }), { certificateAnnotations }),
        [],
      );
    });

    it("finds violations beside unknowns, and names the unknowns", async () => {
      const annotations = { "alb.ingress.kubernetes.io/certificate-arn": UNKNOWN };
      assert.deepEqual(await validate(entryPrivate, ingress({ rules: [{ host: UNKNOWN }, {}] }, annotations)), {
        violations: [`spec.rules[1].host: ${NO_HOST}`],
        advisory:
          '2 fields not decidable in preview: spec.rules[0].host, metadata.annotations["alb.ingress.kubernetes.io/certificate-arn"]',
      });
      const unknownHosts = [{ hosts: [HOST, UNKNOWN] }];
      assert.deepEqual(await validate(entryPrivate, ingress({ rules: [{ host: "*" }], tls: unknownHosts })), {
        violations: [`spec.rules[0].host: ${WILDCARD}`],
        advisory: "1 field not decidable in preview: spec.tls[0].hosts[1]",
      });
      assert.deepEqual(await validate(entryPrivate, ingress({ rules: UNKNOWN, defaultBackend: {} })), {
        violations: ["spec.defaultBackend: serves every host; move it into a rule with a host", `spec.tls: ${NO_TLS}`],
        advisory: "1 field not decidable in preview: spec.rules",
      });
    });
  });

  describe("Gateway", () => {
    const listener = { name: "https", protocol: "HTTPS", hostname: HOST, tls: { certificateRefs: [{ name: "tls" }] } };

    it("accepts listeners with a host and TLS", async () => {
      assert.deepEqual(await violations(gateway(listener, { ...listener, protocol: "TLS" })), []);
    });

    it("refuses a listener without a host, and a wildcard", async () => {
      assert.deepEqual(
        await violations(gateway({ ...listener, hostname: undefined }, { ...listener, hostname: "*.example.com" })),
        [`spec.listeners[0].hostname: ${NO_HOST}`, `spec.listeners[1].hostname: ${WILDCARD}`],
      );
    });

    it("refuses routes of every namespace", async () => {
      const from = (namespaces: string) => ({ ...listener, allowedRoutes: { namespaces: { from: namespaces } } });
      assert.deepEqual(await violations(gateway(from("Same"), from("Selector"))), []);
      assert.deepEqual(await violations(gateway(from("All"))), [
        "spec.listeners[0].allowedRoutes.namespaces.from: takes routes of every namespace; use Same, or Selector",
      ]);
    });

    it("refuses a listener without TLS", async () => {
      assert.deepEqual(
        await violations(gateway({ ...listener, protocol: "HTTP", tls: undefined }, { ...listener, tls: undefined })),
        ["spec.listeners[0].protocol: without TLS; use HTTPS, or TLS", `spec.listeners[1].tls: ${NO_TLS}`],
      );
    });

    it("finds a violation beside an unknown, and names the unknown", async () => {
      const unknown = { ...listener, hostname: UNKNOWN, protocol: UNKNOWN };
      assert.deepEqual(await validate(entryPrivate, gateway(unknown, { ...listener, protocol: "TCP" })), {
        violations: ["spec.listeners[1].protocol: without TLS; use HTTPS, or TLS"],
        advisory: "2 fields not decidable in preview: spec.listeners[0].hostname, spec.listeners[0].protocol",
      });
    });
  });

  describe("routes", () => {
    for (const kind of ["HTTPRoute", "GRPCRoute", "TLSRoute"]) {
      it(`wants exact hosts on a ${kind}`, async () => {
        assert.deepEqual(await violations(route([HOST], kind)), []);
        assert.deepEqual(await violations(route(undefined, kind)), [`spec.hostnames: ${NO_HOST}`]);
        assert.deepEqual(await violations(route([], kind)), [`spec.hostnames: ${NO_HOST}`]);
        assert.deepEqual(await violations(route([HOST, "*.example.com", ""], kind)), [
          `spec.hostnames[1]: ${WILDCARD}`,
          `spec.hostnames[2]: ${NO_HOST}`,
        ]);
      });
    }

    it("finds a violation beside an unknown, and names the unknown", async () => {
      assert.deepEqual(await validate(entryPrivate, route([UNKNOWN, "*"])), {
        violations: [`spec.hostnames[1]: ${WILDCARD}`],
        advisory: "1 field not decidable in preview: spec.hostnames[0]",
      });
    });
  });

  it("refuses routes that have no host", async () => {
    for (const kind of ["TCPRoute", "UDPRoute"]) {
      assert.deepEqual(await violations(route(undefined, kind)), [
        "spec.rules: a port without a host name or TLS; use an HTTPRoute or a TLSRoute",
      ]);
    }
  });

  it("refuses hosts that the config does not allow, of every kind", async () => {
    const config = { allowedHosts: ["*.example.com", "openclaw.test"] };
    const problem = "not in entry-private.allowedHosts; use one that is, or have it added";
    assert.deepEqual(await violations(route([HOST, "a.b.example.com", "openclaw.test"]), config), []);
    assert.deepEqual(await violations(route(["example.com", "a.openclaw.test", "badexample.com"]), config), [
      `spec.hostnames[0]: ${problem}`,
      `spec.hostnames[1]: ${problem}`,
      `spec.hostnames[2]: ${problem}`,
    ]);
    const elsewhere = "openclaw.elsewhere.test";
    assert.deepEqual(await violations(ingress({ rules: [{ host: elsewhere }], tls: [{}] }), config), [
      `spec.rules[0].host: ${problem}`,
    ]);
    assert.deepEqual(await violations(gateway({ protocol: "HTTPS", tls: {}, hostname: elsewhere }), config), [
      `spec.listeners[0].hostname: ${problem}`,
    ]);
  });

  it("never repeats a value", async () => {
    const spec = { rules: [{ host: "*.canary.example.com" }, { host: "canary" }], tls: [{ hosts: ["canary.tls"] }] };
    const found = await violations(ingress(spec));
    assert.equal(found.length, 3);
    assert.ok(!found.join("\n").includes("canary"));
  });

  it("leaves other kinds alone", async () => {
    const props = { spec: { type: "LoadBalancer", rules: [{}], listeners: [{}], hostnames: [] } };
    for (const type of [
      "kubernetes:core/v1:ConfigMap",
      "kubernetes:networking.istio.io/v1:Gateway",
      "kubernetes:serving.knative.dev/v1:Service",
      "aws:ec2/service:Service",
    ]) {
      assert.deepEqual(await violations({ type, props }), [], type);
    }
  });
});
