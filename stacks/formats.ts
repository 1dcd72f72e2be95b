import * as z from "./zod";
import { isPinned } from "../components/images";

// Else zod compiles a function for every object, which takes longer than to check even a thousand cells without.
z.config({ jitless: true });

/** A name within the fleet: a cluster's, a tenant's. */
export const name = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/,
    "use at most 32 lower-case letters, digits and hyphens, beginning with a letter",
  );
/** A region: it becomes a label's value. */
export const region = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, "use at most 63 letters, digits, and - _ . between them");
export const cidr = z.union([z.cidrv4(), z.cidrv6()], "write an address range like 203.0.113.0/24");

/** A namespace's name is a DNS label. */
const namespace = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "use at most 63 lower-case letters, digits and hyphens");
const cpu = z.string().regex(/^\d+(\.\d+)?m?$/, "write CPU like 250m or 2, in quotes");
const memory = z.string().regex(/^\d+(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$/, "write an amount like 512Mi or 2Gi");
/** A host name, exact. */
const host = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "write a host name like api.example.com, in lower case",
  );
const image = z.string().refine(isPinned, "write it as registry/repository:tag@sha256:<64 hexadecimal digits>");
const port = z.int().min(1).max(65535);

/** USD. */
const amount = z.number().min(0);

/** What a text or a number of this name has to look like, in whatever options it is. */
export const formats: Readonly<Record<string, z.ZodType>> = {
  baseUrl: z.url(),
  budget: amount,
  cidr,
  host,
  image,
  inputPrice: amount,
  issuerKind: z.enum(["Issuer", "ClusterIssuer"]),
  limitsCpu: cpu,
  limitsEphemeralStorage: memory,
  limitsMemory: memory,
  namespace,
  outputPrice: amount,
  port,
  requestsCpu: cpu,
  requestsMemory: memory,
  requestsStorage: memory,
  size: memory,
  tenant: name,
};

/** The same for the items of lists. */
export const itemFormats: Readonly<Record<string, z.ZodType>> = { ports: port };

/** The number that a quantity stands for, in cores or bytes. */
export function quantity(text: string): number {
  const [, digits = "0", unit = ""] = /^([\d.]+)([a-zA-Z]*)$/.exec(text) ?? [];
  return Number(digits) * (UNITS[unit] ?? NaN);
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
