import { createHash } from "node:crypto";

/** A short name for a text: 12 hexadecimal digits of its SHA-256. A Pod whose ConfigMap is named by it rolls with it. */
export function configHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
