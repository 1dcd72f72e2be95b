import { isIP } from "node:net";

/**
 * Reads an address or a network in CIDR notation.
 * @returns how many bits of it are fixed; undefined when it is neither.
 */
export function prefixOf(text: string): { family: 4 | 6; bits: number } | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || rest.length > 0) return undefined;
  const all = family === 4 ? 32 : 128;
  const bits = length === undefined ? all : /^\d+$/.test(length) ? Number(length) : NaN;
  return bits <= all ? { family, bits } : undefined;
}

const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/** Whether a network is a whole private range, which is the usual mistake. */
export function isPrivateRange(network: string): boolean {
  return PRIVATE_RANGES.includes(network);
}
