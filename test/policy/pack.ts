import type { AgentStackArgs } from "../../components/agent-stack";
import { resourcePolicies, stackPolicies } from "../../policy/policies";
import { recordCell } from "../mocks/cells";
import { validate, validateStack, type Inspected, type Verdict } from "./support";

/** What the pack says of a stack. */
export async function findingsIn(resources: Inspected[]): Promise<string[]> {
  const findings: string[] = [];
  const add = (policy: string, { violations, advisory }: Verdict) => {
    const said = advisory === undefined ? violations : [...violations, advisory];
    findings.push(...said.map((message) => `${policy}: ${message}`));
  };
  for (const resource of resources) {
    for (const policy of resourcePolicies) {
      add(`${policy.name}: ${resource.type} ${resource.name ?? ""}`, await validate(policy, resource));
    }
  }
  for (const policy of stackPolicies) add(policy.name, await validateStack(policy, resources));
  return findings;
}

/** A cell's resources, as the engine hands them to policies. */
export async function inspectedCell(args: Partial<AgentStackArgs>): Promise<Inspected[]> {
  const { resources } = await recordCell(args);
  return resources.map(({ type, name, inputs, provider }) => {
    const [, , providerType = "", providerName = ""] = provider.split("::");
    return { type, name, props: inputs, provider: { type: providerType, name: providerName } };
  });
}
