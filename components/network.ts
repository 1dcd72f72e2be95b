import type { types } from "@pulumi/kubernetes";

/**
 * Never reachable through a rule for the internet: private ranges, carrier-grade NAT, link-local with the cloud
 * metadata address 169.254.169.254, and loopback (RFC 1918, 6598, 3927, 4193, 4291).
 */
export const PRIVATE_RANGES = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "127.0.0.0/8",
];
export const PRIVATE_RANGES_V6 = ["fc00::/7", "fe80::/10", "::1/128"];

/** Traffic that a workload may start. Each rule is a loosening of default deny. */
export interface EgressRule {
  /** Destination, for example `203.0.113.0/24`. `0.0.0.0/0` means the internet: private ranges and the cloud metadata address stay closed. */
  cidr: string;
  /** TCP ports. @default [443], which is port 443 alone. */
  ports?: number[];
}

type NetworkPolicyEgressRule = types.input.networking.v1.NetworkPolicyEgressRule;

/** The rules for destinations outside of the cell. */
export function egressTo(rules: EgressRule[]): NetworkPolicyEgressRule[] {
  return rules.map(({ cidr, ports = [443] }) => ({
    to: [{ ipBlock: { cidr, ...exceptPrivate(cidr) } }],
    ports: ports.map((port) => ({ protocol: "TCP", port })),
  }));
}

function exceptPrivate(cidr: string): { except?: string[] } {
  if (cidr === "0.0.0.0/0") return { except: PRIVATE_RANGES };
  if (cidr === "::/0") return { except: PRIVATE_RANGES_V6 };
  return {};
}

/** Names are resolved by the cluster's DNS alone. */
export function egressToClusterDns(): NetworkPolicyEgressRule {
  return {
    to: [
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
        podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
      },
    ],
    ports: [
      { protocol: "UDP", port: 53 },
      { protocol: "TCP", port: 53 },
    ],
  };
}
