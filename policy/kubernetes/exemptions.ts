import type { PolicyConfigSchema, ReportViolation } from "@pulumi/policy";
import type { ResourcePolicy, StackPolicy } from "./policy";

/** A resource that a policy lets be, for a while. */
export interface Exemption {
  /** The resource's URN; `*` stands for any text. */
  urn: string;
  /** Why. */
  reason: string;
  /** The last day of it, in UTC, for example `2027-01-31`. */
  expires: string;
}

interface Config {
  exemptions?: Exemption[];
}

const EXEMPTIONS: PolicyConfigSchema["properties"][string] = {
  type: "array",
  default: [],
  description: "Resources that the policy lets be until a date; past it, they are violations again.",
  items: {
    type: "object",
    additionalProperties: false,
    required: ["urn", "reason", "expires"],
    properties: {
      urn: { type: "string", minLength: 1, description: "The resource's URN; * stands for any text." },
      reason: { type: "string", minLength: 1, description: "Why." },
      expires: {
        type: "string",
        pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description: "The last day of it, in UTC, for example 2027-01-31.",
      },
    },
  },
};

/** Lets the config of a policy of single resources exempt some of them. */
export function exemptable(policy: ResourcePolicy): ResourcePolicy {
  return {
    ...policy,
    configSchema: withExemptions(policy.configSchema),
    validateResource: async (args, report) => {
      const exemptions = args.getConfig<Config>().exemptions ?? [];
      if (isExempt(args.urn, exemptions)) return;
      reportExpired(args.urn, exemptions, report);
      for (const validate of [policy.validateResource ?? []].flat()) await validate(args, report);
    },
  };
}

/** Lets the config of a policy of a whole stack exempt some of its resources. */
export function exemptableStack(policy: StackPolicy): StackPolicy {
  return {
    ...policy,
    configSchema: withExemptions(policy.configSchema),
    validateStack: async (args, report) => {
      const exemptions = args.getConfig<Config>().exemptions ?? [];
      for (const { urn } of args.resources) reportExpired(urn, exemptions, report);
      await policy.validateStack(args, (message, urn) => {
        if (urn === undefined || !isExempt(urn, exemptions)) report(message, urn);
      });
    },
  };
}

function withExemptions(schema: PolicyConfigSchema | undefined): PolicyConfigSchema {
  return { ...schema, properties: { ...schema?.properties, exemptions: EXEMPTIONS } };
}

function isExempt(urn: string, exemptions: Exemption[]): boolean {
  return exemptions.some((exemption) => matches(exemption, urn) && !isExpired(exemption));
}

function reportExpired(urn: string, exemptions: Exemption[], report: ReportViolation): void {
  for (const exemption of exemptions) {
    if (matches(exemption, urn) && isExpired(exemption)) {
      report(`exempt until ${exemption.expires}, which is past; fix it, or decide anew`, urn);
    }
  }
}

function matches({ urn: pattern }: Exemption, urn: string): boolean {
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${pattern.split("*").map(literal).join(".*")}$`, "s").test(urn);
}

/** What is no date has expired. */
function isExpired({ expires }: Exemption): boolean {
  return !(Date.now() < Date.parse(`${expires}T23:59:59.999Z`));
}
