/** Where an entry's certificate comes from. */
export enum TlsFrom {
  /** A certificate authority of the cell's own, made by Pulumi; clients have to be told to trust it. */
  OwnCa = "own-ca",
  /** cert-manager, from an issuer. */
  CertManager = "cert-manager",
  /** A Secret of type kubernetes.io/tls that already exists in the namespace. */
  Existing = "existing",
  /** The cloud's certificate service; for load balancers that read no Secret. */
  Cloud = "cloud",
}
