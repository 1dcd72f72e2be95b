import assert from "node:assert/strict";
import { secretSources, type Manifest } from "../../engine/secret-sources";

const secret = (name: string, ...keys: string[]): Manifest => ({
  kind: "Secret",
  metadata: { name },
  stringData: Object.fromEntries(keys.map((key) => [key, "hidden"])),
});
const external = (name: string, secretKey: string): Manifest => ({
  kind: "ExternalSecret",
  metadata: { name: "anything" },
  spec: { secretStoreRef: { name: "vault" }, target: { name }, data: [{ secretKey, remoteRef: { key: "far" } }] },
});
const pod = (name: string, spec: object): Manifest => ({
  kind: "Deployment",
  metadata: { name },
  spec: { template: { spec } },
});
const lines = (...objects: Manifest[]) =>
  secretSources(objects).map(({ secret, key, source, usedBy }) => `${secret}/${key} ${source} ${usedBy.join(",")}`);
const env = (name: string, key: string) => ({ valueFrom: { secretKeyRef: { name, key } } });

describe("the sources of secrets", () => {
  it("are Pulumi, the operator, or somebody else", () => {
    const spec = { containers: [{ env: [env("ours", "A"), env("far", "B"), env("theirs", "C")] }] };
    assert.deepEqual(lines(secret("ours", "A"), external("far", "B"), pod("one", spec), pod("two", spec)), [
      "far/B external Deployment/one,Deployment/two",
      "ours/A pulumi Deployment/one,Deployment/two",
      "theirs/C existing Deployment/one,Deployment/two",
    ]);
  });

  it("are found in every place of a Pod that names a Secret", () => {
    const spec = {
      imagePullSecrets: [{ name: "pull" }],
      initContainers: [{ env: [env("init", "A")] }],
      containers: [{ envFrom: [{ secretRef: { name: "whole" } }] }],
      volumes: [
        { secret: { secretName: "volume" } },
        { secret: { secretName: "picked", items: [{ key: "A", path: "a" }] } },
        { projected: { sources: [{ secret: { name: "projected" } }] } },
      ],
    };
    assert.deepEqual(
      lines(pod("x", spec)),
      ["init/A", "picked/A", "projected/*", "pull/*", "volume/*", "whole/*"].map(
        (use) => `${use} existing Deployment/x`,
      ),
    );
  });

  it("are told of Secrets that no Pod reads, too", () => {
    const ingress = { kind: "Ingress", metadata: { name: "entry" }, spec: { tls: [{ secretName: "certificate" }] } };
    assert.deepEqual(lines(secret("certificate", "tls.key"), ingress, secret("idle", "A")), [
      "certificate/* pulumi Ingress/entry",
      "certificate/tls.key pulumi ",
      "idle/A pulumi ",
    ]);
  });
});
