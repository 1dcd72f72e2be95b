import { OUTSIDE, networkMatrix, type Connection, type NetworkPolicyManifest, type PodGroup } from "./network-matrix";

/** A Kubernetes object, as far as its place in the architecture goes. */
export interface ArchitectureObject {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

interface PodTemplate {
  metadata?: { labels?: Record<string, string> };
}

const COMPONENT = "app.kubernetes.io/component";

/** The kinds of Pods of a cell: one for each workload's template. */
export function podGroups(objects: ArchitectureObject[]): PodGroup[] {
  return objects.flatMap(({ kind, metadata, spec }) => {
    const template = podTemplate(kind, spec);
    const labels = template?.metadata?.labels ?? {};
    return template === undefined
      ? []
      : [{ component: labels[COMPONENT] ?? metadata.name, namespace: metadata.namespace ?? "", labels }];
  });
}

function podTemplate(kind: string, spec: unknown): PodTemplate | undefined {
  if (["Deployment", "StatefulSet", "DaemonSet", "Job"].includes(kind))
    return (spec as { template: PodTemplate }).template;
  if (kind === "CronJob")
    return (spec as { jobTemplate: { spec: { template: PodTemplate } } }).jobTemplate.spec.template;
  return undefined;
}

/** Who may reach whom in a cell, computed from its rendered objects. */
export function cellMatrix(objects: ArchitectureObject[]): Connection[] {
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy") as unknown as NetworkPolicyManifest[];
  return networkMatrix(policies, podGroups(objects)).sort(
    (a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to),
  );
}

/** What the ports of Services are called: the protocol that is spoken there, by component and port. */
export function portNames(objects: ArchitectureObject[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { kind, metadata, spec } of objects) {
    if (kind !== "Service") continue;
    const component = metadata.labels?.[COMPONENT] ?? metadata.name;
    const { ports } = spec as {
      ports: { name: string; port: number; targetPort: number | string; protocol?: string }[];
    };
    for (const { name, port, targetPort, protocol = "TCP" } of ports) {
      // A named one is the container's, which is the Service's own in every part here.
      const number = typeof targetPort === "number" ? targetPort : port;
      names.set(`${component} ${String(number)}/${protocol}`, name);
    }
  }
  return names;
}

/** Every Pod's arrows to DNS would hide all others. */
const IMPLIED = ["dns-filter", "cluster DNS"];

/** The diagram: what talks to what, with ports and protocols. */
export function diagram(connections: Connection[], names: Map<string, string>): string {
  const shown = connections.filter(({ from, to }) => !IMPLIED.includes(to) || from === "dns-filter");
  const node = (name: string) => name.replace(/[^a-z0-9]/gi, "_");
  const all = [...new Set(shown.flatMap(({ from, to }) => [from, to]))].sort();
  const outside = new Set(["outside", "cluster DNS", ...Object.keys(OUTSIDE)]);
  const nodes = all.map((name) => `  ${node(name)}${outside.has(name) ? `([${name}])` : `[${name}]`}`);
  const edges = shown.map(
    ({ from, to, ports }) => `  ${node(from)} -->|"${portLabels(to, ports, names).join(", ")}"| ${node(to)}`,
  );
  return ["flowchart LR", ...nodes, ...edges].join("\n");
}

/** The matrix: a row for each sender, and what it may reach, port by port. */
export function matrixTable(connections: Connection[], pods: PodGroup[], names: Map<string, string>): string {
  const senders = ["outside", ...new Set(pods.map(({ component }) => component).sort())];
  const rows = senders.map((sender) => {
    const reached = connections
      .filter(({ from }) => from === sender)
      .map(({ to, ports }) => `${to} (${portLabels(to, ports, names).join(", ")})`);
    return [sender, reached.join("<br>") || "nothing"];
  });
  return table([["from", "may reach"], ...rows]);
}

function portLabels(to: string, ports: string[], names: Map<string, string>): string[] {
  return ports.map((port) => [names.get(`${to} ${port}`), port].filter((part) => part !== undefined).join(" "));
}

/** A Markdown table as prettier writes it; the first row is the head. */
function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length), 3));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

/** Who may reach which hosts through the forward proxy. */
export interface AllowedHosts {
  component: string;
  hosts: string[];
}

/** `docs/architecture.md`: the diagram and the matrix of a cell, and the forward proxy's lists. */
export function architectureDocument(objects: ArchitectureObject[], proxied: AllowedHosts[]): string {
  const connections = cellMatrix(objects);
  const names = portNames(objects);
  return `# Architecture of a cell

Generated from the code by \`npm run architecture\`, and checked by \`make test\`: what is here is what the NetworkPolicies
of a cell with every part on allow (the settings of \`stacks/overlays\` for dev, with git sync), and nothing else. A change of
this file is a change of who may reach whom.

The arrows go from whoever opens a connection. Every Pod asks the DNS filter for names, which the diagram leaves out.

\`\`\`mermaid
${diagram(connections, names)}
\`\`\`

## Who may reach whom

Computed from both ends: an entry needs a policy that lets the one send and a policy that lets the other receive.
\`internet\` is every public address; the private ranges, the API server and the cloud metadata address have entries of their
own where anything reaches them, and there are none.

${matrixTable(connections, podGroups(objects), names)}

## Through the forward proxy

Each component has a port of its own there, which only its Pods reach, with a list of host names of its own.

${table([["component", "hosts"], ...proxied.map(({ component, hosts }) => [component, hosts.join(", ") || "none"])])}
`;
}
