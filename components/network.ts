import { BlockList, isIP } from "node:net";
import type { types } from "@pulumi/kubernetes";
import { ValidationFailed } from "./errors";
import { selectorLabels } from "./labels";
import type { Endpoint } from "./part";

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
  /** Destination, for example `203.0.113.0/24`. `0.0.0.0/0` means the internet: private ranges and the cloud metadata address stay closed, as in every range that is wider than one of them. */
  cidr: string;
  /** TCP ports. Default: 443 alone. */
  ports?: number[];
}

type NetworkPolicyEgressRule = types.input.networking.v1.NetworkPolicyEgressRule;

/**
 * The rules for destinations outside of the cell.
 * @param where the option that they come from, for messages.
 * @throws ValidationFailed for what is no range, and for what is no port.
 */
export function egressTo(rules: EgressRule[], where: string): NetworkPolicyEgressRule[] {
  return rules.map(({ cidr, ports = [443] }, index) => {
    const { family, prefix } = parseCidr(cidr, `${where}[${String(index)}].cidr`);
    const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65535);
    if (wrong !== undefined || ports.length === 0) {
      throw new ValidationFailed({
        what: wrong === undefined ? "the list is empty" : `${String(wrong)} is no port`,
        where: `${where}[${String(index)}].ports`,
        fix: "give ports from 1 to 65535, or leave it out for 443",
      });
    }
    const except = privateRangesWithin(cidr, family, prefix);
    return {
      to: [{ ipBlock: { cidr, ...(except.length > 0 && { except }) } }],
      ports: ports.map((port) => ({ protocol: "TCP", port })),
    };
  });
}

type Family = "ipv4" | "ipv6";

function parseCidr(cidr: string, where: string): { family: Family; prefix: number } {
  const [address = "", digits = "", ...rest] = cidr.split("/");
  const version = isIP(address);
  const prefix = /^\d{1,3}$/.test(digits) ? Number(digits) : NaN;
  if (version === 0 || rest.length > 0 || !(prefix <= (version === 4 ? 32 : 128))) {
    throw new ValidationFailed({
      what: `${JSON.stringify(cidr)} is no address range`,
      where,
      fix: "write it like 203.0.113.0/24, or 203.0.113.7/32 for one address",
    });
  }
  return { family: version === 4 ? "ipv4" : "ipv6", prefix };
}

/** Whoever opens more than a private range means the internet, also when it is opened in halves (0.0.0.0/1). */
function privateRangesWithin(cidr: string, family: Family, prefix: number): string[] {
  return (family === "ipv4" ? PRIVATE_RANGES : PRIVATE_RANGES_V6).filter((range) => {
    const [network = "", length] = range.split("/");
    return prefix < Number(length) && isWithin(cidr, network);
  });
}

/** Whether an address lies in a range (CIDR) of its own family. */
export function isWithin(cidr: string, address: string): boolean {
  const [network = "", prefix] = cidr.split("/");
  const version = isIP(network);
  if (version !== isIP(address)) return false;
  const family = version === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}

type NetworkPolicyPeer = types.input.networking.v1.NetworkPolicyPeer;

/** The Pods of a part of the same cell. */
export function podsOf(instance: string, component: string): NetworkPolicyPeer {
  return { podSelector: { matchLabels: selectorLabels(instance, component) } };
}

/** TCP to another part of the cell. */
export function egressToPart(instance: string, { component, port, podPort }: Endpoint): NetworkPolicyEgressRule {
  return { to: [podsOf(instance, component)], ports: [{ protocol: "TCP", port: podPort ?? port }] };
}

/** Names are resolved by the cell's DNS filter alone, or by the cluster's DNS where the cell has none. */
export function egressToDns(instance: string, dns: Endpoint | undefined): NetworkPolicyEgressRule {
  if (dns === undefined) return egressToClusterDns();
  const port = dns.podPort ?? dns.port;
  return {
    to: [podsOf(instance, dns.component)],
    ports: [
      { protocol: "UDP", port },
      { protocol: "TCP", port },
    ],
  };
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
