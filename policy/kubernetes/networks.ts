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
