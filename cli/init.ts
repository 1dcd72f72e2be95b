import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { parse, stringify } from "../components/yaml";
import { Environment } from "../components/environment";
import { Conflict, NotFound, ValidationFailed } from "../components/errors";
import { fleetOf, INVENTORY_FILE } from "../stacks/fleet/inventory";
import { jsonSchema } from "../stacks/fleet/json-schema";
import { parseYaml } from "../stacks/fleet/yaml-file";

export interface InitOptions {
  folder?: string;
  kubeconfig?: string;
  /** Contexts of the kubeconfig, each of which becomes a cluster. */
  context?: string[];
  region?: string;
  environment?: string;
  tenant?: string[];
  force?: boolean;
}

/** What is asked on a terminal when no flag says it. */
export type Ask = (question: string, preset: string) => Promise<string>;

/**
 * Writes an inventory and overlays for clusters that a kubeconfig has, and prints what comes next.
 * @throws NotFound for a context that the kubeconfig lacks; ValidationFailed for what makes no inventory; Conflict rather
 * than write over a file.
 */
export async function init(options: InitOptions, terminal: boolean): Promise<void> {
  const lines = terminal ? createInterface({ input: process.stdin, output: process.stderr }) : undefined;
  const ask: Ask = async (question, preset) =>
    (lines === undefined ? "" : (await lines.question(`${question} [${preset}]: `)).trim()) || preset;
  try {
    const { folder, files, environment } = await filesOf(options, ask);
    const present = Object.keys(files).filter((name) => existsSync(join(folder, name)));
    if (present.length > 0 && options.force !== true)
      throw new Conflict({ what: `${present.join(", ")} exists`, where: folder, fix: "pass --force to write over it" });
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    process.stdout.write(nextSteps(folder, Object.keys(files), environment));
  } finally {
    lines?.close();
  }
}

/** The files to write, checked as they will be read. */
export async function filesOf(
  options: InitOptions,
  ask: Ask,
): Promise<{ folder: string; files: Record<string, string>; environment: string }> {
  const kubeconfig = options.kubeconfig ?? defaultKubeconfig();
  const known = contextsOf(kubeconfig);
  const contexts = options.context ?? list(await ask("contexts of your kubeconfig, with commas", known.join(",")));
  for (const context of contexts) {
    if (!known.includes(context))
      throw new NotFound({
        what: `there is no context ${context}`,
        where: kubeconfig,
        fix: `use one of: ${known.join(", ") || "none, it has no context"}`,
      });
  }
  const region = options.region ?? (await ask("region of these clusters", "default"));
  const environment = options.environment ?? (await ask("environment: dev, stage or prod", Environment.Dev));
  const tenants = options.tenant ?? list(await ask("tenants, with commas; none for one cell on each cluster", ""));
  const inventory = stringify({
    clusters: contexts.map((context) => ({
      id: idOf(context),
      region,
      ...(options.kubeconfig !== undefined && { kubeconfig: resolve(options.kubeconfig) }),
      context,
    })),
    ...(tenants.length > 0 && { tenants: tenants.map((id) => ({ id })) }),
    cells: [{ environment, clusters: contexts.map(idOf), ...(tenants.length > 0 && { tenants }) }],
  });
  fleetOf(parseYaml(inventory, INVENTORY_FILE));
  const overlay = (levels: string) => `# yaml-language-server: $schema=${levels}schemas/overlay.schema.json\n`;
  return {
    folder: resolve(options.folder ?? "stacks"),
    environment,
    files: {
      [INVENTORY_FILE]: `# yaml-language-server: $schema=schemas/fleet.schema.json\n${inventory}`,
      "overlays/base.yaml": `${overlay("../")}# What every cell has; later layers win: environment, region, tenant, cluster, the stack's own file.\n{}\n`,
      [`overlays/environment/${environment}.yaml`]: `${overlay("../../")}# What the cells of ${environment} have.\n{}\n`,
      "schemas/fleet.schema.json": jsonSchema("fleet"),
      "schemas/overlay.schema.json": jsonSchema("overlay"),
    },
  };
}

function defaultKubeconfig(): string {
  const [first] = (process.env.KUBECONFIG ?? "").split(delimiter);
  return first === undefined || first === "" ? join(homedir(), ".kube", "config") : first;
}

function contextsOf(kubeconfig: string): string[] {
  let text: string;
  try {
    text = readFileSync(kubeconfig, "utf8");
  } catch {
    throw new NotFound({ what: "there is no kubeconfig", where: kubeconfig, fix: "name yours with --kubeconfig" });
  }
  const { contexts } = (parse(text) ?? {}) as { contexts?: { name?: string }[] };
  const names = (contexts ?? []).flatMap(({ name }) => name ?? []);
  if (names.length > 0) return names;
  throw new ValidationFailed({ what: "it has no context", where: kubeconfig, fix: "name another with --kubeconfig" });
}

/** A cluster's id of a context's name: `arn:aws:eks:eu-west-1:1:cluster/prod` becomes `prod`. */
function idOf(context: string): string {
  const last = context.split(/[/@]/).at(-1) ?? context;
  return last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "");
}

function list(text: string): string[] {
  return text.split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
}

function nextSteps(folder: string, files: string[], environment: string): string {
  return [
    `wrote to ${folder}: ${files.join(", ")}`,
    "",
    "next:",
    "  clawfleet config schema              every setting of an overlay, for editors",
    "  kubectl --context CONTEXT get namespace kube-system -o jsonpath='{.metadata.uid}'",
    "                                       is each cluster's uid; with it no other cluster is ever written to",
    "  clawfleet config check               checks the files",
    `  pulumi preview -s ${environment}${" ".repeat(Math.max(1, 20 - environment.length))}shows what would be made`,
    "",
  ].join("\n");
}
