import { isIP } from "node:net";
import { ValidationFailed } from "../errors";
import { isWithin } from "../network";

/** The widest ranges that may be trusted: the Pod range that managed Kubernetes hands out by default (GKE), and one IPv6 site. */
const WIDEST = { ipv4: 14, ipv6: 48 } as const;

/** The private ranges. Most are too wide anyway; they are named because "everything private" is the usual mistake. */
const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/**
 * Checks the proxies whose forwarded headers the gateway believes: whoever is in these ranges can claim any client
 * address, and in trusted-proxy mode any identity.
 * @param where the option that they come from.
 * @throws ValidationFailed with every entry that is no address or range, or is too wide.
 */
export function assertTrustedProxies(proxies: readonly string[], where = "trustedProxies"): void {
  const problems = proxies.flatMap((proxy) => problemOf(proxy) ?? []);
  if (problems.length === 0) return;
  throw new ValidationFailed({
    what: problems.join("; "),
    where,
    fix: `name the addresses or the subnet that the proxy really connects from: at most /${WIDEST.ipv4} (IPv6: /${WIDEST.ipv6}), and no private range as a whole`,
  });
}

function problemOf(proxy: string): string | undefined {
  const [address = "", prefixText, ...rest] = proxy.split("/");
  const version = isIP(address);
  const bits = version === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? bits : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : NaN;
  if (version === 0 || rest.length > 0 || !(prefix <= bits))
    return `${JSON.stringify(proxy)} is neither an IP address nor a CIDR range`;
  if (PRIVATE_RANGES.some((range) => sameRange(range, address, prefix))) return `${proxy} is a whole private range`;
  if (version === 6 && /^::ffff:/i.test(address)) return `${proxy} is an IPv4 address in IPv6 form: write it as IPv4`;
  if (prefix < (version === 4 ? WIDEST.ipv4 : WIDEST.ipv6)) return `${proxy} is too wide`;
  return undefined;
}

function sameRange(range: string, address: string, prefix: number): boolean {
  return Number(range.split("/")[1]) === prefix && isWithin(range, address);
}
