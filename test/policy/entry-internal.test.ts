import assert from "node:assert/strict";
import { entryInternal } from "../../policy/policies/entry-internal";
import { UNKNOWN, validate } from "./support";

const ingress = (ingressClassName: unknown, annotations?: Record<string, unknown>) => ({
  type: "kubernetes:networking.k8s.io/v1:Ingress",
  props: { metadata: { annotations }, spec: { ingressClassName } },
});
const gateway = (gatewayClassName: unknown, infrastructure?: Record<string, unknown>) => ({
  type: "kubernetes:gateway.networking.k8s.io/v1:Gateway",
  props: { spec: { gatewayClassName, infrastructure } },
});
const violations = async (...args: Parameters<typeof validate> extends [unknown, ...infer Rest] ? Rest : never) => {
  const verdict = await validate(entryInternal, ...args);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};
const CLASS = "kubernetes.io/ingress.class";
const PUBLIC = "spec.ingressClassName: a class that the internet reaches; use the cloud's internal one";

describe("policy entry-internal", () => {
  describe("Ingress", () => {
    it("accepts a class in the cluster, and each cloud's internal one", async () => {
      for (const resource of [
        ingress("nginx"),
        ingress("traefik"),
        ingress(undefined, { [CLASS]: "gce-internal" }),
        ingress("alb", { "alb.ingress.kubernetes.io/scheme": "internal" }),
        ingress("azure-application-gateway", { "appgw.ingress.kubernetes.io/use-private-ip": "true" }),
        { ...ingress("nginx"), type: "kubernetes:extensions/v1beta1:Ingress" },
      ]) {
        assert.deepEqual(await violations(resource), []);
      }
    });

    it("refuses the cluster's default, whatever that is", async () => {
      assert.deepEqual(await violations(ingress(undefined, { other: "1" })), [
        "spec.ingressClassName: missing, so the cluster's default decides who reaches it; name one",
      ]);
    });

    it("refuses what the cloud makes public unless it is told otherwise", async () => {
      assert.deepEqual(await violations(ingress(undefined, { [CLASS]: "gce" })), [PUBLIC]);
      for (const scheme of [undefined, "internet-facing"]) {
        assert.deepEqual(await violations(ingress("alb", { "alb.ingress.kubernetes.io/scheme": scheme })), [
          'metadata.annotations["alb.ingress.kubernetes.io/scheme"]: not internal; set it to internal',
        ]);
      }
      assert.deepEqual(await violations(ingress("azure/application-gateway")), [
        'metadata.annotations["appgw.ingress.kubernetes.io/use-private-ip"]: not true, so its address is public; set it',
      ]);
    });

    it("refuses classes that the config calls public, or does not allow", async () => {
      assert.deepEqual(await violations(ingress("nginx-public"), { publicClasses: ["nginx-public"] }), [PUBLIC]);
      assert.deepEqual(await violations(ingress("traefik"), { allowedClasses: ["nginx"] }), [
        "spec.ingressClassName: not in entry-internal.allowedClasses; use one that is",
      ]);
      assert.deepEqual(await violations(ingress("nginx"), { allowedClasses: ["nginx"] }), []);
    });

    it("names what is not known", async () => {
      assert.deepEqual(await validate(entryInternal, ingress(UNKNOWN)), {
        violations: [],
        advisory: "1 field not decidable in preview: spec.ingressClassName",
      });
      assert.deepEqual(await validate(entryInternal, ingress(undefined, { [CLASS]: UNKNOWN })), {
        violations: [],
        advisory: `1 field not decidable in preview: metadata.annotations["${CLASS}"]`,
      });
    });
  });

  describe("Gateway", () => {
    const annotated = (name: string, value: unknown) => gateway("eg", { annotations: { [name]: value } });
    const NONE = "spec.infrastructure.annotations: none makes the load balancer internal; set the cloud's own";

    it("accepts an internal load balancer, by any cloud's annotation or by its class", async () => {
      for (const resource of [
        annotated("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
        annotated("networking.gke.io/load-balancer-type", "Internal"),
        annotated("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
        gateway("gke-l7-rilb"),
        gateway("eg", { parametersRef: { kind: "EnvoyProxy", name: "private" } }),
      ]) {
        assert.deepEqual(await violations(resource), []);
      }
    });

    it("refuses one that nothing makes internal, and a public class", async () => {
      assert.deepEqual(await violations(gateway("eg")), [NONE]);
      assert.deepEqual(
        await violations(annotated("service.beta.kubernetes.io/aws-load-balancer-scheme", "internet-facing")),
        [NONE],
      );
      assert.deepEqual(await violations(gateway("gke-l7-global-external-managed")), [
        "spec.gatewayClassName: a class that the internet reaches; use the cloud's internal one",
      ]);
    });

    it("takes the config's annotations and classes", async () => {
      const internalAnnotations = ["example.com/network=private=yes"];
      assert.deepEqual(await violations(annotated("example.com/network", "private=yes"), { internalAnnotations }), []);
      assert.deepEqual(await violations(gateway("mesh"), { privateClasses: ["mesh"] }), []);
    });

    it("names what is not known", async () => {
      assert.deepEqual(await validate(entryInternal, gateway("eg", { annotations: UNKNOWN })), {
        violations: [],
        advisory: "1 field not decidable in preview: spec.infrastructure.annotations",
      });
    });
  });

  it("leaves other kinds alone", async () => {
    for (const type of [
      "kubernetes:core/v1:Service",
      "kubernetes:networking.istio.io/v1:Gateway",
      "aws:s3/bucket:Bucket",
    ]) {
      assert.deepEqual(await violations({ type, props: { spec: {} } }), [], type);
    }
  });
});
