import { inspect, type Field, type Problems } from "../kubernetes/field";
import { prefixOf } from "../kubernetes/networks";
import type { ResourcePolicy } from "../kubernetes/policy";

interface Config {
  /** Parts that a cell needs to have, by the option's name. */
  requiredParts: string[];
  /** The modes of `tools.exec` that agents may not have. */
  refusedExec: string[];
}

/** Options are known before anything exists, whatever is not known yet of the objects that they become. */
export const cellGuarded: ResourcePolicy = {
  name: "cell-guarded",
  description: "An AgentStack has the parts that its environment asks for, and no option that takes its guards away.",
  why: "A part that is not there guards nothing, and a preview shows no object that is missing.",
  severity: "high",
  remediationSteps: "Switch the part on, or take back the option that the finding names.",
  url: "https://www.pulumi.com/docs/iac/crossguard/core-concepts/",
  configSchema: {
    properties: {
      requiredParts: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: [],
        description: "Parts that a cell needs to have, by the option's name, for example forwardProxy.",
      },
      refusedExec: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["full"],
        description: "The modes of tools.exec that agents may not have.",
      },
    },
  },
  validateResource: (args, report) => {
    if (args.type !== "clawfleet:index:AgentStack") return;
    const config = args.getConfig<Config>();
    inspect(args, report, (cell) => {
      for (const part of config.requiredParts) {
        cell.at(part).check((options) => (options === undefined ? ["not there; switch it on, {} has defaults"] : []));
      }
      // Without the proxy, the gateway has no other way than by address.
      if (cell.at("forwardProxy").read()?.value !== undefined) {
        for (const rule of cell.at("gateway", "egress").items()) rule.at("cidr").check(egressProblems);
      }
      for (const tools of toolsOf(cell.at("gateway", "openclaw"))) {
        tools
          .at("exec")
          .check((mode) =>
            config.refusedExec.includes(String(mode))
              ? ["runs commands that nobody approved; use ask or allowlist"]
              : [],
          );
      }
    });
  },
};

function egressProblems(cidr: unknown): Problems {
  return typeof cidr === "string" && prefixOf(cidr)?.bits === 0
    ? ["every address, past the forward proxy; leave it out, or name the network"]
    : [];
}

/** The tools of all agents, and of each. */
function toolsOf(openclaw: Field): Field[] {
  const agents = openclaw.at("agents", "entries").entries();
  return [openclaw.at("tools"), ...agents.map(([, agent]) => agent.at("tools"))];
}
