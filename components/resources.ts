import { ValidationFailed } from "./errors";

/** Requests and limits of a part's main container; each part says what its own defaults were measured by. */
export interface ResourceOptions {
  /** CPU that the scheduler sets aside, for example `100m`. */
  requestsCpu?: string;
  /** Memory that the scheduler sets aside, for example `512Mi`. */
  requestsMemory?: string;
  /** CPU above which it is throttled. */
  limitsCpu?: string;
  /** Memory above which it is killed. */
  limitsMemory?: string;
  /** Logs and temporary files together. */
  limitsEphemeralStorage?: string;
}

/** A container's resources, complete. */
export interface CompleteResources {
  requests: { cpu: string; memory: string; "ephemeral-storage": string };
  limits: { cpu: string; memory: string; "ephemeral-storage": string };
}

/** The least ephemeral storage that is asked for: logs alone need some. */
const REQUESTS_EPHEMERAL_STORAGE = "32Mi";

/**
 * A part's resources with its defaults.
 * @param where the option that they come from, for messages.
 * @throws ValidationFailed for what is no quantity of memory, and for a limit below the request.
 */
export function completeResources(
  options: ResourceOptions,
  defaults: Required<ResourceOptions>,
  where: string,
): CompleteResources {
  const all = { ...defaults, ...options };
  const requested = bytesOf(all.requestsMemory, `${where}.requestsMemory`);
  if (bytesOf(all.limitsMemory, `${where}.limitsMemory`) < requested) {
    throw new ValidationFailed({
      what: `${all.limitsMemory} is less than the request of ${all.requestsMemory}`,
      where: `${where}.limitsMemory`,
      fix: "raise the limit, or lower requestsMemory",
    });
  }
  return {
    requests: { cpu: all.requestsCpu, memory: all.requestsMemory, "ephemeral-storage": REQUESTS_EPHEMERAL_STORAGE },
    limits: { cpu: all.limitsCpu, memory: all.limitsMemory, "ephemeral-storage": all.limitsEphemeralStorage },
  };
}

/**
 * A quantity of memory in bytes.
 * @throws ValidationFailed naming `where` for anything but a number of Mi or Gi.
 */
export function bytesOf(quantity: string, where: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(Mi|Gi)$/.exec(quantity) ?? [];
  if (digits === undefined) {
    throw new ValidationFailed({
      what: `${JSON.stringify(quantity)} is no quantity of memory`,
      where,
      fix: "write it like 512Mi or 2Gi",
    });
  }
  return Number(digits) * (unit === "Gi" ? 2 ** 30 : 2 ** 20);
}
