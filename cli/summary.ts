import type { StackCell } from "./local";

/** What `make up` tells when it is done: each cell with its URL and how to get at it. */
export function summarize(cells: Record<string, StackCell>, kubeconfig: string): string {
  const rows = Object.entries(cells).map(([id, cell]) =>
    [
      `cell ${id}`,
      `  cluster    ${cell.cluster} (context ${cell.context})`,
      `  namespace  ${cell.namespace}`,
      `  gateway    ${cell.url}`,
      `  service    ${cell.namespace}/${cell.service}`,
      `  open       make open CELL=${id}`,
      `  look       kubectl --kubeconfig ${kubeconfig} --context ${cell.context} -n ${cell.namespace} get all`,
    ].join("\n"),
  );
  return `\n${rows.join("\n\n")}\n\nPlain pulumi and kubectl: eval "$(make -s env)"\n`;
}
