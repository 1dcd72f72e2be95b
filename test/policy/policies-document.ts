import type { PolicyConfigJSONSchema } from "@pulumi/policy/schema";
import { Environment } from "../../components/environment";
import type { Explained } from "../../policy/kubernetes/policy";
import { policies, resourcePolicies } from "../../policy/policies";
import { configOf } from "./pack";

const ENVIRONMENTS = Object.values(Environment);

/** The text of docs/policies.md: every policy with what it asks for and why, its level in each environment, and its config. */
export function policiesDocument(): string {
  const levels = table(
    ["policy", ...ENVIRONMENTS, "severity", "looks at"],
    policies.map((policy) => [
      `[${policy.name}](#${policy.name})`,
      ...ENVIRONMENTS.map((environment) => levelOf(policy.name, environment)),
      policy.severity,
      resourcePolicies.some(({ name }) => name === policy.name) ? "each resource" : "the whole stack",
    ]),
  );
  return `${[HEAD, levels, AFTER_LEVELS, ...policies.map(section)].join("\n\n")}\n`;
}

const HEAD = `# The policies

Generated from the code by \`npm run policies-doc\`, and checked by \`make test\`.

\`\`\`sh
make policy                                    # the dev stack, at dev's levels
pulumi preview --policy-pack policy --policy-pack-config policy/config/prod.json
\`\`\`

The pack is a package of its own, \`clawfleet-policy\`, and looks at any Kubernetes program: raw resources, the components of this
package by their own options, and custom resources by their shape. Each finding says where, what is wrong and how to comply, and
never repeats a value.`;

const AFTER_LEVELS = `A finding of a mandatory policy stops the preview or the update; one of an advisory is printed. What only the update will know is
reported as not decidable in preview, and counted; what is known beside it is decided all the same.

At the level \`remediate\`, which no config here sets, \`labels-present\` and \`pod-security\` add what is missing: labels, a refused API
token, the runtime's seccomp profile.

Every policy has the option \`exemptions\`: resources that it lets be, by URN (\`*\` stands for any text), with a reason and the last day
of it. Past that day they are findings again.

\`\`\`json
{
  "images-pinned": {
    "exemptions": [{ "urn": "*::legacy-*", "reason": "the vendor publishes no digests", "expires": "2027-01-31" }]
  }
}
\`\`\``;

function levelOf(name: string, environment: Environment): string {
  // It only counts, and Pulumi makes an advisory of what could not be known.
  if (name === "preview-decided") return "advisory";
  const { all, [name]: own } = configOf(environment);
  const level = typeof own === "object" ? own.enforcementLevel : own;
  return typeof level === "string" ? level : (all as string);
}

function section(policy: Explained): string {
  const { name, description, why, remediationSteps, url = "", configSchema } = policy;
  const options = Object.entries(configSchema?.properties ?? {}).filter(([option]) => option !== "exemptions");
  return [
    `## ${name}`,
    description,
    `- Why: ${why}\n- Fix: ${remediationSteps}\n- More: <${url}>`,
    ...(options.length === 0 ? [] : [optionsTable(name, options)]),
  ].join("\n\n");
}

function optionsTable(name: string, options: [string, PolicyConfigJSONSchema][]): string {
  const set = ENVIRONMENTS.flatMap((environment) => {
    const own = configOf(environment)[name];
    return typeof own === "object" ? [{ environment, own }] : [];
  });
  return table(
    ["option", "meaning", "default", ...set.map(({ environment }) => environment)],
    options.map(([option, schema]) => [
      `\`${option}\``,
      schema.description ?? "",
      shown(schema.default),
      ...set.map(({ own }) => shown(own[option])),
    ]),
  );
}

/** A value as JSON; long lists have a space that lines break at. */
function shown(value: unknown): string {
  if (value === undefined) return "";
  return Array.isArray(value) && value.length > 0
    ? value.map((item) => `\`${JSON.stringify(item)}\``).join(", ")
    : `\`${JSON.stringify(value)}\``;
}

/** As prettier writes it. */
function table(head: string[], rows: string[][]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
