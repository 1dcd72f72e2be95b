import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TlsFrom } from "../../components/tls-from";
import type { FleetError } from "../../components/errors";
import { AuthExpired, Conflict, NotFound, Timeout, Unreachable, ValidationFailed } from "../../components/errors";
import { locateCluster, openCluster } from "../../stacks/cluster-connection";
import { Environment } from "../../components/environment";
import type { Cell } from "../../stacks/config";
import { preflight } from "../../stacks/preflight";
import { ApiServer, HEALTHY, TOKEN, UID } from "../support/api-server";

const ENTRY = { host: "openclaw.example.com" };

describe("preflight of a cluster", () => {
  const api = new ApiServer();
  before(() => api.start());
  after(() => api.dispose());
  beforeEach(() => {
    api.answers = { ...HEALTHY };
    api.seen.length = 0;
    api.writeKubeconfig();
  });

  async function check(config: Cell["config"] = {}, expectedUid: string | undefined = UID, timeoutMs = 10_000) {
    const cell: Cell = {
      id: "dev-eu",
      environment: Environment.Dev,
      cluster: { id: "dev-eu", region: "eu-west" },
      tenant: undefined,
      labels: {},
      config,
    };
    const reader = await openCluster({ kubeconfig: api.kubeconfig, context: "dev" }, "dev-eu", timeoutMs);
    return preflight(cell, reader, expectedUid);
  }

  /** It is refused by an error of that class, whose message has each of the parts and no credential. */
  async function refused(promise: Promise<unknown>, kind: new (...args: never[]) => FleetError, ...parts: RegExp[]) {
    await assert.rejects(promise, (error: unknown) => {
      assert.ok(error instanceof kind, `${String(error)} is no ${kind.name}`);
      for (const part of parts) assert.match(error.message, part);
      assert.match(error.message, /Fix: /);
      assert.ok(!error.message.includes("canary"), error.message);
      return true;
    });
  }

  it("tells the identity and the version of a cluster that has all it needs", async () => {
    assert.deepEqual(await check(), { uid: UID, version: "v1.35.4" });
    assert.deepEqual(await check({}, undefined), { uid: UID, version: "v1.35.4" });
  });

  it("reads and never writes", async () => {
    await check({ entry: { ...ENTRY, gatewayApi: {}, tls: { from: TlsFrom.CertManager, issuerName: "acme" } } });
    assert.deepEqual(api.seen.map(({ method, url }) => `${String(method)} ${String(url)}`).sort(), [
      "GET /api/v1/namespaces/dev-eu",
      "GET /api/v1/namespaces/kube-system",
      "GET /apis/cert-manager.io/v1",
      "GET /apis/gateway.networking.k8s.io/v1",
      "GET /apis/storage.k8s.io/v1/storageclasses",
      "GET /version",
    ]);
  });

  it("refuses another cluster than the one that is meant", () =>
    refused(
      check({}, "00000000-0000-4000-8000-000000000000"),
      Conflict,
      /another cluster.*6f1c2a9e.*not 00000000/,
      /correct the uid of dev-eu in fleet\.yaml/,
    ));

  it("refuses a namespace that another cell has, and no other that is there", async () => {
    const labels = { "app.kubernetes.io/part-of": "agent-stack", "app.kubernetes.io/instance": "dev-eu" };
    const answer = (more: object) => ({ metadata: { uid: UID, labels: { ...labels, ...more } } });
    api.answers["/api/v1/namespaces/agents"] = answer({});
    await check({ namespace: "agents" });
    api.answers["/api/v1/namespaces/agents"] = { metadata: { uid: UID } };
    await check({ namespace: "agents" });
    api.answers["/api/v1/namespaces/agents"] = answer({ "app.kubernetes.io/instance": "dev-eu-acme" });
    await refused(
      check({ namespace: "agents" }),
      Conflict,
      /cluster dev-eu: the namespace agents is the cell dev-eu-acme's/,
      /give dev-eu another namespace/,
    );
  });

  it("refuses Kubernetes older than 1.29", async () => {
    api.answers["/version"] = { gitVersion: "v1.24.17", major: "1", minor: "24+" };
    await refused(check(), ValidationFailed, /cluster dev-eu: Kubernetes v1\.24\.17 is older than 1\.29/, /upgrade/);
  });

  it("accepts Kubernetes 1.29", async () => {
    api.answers["/version"] = { gitVersion: "v1.29.0-gke.1", major: "1", minor: "29+" };
    assert.equal((await check()).version, "v1.29.0-gke.1");
  });

  describe("storage", () => {
    const CLASSES = "/apis/storage.k8s.io/v1/storageclasses";

    it("refuses a cluster without default StorageClass when one is needed", async () => {
      api.answers[CLASSES] = { items: [{ metadata: { name: "fast" }, provisioner: "ebs.csi.aws.com" }] };
      await refused(check(), NotFound, /gateway\.state\.storageClass: no default StorageClass; the cluster has: fast/);
      const named = { gateway: { state: { storageClass: "fast" } } };
      await refused(check(named), NotFound, /vault\.volume\.storageClass: no default StorageClass/);
      await check({ ...named, vault: { enabled: false } });
      await check({ ...named, vault: { volume: { storageClass: "fast" } } });
    });

    it("refuses a class that does not exist", () =>
      refused(
        check({ gateway: { state: { storageClass: "fats" } } }),
        NotFound,
        /gateway\.state\.storageClass: no StorageClass fats; the cluster has: standard, shared/,
      ));

    it("refuses a shared file system for the state, and accepts one for the vault", async () => {
      await refused(
        check({ gateway: { state: { storageClass: "shared" } } }),
        ValidationFailed,
        /StorageClass shared \(efs\.csi\.aws\.com\) is a shared file system, on which databases corrupt/,
      );
      await check({ vault: { volume: { storageClass: "shared" } } });
    });
  });

  it("refuses a cluster without the Gateway API when the entry is one", async () => {
    delete api.answers["/apis/gateway.networking.k8s.io/v1"];
    await check({ entry: { ...ENTRY, ingress: {} } });
    await refused(
      check({ entry: { ...ENTRY, gatewayApi: {} } }),
      NotFound,
      /Gateway API is not installed/,
      /entry\.ingress/,
    );
  });

  it("refuses a cluster without cert-manager when certificates come from there", async () => {
    delete api.answers["/apis/cert-manager.io/v1"];
    const tls = { from: TlsFrom.CertManager, issuerName: "acme" };
    await refused(
      check({ entry: { ...ENTRY, ingress: {}, tls } }),
      NotFound,
      /cert-manager is not installed/,
      /entry\.tls\.from/,
    );
  });

  describe("a cluster that does not answer as it should", () => {
    it("asks to log in for 401, and for rights for 403", async () => {
      api.answers["/version"] = 401;
      await refused(check(), AuthExpired, /cluster dev-eu \(context dev\): the credentials are not accepted/, /log in/);
      api.answers["/version"] = 403;
      await refused(check(), AuthExpired, /the credentials may not read \/version/);
    });

    it("passes on 500", async () => {
      api.answers["/version"] = 500;
      await refused(check(), Unreachable, /answered 500 for \/version/);
    });

    it("recognizes what is no API server", async () => {
      api.answers = {};
      await refused(check(), NotFound, /no Kubernetes API server/, /context's server/);
      api.answers["/version"] = (_, response) => response.end("<html>log in</html>");
      await refused(check(), Unreachable, /what answers for \/version is no API server/);
    });

    it("gives up on a server that accepts and says nothing", async () => {
      api.answers["/version"] = () => undefined;
      await refused(check({}, UID, 300), Timeout, /no answer within 0\.3 s/);
    });

    it("gives up on a server that never comes to an end", async () => {
      let drip: NodeJS.Timeout | undefined;
      api.answers["/version"] = (_, response) => (drip = setInterval(() => response.write(" "), 50));
      await refused(check({}, UID, 400), Timeout, /no answer within 0\.4 s/);
      clearInterval(drip);
    });

    it("survives a connection that breaks in the middle of an answer", async () => {
      api.answers["/version"] = (_, response) => {
        response.write("{");
        setTimeout(() => response.destroy(), 20);
      };
      await refused(check(), Unreachable, /cannot be reached/);
    });

    it("says so when nobody listens", async () => {
      const gone = new ApiServer();
      await gone.start();
      await gone.stop();
      try {
        const reader = await openCluster({ kubeconfig: gone.kubeconfig, context: "dev" }, "dev-eu");
        await refused(reader.get("/version"), Unreachable, /cannot be reached \(ECONNREFUSED\)/, /make up/);
      } finally {
        await gone.dispose();
      }
    });

    it("does not trust a certificate of another authority", async () => {
      api.writeKubeconfig({ token: TOKEN }, { "certificate-authority": undefined });
      await refused(check(), Unreachable, /cannot be reached \((DEPTH_ZERO_)?SELF_SIGNED_CERT/);
    });
  });

  describe("credentials", () => {
    const authorization = () => api.seen.map(({ headers }) => headers.authorization);

    it("are the token of the kubeconfig", async () => {
      await check();
      assert.ok(authorization().every((value) => value === `Bearer ${TOKEN}`));
    });

    it("come from certificate files beside the kubeconfig", async () => {
      api.writeKubeconfig({ "client-certificate": "ca.pem", "client-key": "key.pem" });
      api.clients.clear();
      await check();
      assert.deepEqual([...api.clients], ["stand-in"]);
      api.writeKubeconfig({ "client-certificate": "gone.pem", "client-key": "key.pem" });
      await assert.rejects(check(), (error: Error) => error instanceof NotFound && /gone\.pem/.test(error.message));
    });

    it("come from the data within the kubeconfig", async () => {
      const ca = readFileSync(join(api.folder, "ca.pem")).toString("base64");
      api.writeKubeconfig(undefined, { "certificate-authority": undefined, "certificate-authority-data": ca });
      await check();
    });

    describe("of a program", () => {
      const plugin = (script: string, more: object = {}) => {
        const command = join(api.folder, "plugin");
        writeFileSync(command, `#!/bin/sh\n${script}\n`);
        chmodSync(command, 0o755);
        const apiVersion = "client.authentication.k8s.io/v1";
        api.writeKubeconfig({ exec: { apiVersion, command: "./plugin", ...more } });
      };

      it("are asked for as kubectl does", async () => {
        plugin(
          `case "$KUBERNETES_EXEC_INFO" in *'"apiVersion":"client.authentication.k8s.io/v1"'*) ;; *) exit 3 ;; esac
echo '{"status":{"token":"'"$PREFIX-$1"'"}}'`,
          { args: ["plugin-token"], env: [{ name: "PREFIX", value: "canary" }] },
        );
        await check();
        assert.ok(authorization().every((value) => value === "Bearer canary-plugin-token"));
      });

      it("come for a cluster that the inventory names by its server", async () => {
        plugin(
          `case "$KUBERNETES_EXEC_INFO" in *v1beta1*) ;; *) exit 3 ;; esac
echo '{"status":{"token":"'"$PREFIX-$1"'"}}'`,
        );
        const address = locateCluster(
          {
            id: "eu",
            region: "eu-west",
            server: api.url,
            certificateAuthority: "ca.pem",
            exec: { command: "./plugin", args: ["plugin-token"], env: { PREFIX: "canary" } },
          },
          api.folder,
        );
        assert.equal(address.context, "eu");
        const reader = await openCluster(address, "eu");
        assert.deepEqual(await reader.get("/version"), HEALTHY["/version"]);
        assert.deepEqual(authorization(), ["Bearer canary-plugin-token"]);
        assert.ok(!address.kubeconfig.includes("token:"));

        plugin("exit 1");
        await assert.rejects(openCluster(address, "eu"), /plugin, which fleet\.yaml names for credentials, failed/);
      });

      it("are asked for again when they are not accepted any more", async () => {
        const count = join(api.folder, "count");
        writeFileSync(count, "");
        plugin(`echo >>${count}; echo '{"status":{"token":"canary-'$(wc -l <${count} | tr -d ' ')'"}}'`);
        const reader = await openCluster({ kubeconfig: api.kubeconfig, context: "dev" }, "dev-eu");
        assert.deepEqual(await reader.get("/version"), HEALTHY["/version"]);
        api.answers["/version"] = ({ headers }, response) =>
          void (headers.authorization === "Bearer canary-2"
            ? response.end(JSON.stringify(HEALTHY["/version"]))
            : response.writeHead(401).end("{}"));
        assert.deepEqual(await reader.get("/version"), HEALTHY["/version"]);
        assert.deepEqual(
          authorization(),
          ["canary-1", "canary-1", "canary-2"].map((token) => `Bearer ${token}`),
        );
        api.answers["/version"] = 401;
        await assert.rejects(reader.get("/version"), AuthExpired);
      });

      it("are missing when it fails, and nothing that it printed is repeated", async () => {
        plugin("echo canary-stdout; echo canary-stderr >&2; exit 1");
        await refused(check(), AuthExpired, /\.\/plugin, which the kubeconfig names for credentials, failed/, /log in/);
        plugin("echo canary-no-json");
        await refused(check(), AuthExpired, /failed/);
        api.writeKubeconfig({ exec: { command: "clawfleet-no-such-program" } });
        await refused(check(), AuthExpired, /clawfleet-no-such-program.*failed/);
      });

      it("are not waited for any longer than an answer", async () => {
        const ended = join(api.folder, "ended");
        plugin(`exec sleep 30; touch ${ended}`);
        await refused(check({}, UID, 300), AuthExpired, /gave none within 0\.3 s/);
        assert.ok(!existsSync(ended));
      });
    });
  });
});
