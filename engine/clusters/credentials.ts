import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { ClusterFolder } from "./state";
import { writePrivateFile } from "./state";

const RENEW_BEFORE_MS = 30 * 24 * 3600 * 1000;

/** What a client needs to talk to an API server as a cluster administrator. */
export interface AdminAccess {
  server: string;
  /** PEM. */
  certificateAuthority: string;
  token: string;
}

/**
 * Makes the credentials a cluster needs before it starts, keeping those of an earlier start: the key that signs service
 * account tokens, and the administrator's token. The API server makes its own serving certificate, valid for a year.
 */
export function prepareCredentials(folder: ClusterFolder): { token: string } {
  if (!existsSync(folder.serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writePrivateFile(folder.serviceAccountKey, privateKey.export({ type: "sec1", format: "pem" }).toString());
  }
  if (!existsSync(folder.tokens)) {
    // The controllers and kwok act as administrator too: their own roles would need one service account each.
    writePrivateFile(folder.tokens, `${randomBytes(32).toString("hex")},clawfleet,clawfleet,system:masters\n`);
  }
  const certificate = readCertificate(folder);
  if (certificate !== undefined && isExpiring(certificate)) rmSync(folder.certificates, { recursive: true });
  return { token: readFileSync(folder.tokens, "utf8").split(",", 1)[0] ?? "" };
}

/** The serving certificate with the CA that signed it, PEM; undefined until the API server has written it. */
export function readCertificate(folder: ClusterFolder): string | undefined {
  const file = join(folder.certificates, "apiserver.crt");
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function isExpiring(certificate: string): boolean {
  return Date.parse(new X509Certificate(certificate).validTo) < Date.now() + RENEW_BEFORE_MS;
}

/** A kubeconfig with one context per cluster, named like it; the first one is current. */
export function kubeconfig(clusters: readonly { name: string; access: AdminAccess }[]): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: clusters.map(({ name, access }) => ({
      name,
      cluster: {
        server: access.server,
        "certificate-authority-data": Buffer.from(access.certificateAuthority).toString("base64"),
      },
    })),
    users: clusters.map(({ name, access }) => ({ name, user: { token: access.token } })),
    contexts: clusters.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
    ...(clusters[0] === undefined ? {} : { "current-context": clusters[0].name }),
  });
}
