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

/** What the pack says of a stack. */
export async function findingsIn(resources: Inspected[], config: PackConfig = {}): Promise<string[]> {
  // What other tests left undecided is not this stack's.
  await validateStack(previewDecided, []);
  const optionsOf = (name: string) => {
    const own = config[name];
    return typeof own === "object" ? own : {};
  };
  const findings: string[] = [];
  const add = (policy: string, { violations, advisory }: Verdict) => {
    const said = advisory === undefined ? violations : [...violations, advisory];
    findings.push(...said.map((message) => `${policy}: ${message}`));
  };
  for (const resource of resources) {
    for (const policy of resourcePolicies) {
      const verdict = await validate(policy, resource, optionsOf(policy.name));
      add(`${policy.name}: ${resource.type} ${resource.name ?? ""}`, verdict);
    }
  }
  for (const policy of stackPolicies) add(policy.name, await validateStack(policy, resources, optionsOf(policy.name)));
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
