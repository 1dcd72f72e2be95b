import assert from "node:assert/strict";
import { networkMatrix, type NetworkPolicyManifest, type PodGroup } from "../../engine/network-matrix";

const group = (component: string, namespace = "cell"): PodGroup => ({ component, namespace, labels: { component } });
const [a, b, c] = [group("a"), group("b"), group("c")];
const select = (component: string) => ({ podSelector: { matchLabels: { component } } });
const policy = (name: string, spec: Partial<NetworkPolicyManifest["spec"]>): NetworkPolicyManifest => ({
  metadata: { name, namespace: "cell" },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ...spec },
});
const defaultDeny = policy("default-deny", {});
const port = (number: number, protocol = "TCP") => ({ protocol, port: number });
const lines = (policies: NetworkPolicyManifest[], pods: PodGroup[]) =>
  networkMatrix(policies, pods).map(({ from, to, ports }) => `${from} > ${to} ${ports.join(",")}`);

describe("the network matrix", () => {
  it("is empty under default deny alone", () => {
    assert.deepEqual(lines([defaultDeny], [a, b, c]), []);
  });

  it("is open without a policy, and a policy of another namespace is none", () => {
    const elsewhere = { ...defaultDeny, metadata: { name: "default-deny", namespace: "other" } };
    for (const policies of [[], [elsewhere]]) {
      const open = lines(policies, [a, b]);
      for (const line of ["a > b any", "a > internet any", "a > metadata address any", "outside > a any"])
        assert.ok(open.includes(line), line);
    }
  });

  it("needs both sides for two Pods, and takes the ports that both allow", () => {
    const sends = policy("a", {
      ...select("a"),
      egress: [{ to: [select("b"), select("c")], ports: [port(80), port(81)] }],
    });
    const receives = policy("b", { ...select("b"), ingress: [{ from: [select("a")], ports: [port(81), port(82)] }] });
    assert.deepEqual(lines([defaultDeny, sends], [a, b, c]), []);
    assert.deepEqual(lines([defaultDeny, receives], [a, b, c]), []);
    assert.deepEqual(lines([defaultDeny, sends, receives], [a, b, c]), ["a > b 81/TCP"]);
  });

  it("takes a rule without peers for everyone, and one without ports for every port", () => {
    const open = policy("a", { ...select("a"), egress: [{}] });
    const receives = policy("b", { ...select("b"), ingress: [{ from: [select("a")], ports: [port(81)] }] });
    const found = lines([defaultDeny, open, receives], [a, b]);
    assert.ok(found.includes("a > b 81/TCP"));
    assert.ok(found.includes("a > internet any"));
    assert.ok(found.includes("a > cluster DNS any"));
    assert.ok(found.includes("a > metadata address any"));
  });

  it("lets a range in that holds the address of a Pod, whatever its namespace", () => {
    const stranger = { ...group("s", "other"), addresses: ["10.20.0.7"] };
    const sends = { ...policy("s", { egress: [{}] }), metadata: { name: "s", namespace: "other" } };
    const receives = (cidr: string, except?: string[]) =>
      policy("a", { ...select("a"), ingress: [{ from: [{ ipBlock: { cidr, except } }], ports: [port(80)] }] });
    const reaches = (cidr: string, except?: string[]) =>
      lines([defaultDeny, sends, receives(cidr, except)], [a, stranger]).includes("s > a 80/TCP");
    assert.ok(reaches("10.20.0.0/20"));
    assert.ok(!reaches("10.20.16.0/20"));
    assert.ok(!reaches("10.0.0.0/8", ["10.20.0.0/16"]));
  });

  it("reads address ranges with what is taken out of them", () => {
    const egress = (cidr: string, except?: string[]) =>
      lines([defaultDeny, policy("a", { ...select("a"), egress: [{ to: [{ ipBlock: { cidr, except } }] }] })], [a]);
    assert.deepEqual(egress("169.254.169.254/32"), ["a > metadata address any"]);
    assert.deepEqual(egress("10.96.0.0/12"), ["a > API server any"]);
    assert.deepEqual(egress("2000::/3"), ["a > internet any"]);
    const except = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
    assert.deepEqual(egress("0.0.0.0/0", [...except, "169.254.0.0/16"]), ["a > internet any"]);
    assert.deepEqual(egress("0.0.0.0/0", except), [
      "a > internet any",
      "a > private ranges any",
      "a > metadata address any",
    ]);
  });

  it("tells the cluster's DNS from the Pods of other namespaces", () => {
    const dns = {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
      podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
    };
    const to = (peer: object) =>
      lines(
        [defaultDeny, policy("a", { ...select("a"), egress: [{ to: [peer], ports: [port(53, "UDP")] }] })],
        [a, group("other", "other")],
      ).filter((line) => line.startsWith("a >"));
    assert.deepEqual(to(dns), ["a > cluster DNS 53/UDP"]);
    assert.deepEqual(to({ namespaceSelector: {} }), [
      "a > other 53/UDP",
      "a > cluster DNS 53/UDP",
      "a > other namespaces 53/UDP",
    ]);
    assert.deepEqual(to({ podSelector: {} }), []); // `a` itself, which nothing may reach
  });

  it("shows what comes in from outside", () => {
    const from = (peer: object) =>
      lines([defaultDeny, policy("a", { ...select("a"), ingress: [{ from: [peer], ports: [port(80)] }] })], [a]);
    assert.deepEqual(from({ ipBlock: { cidr: "10.1.0.0/16" } }), ["outside > a 80/TCP"]);
    assert.deepEqual(from({ namespaceSelector: { matchLabels: { x: "y" } } }), ["outside > a 80/TCP"]);
    assert.deepEqual(from(select("b")), []);
  });
});
