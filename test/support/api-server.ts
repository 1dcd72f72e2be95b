import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import type { TLSSocket } from "node:tls";
import { join } from "node:path";
import { stringify } from "yaml";

export const UID = "6f1c2a9e-0d5b-4b1e-9a53-3f7c9d2f4e11";
export const TOKEN = "canary-bearer-token";

const ASK_FOR_CERTIFICATE = { requestCert: true, rejectUnauthorized: false };

type Answer = object | number | ((request: IncomingMessage, response: ServerResponse) => void);

/** What a healthy cluster answers, by path. */
export const HEALTHY: Record<string, Answer> = {
  "/api/v1/namespaces/kube-system": { metadata: { uid: UID } },
  "/version": { gitVersion: "v1.35.4", major: "1", minor: "35" },
  "/apis/storage.k8s.io/v1/storageclasses": {
    items: [
      {
        metadata: { name: "standard", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
        provisioner: "ebs.csi.aws.com",
      },
      { metadata: { name: "shared" }, provisioner: "efs.csi.aws.com" },
    ],
  },
  "/apis/gateway.networking.k8s.io/v1": { resources: [] },
  "/apis/cert-manager.io/v1": { resources: [] },
};

/** A stand-in for an API server, over TLS on loopback, with a kubeconfig for it. */
export class ApiServer {
  readonly folder = mkdtempSync(join(tmpdir(), "clawfleet-api-server-"));
  readonly kubeconfig = join(this.folder, "kubeconfig");
  answers: Record<string, Answer> = { ...HEALTHY };
  readonly seen: IncomingMessage[] = [];
  /** The common names of the client certificates that were presented. */
  readonly clients = new Set<unknown>();
  private server: Server | undefined;
  url = "";

  async start(): Promise<void> {
    const [key, cert] = [join(this.folder, "key.pem"), join(this.folder, "ca.pem")];
    const subject = ["-subj", "/CN=stand-in", "-addext", "subjectAltName=IP:127.0.0.1"];
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
    this.server = createServer(
      { key: readFileSync(key), cert: readFileSync(cert), ...ASK_FOR_CERTIFICATE },
      (request, response) => {
        this.seen.push(request);
        this.clients.add((request.socket as TLSSocket).getPeerCertificate().subject?.CN);
        const answer = this.answers[request.url ?? ""] ?? 404;
        if (typeof answer === "function") answer(request, response);
        else if (typeof answer === "number") response.writeHead(answer).end("{}");
        else response.end(JSON.stringify(answer));
      },
    );
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `https://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
    this.writeKubeconfig();
  }

  /** @param user how to log in; @param cluster what to add to the cluster's entry. */
  writeKubeconfig(user: object = { token: TOKEN }, cluster: object = {}): void {
    const config = {
      "current-context": "dev",
      clusters: [{ name: "c", cluster: { server: this.url, "certificate-authority": "ca.pem", ...cluster } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "dev", context: { cluster: "c", user: "u" } }],
    };
    writeFileSync(this.kubeconfig, stringify(config), { mode: 0o600 });
  }

  async stop(): Promise<void> {
    if (this.server?.listening) {
      this.server.closeAllConnections();
      this.server.close();
      await once(this.server, "close");
    }
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
