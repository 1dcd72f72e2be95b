import * as pulumi from "@pulumi/pulumi";
import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import { Secret } from "@pulumi/kubernetes/core/v1";
import { CertRequest, LocallySignedCert, PrivateKey, SelfSignedCert } from "@pulumi/tls";
import { ValidationFailed } from "./errors";
import { TlsFrom } from "./tls-from";

/** The TLS certificate of an entry. */
export interface TlsOptions {
  /** Where it comes from. Default: `own-ca`, and `cloud` for presets that read no Secret. */
  from?: TlsFrom;
  /** The issuer's name; goes with cert-manager. */
  issuerName?: string;
  /** `Issuer` or `ClusterIssuer`; goes with cert-manager. Default: `ClusterIssuer`. */
  issuerKind?: string;
  /** The Secret's name; goes with existing. */
  secretName?: pulumi.Input<string>;
  /** The certificate's id with the cloud, for example an ACM ARN; goes with cloud. */
  cloudCertificate?: string;
}

interface CertificateArgs {
  host: string;
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
  tls: TlsOptions;
  from: TlsFrom;
}

/** A certificate as an entry uses it. */
export interface Certificate {
  /** The Secret's name; undefined when the cloud keeps the certificate. */
  secretName: pulumi.Output<string> | undefined;
  /** PEM of the authority that clients have to trust; undefined when it is not ours. */
  caCertificate: pulumi.Output<string> | undefined;
}

const YEAR_HOURS = 8760;

/** Which fields go with which choice; every other one is a contradiction. */
const FIELDS: Record<TlsFrom, { required: (keyof TlsOptions)[]; optional: (keyof TlsOptions)[] }> = {
  [TlsFrom.OwnCa]: { required: [], optional: [] },
  [TlsFrom.CertManager]: { required: ["issuerName"], optional: ["issuerKind"] },
  [TlsFrom.Existing]: { required: ["secretName"], optional: [] },
  [TlsFrom.Cloud]: { required: ["cloudCertificate"], optional: [] },
};

/** Provides the certificate for one host name; its options have been through assertTls. */
export function provideCertificate(name: string, args: CertificateArgs, parent: pulumi.Resource): Certificate {
  switch (args.from) {
    case TlsFrom.OwnCa:
      return ownCertificate(name, args, parent);
    case TlsFrom.CertManager:
      return managedCertificate(name, args, parent);
    case TlsFrom.Existing:
      return {
        secretName: args.tls.secretName === undefined ? undefined : pulumi.output(args.tls.secretName),
        caCertificate: undefined,
      };
    case TlsFrom.Cloud:
      return { secretName: undefined, caCertificate: undefined };
  }
}

/**
 * Checks a certificate's options.
 * @throws ValidationFailed when the fields of `tls` contradict its `from`.
 */
export function assertTls(tls: TlsOptions, from: TlsFrom): void {
  const { required, optional } = FIELDS[from];
  const missing = required.filter((field) => tls[field] === undefined);
  const given = (Object.keys(tls) as (keyof TlsOptions)[]).filter(
    (field) => field !== "from" && tls[field] !== undefined,
  );
  const unexpected = given.filter((field) => !required.includes(field) && !optional.includes(field));
  if (missing.length > 0 || unexpected.length > 0) {
    throw new ValidationFailed({
      what: [
        ...missing.map((field) => `${field} is missing`),
        ...unexpected.map((field) => `${field} does not go with from: ${from}`),
      ].join("; "),
      where: "entry.tls",
      fix: `with from: ${from}, give ${[...required, ...optional.map((field) => `${field} if wanted`)].join(" and ") || "nothing else"}`,
    });
  }
}

function ownCertificate(name: string, args: CertificateArgs, parent: pulumi.Resource): Certificate {
  const key = { algorithm: "ECDSA", ecdsaCurve: "P256" };
  const caKey = new PrivateKey(`${name}-ca`, key, { parent });
  const ca = new SelfSignedCert(
    `${name}-ca`,
    {
      privateKeyPem: caKey.privateKeyPem,
      subject: { commonName: `${args.host} CA`, organization: "clawfleet" },
      isCaCertificate: true,
      allowedUses: ["cert_signing", "crl_signing"],
      validityPeriodHours: 10 * YEAR_HOURS,
      earlyRenewalHours: YEAR_HOURS,
    },
    { parent },
  );
  const serverKey = new PrivateKey(name, key, { parent });
  const request = new CertRequest(
    name,
    { privateKeyPem: serverKey.privateKeyPem, subject: { commonName: args.host }, dnsNames: [args.host] },
    { parent },
  );
  const certificate = new LocallySignedCert(
    name,
    {
      certRequestPem: request.certRequestPem,
      caPrivateKeyPem: caKey.privateKeyPem,
      caCertPem: ca.certPem,
      allowedUses: ["digital_signature", "key_encipherment", "server_auth"],
      validityPeriodHours: YEAR_HOURS,
      earlyRenewalHours: 30 * 24, // replaced by any `pulumi up` of its last 30 days
    },
    { parent },
  );
  const secret = new Secret(
    name,
    {
      metadata: { name, namespace: args.namespace, labels: args.labels },
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": certificate.certPem, "tls.key": pulumi.secret(serverKey.privateKeyPem) },
    },
    { parent },
  );
  return { secretName: secret.metadata.name, caCertificate: ca.certPem };
}

function managedCertificate(name: string, args: CertificateArgs, parent: pulumi.Resource): Certificate {
  new CustomResource(
    name,
    {
      apiVersion: "cert-manager.io/v1",
      kind: "Certificate",
      metadata: { name, namespace: args.namespace, labels: args.labels },
      spec: {
        secretName: name,
        dnsNames: [args.host],
        issuerRef: {
          group: "cert-manager.io",
          kind: args.tls.issuerKind ?? "ClusterIssuer",
          name: args.tls.issuerName,
        },
        privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      },
    },
    { parent },
  );
  return { secretName: pulumi.output(name), caCertificate: undefined };
}
