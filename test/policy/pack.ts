import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import type { AgentStackArgs } from "../../components/agent-stack";
import type { Environment } from "../../components/environment";
import { resourcePolicies, stackPolicies } from "../../policy/policies";
import { previewDecided } from "../../policy/policies/preview-decided";
import { recordCell } from "../mocks/cells";
import { validate, validateStack, type Inspected, type Verdict } from "./support";

/** What a config file says: a level for all policies, and a level or options by a policy's name. */
export type PackConfig = Record<string, string | Record<string, unknown>>;

/** The pack's config for an environment. */
export function configOf(environment: Environment): PackConfig {
  return JSON.parse(readFileSync(join(projectRoot, "policy", "config", `${environment}.json`), "utf8")) as PackConfig;
}

/** A violation that the pack found, or what it could not decide. */
export interface Finding {
  policy: string;
  /** The resource, as `TYPE NAME`; of a policy that looks at all of them, the name alone. */
  resource: string;
  /** Where in its properties; empty for what could not be decided. */
  path: string;
  message: string;
}

/** What the pack says of a stack. */
export async function verdictOn(resources: Inspected[], config: PackConfig = {}): Promise<Finding[]> {
  // What other tests left undecided is not this stack's.
  await validateStack(previewDecided, []);
  const optionsOf = (name: string) => {
    const own = config[name];
    return typeof own === "object" ? own : {};
  };
  const findings: Finding[] = [];
  const add = (policy: string, { violations, advisory }: Verdict, inspected?: Inspected) => {
    for (const violation of violations) {
      // A policy that looks at all of them begins with the name of the resource.
      const separator = inspected === undefined ? violation.indexOf(" ") : -1;
      const resource =
        inspected === undefined ? violation.slice(0, separator) : `${inspected.type} ${inspected.name ?? ""}`;
      const message = violation.slice(separator + 1);
      findings.push({ policy, resource, path: message.split(": ")[0] ?? "", message });
    }
    if (advisory !== undefined) findings.push({ policy, resource: "", path: "", message: advisory });
  };
  for (const resource of resources) {
    for (const policy of resourcePolicies) {
      add(policy.name, await validate(policy, resource, optionsOf(policy.name)), resource);
    }
  }
  for (const policy of stackPolicies) add(policy.name, await validateStack(policy, resources, optionsOf(policy.name)));
  return findings;
}

/** The same, as texts. */
export async function findingsIn(resources: Inspected[], config?: PackConfig): Promise<string[]> {
  const findings = await verdictOn(resources, config);
  return findings.map(
    ({ policy, resource, message }) => `${policy}: ${resource === "" ? "" : `${resource}: `}${message}`,
  );
}

/** A cell's resources, as the engine hands them to policies. */
export async function inspectedCell(args: Partial<AgentStackArgs>): Promise<Inspected[]> {
  const { resources } = await recordCell(args);
  return resources.map(({ type, name, inputs, provider }) => {
    const [, , providerType = "", providerName = ""] = provider.split("::");
    return { type, name, props: inputs, provider: { type: providerType, name: providerName } };
  });
}
