import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "../../components/yaml";
import { PLACEHOLDER, type Deployment } from "../../stacks/fleet/check/checkpoint";
import { INVENTORY_FILE, type Fleet } from "../../stacks/fleet/inventory";
import { OVERLAYS_FOLDER } from "../../stacks/fleet/overlays";
import { checkpointFile, PROJECT } from "../../stacks/project";
import { localCluster, type LocalCluster } from "../../stacks/local-clusters";
import { ChildFailed, openPulumi, type LocalPulumi } from "../pulumi";
import { stateLayout } from "../workspace";
import { runChild } from "./child";

/** The stack that the others are made after. */
const FIRST_STACK = "first";

/** A stack as the backend keeps it. */
interface StoredStack {
  checkpoint: { stack: string; latest: object };
}
/** For an embedded cluster that does not run; one that does has its own. */
const POD_CIDR = "10.160.0.0/16";

/** A Pulumi with a backend, a home and a passphrase of its own, for as long as a check takes. */
export class ThrowAway {
  private constructor(
    readonly folder: string,
    readonly pulumi: LocalPulumi,
    private readonly salt: string,
    private readonly first: StoredStack,
  ) {}

  static async open(signal: AbortSignal): Promise<ThrowAway> {
    const folder = mkdtempSync(join(tmpdir(), "clawfleet-check-"));
    try {
      const pulumi = await openPulumi({ ...withoutCredentials(process.env), CLAWFLEET_STATE: folder });
      const salt = await initFirstStack(pulumi, signal);
      const first = JSON.parse(readFileSync(checkpointFile(pulumi.layout.backend, FIRST_STACK), "utf8")) as StoredStack;
      return new ThrowAway(folder, pulumi, salt, first);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /**
   * Creates a stack, with a state if one is given: as a file, since `pulumi stack init` and `import` take a second each.
   * @param deployment a state without encrypted secrets.
   */
  createStack(stack: string, deployment: Deployment = {}): void {
    const { checkpoint } = this.first;
    const state = {
      ...this.first,
      checkpoint: {
        ...checkpoint,
        stack: checkpoint.stack.replace(/[^/]+$/, stack),
        latest: { ...deployment, ...checkpoint.latest },
      },
    };
    writeFileSync(checkpointFile(this.pulumi.layout.backend, stack), JSON.stringify(state), { mode: 0o600 });
  }

  /**
   * Writes a stack's config file: what the tracked one says, with placeholders for its secrets, for the fleet of a folder.
   * @param tracked the stack's own file, which need not exist.
   * @returns its path.
   */
  writeConfig(stack: string, tracked: string, fleetFolder: string, name = "head"): string {
    const { config = {} } = (existsSync(tracked) ? parse(readFileSync(tracked, "utf8")) : {}) as { config?: object };
    const folder = join(this.folder, "config", name);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `Pulumi.${stack}.yaml`);
    const values = { ...(withPlaceholders(config) as object), [`${PROJECT}:folder`]: fleetFolder };
    writeFileSync(file, `${this.salt}${stringify({ config: values })}`, { mode: 0o600 });
    return file;
  }

  /**
   * Copies a fleet's files, with every cluster as an embedded one, so that no kubeconfig of this machine is looked at.
   * @returns the copy.
   */
  copyFleet(folder: string, fleet: Fleet, stacks: Iterable<string>, name: string): string {
    const copy = join(this.folder, "fleets", name);
    mkdirSync(copy, { recursive: true });
    const overlays = join(folder, OVERLAYS_FOLDER);
    if (existsSync(overlays)) cpSync(overlays, join(copy, OVERLAYS_FOLDER), { recursive: true });
    for (const stack of stacks) {
      const file = `Pulumi.${stack}.yaml`;
      if (existsSync(join(folder, file))) cpSync(join(folder, file), join(copy, file));
    }
    const inventory = parse(readFileSync(join(folder, INVENTORY_FILE), "utf8")) as Record<string, unknown>;
    const clusters = fleet.clusters.map(({ id, region, labels, embedded, podCidrs }) => ({
      id,
      region,
      labels,
      embedded: true,
      // The Pod CIDR of an embedded cluster is known, and what is not known of another one stays so.
      podCidrs: podCidrs ?? (embedded === true ? undefined : []),
    }));
    writeFileSync(join(copy, INVENTORY_FILE), stringify({ ...inventory, clusters }));
    return copy;
  }

  /** The state folder of previews without clusters. */
  get offlineState(): string {
    return join(this.folder, "offline");
  }

  /** Lists clusters that nobody can reach: their kubeconfig is none, so that the provider does not even try. */
  listUnreachable(fleet: Fleet): void {
    const clusters: LocalCluster[] = fleet.clusters.map(({ id, context }) => ({
      name: id,
      context: context ?? id,
      kubeconfig: join(this.folder, "no-kubeconfig"),
      uid: "00000000-0000-0000-0000-000000000000",
      podCidr: podCidrOf(id),
    }));
    mkdirSync(this.offlineState, { recursive: true });
    writeFileSync(join(this.offlineState, "clusters.json"), JSON.stringify(clusters));
  }
}

/** What would make Pulumi use another backend or passphrase than those of the check. */
const CREDENTIALS = [
  "PULUMI_BACKEND_URL",
  "PULUMI_ACCESS_TOKEN",
  "PULUMI_CONFIG_PASSPHRASE",
  "PULUMI_CONFIG_PASSPHRASE_FILE",
];

function withoutCredentials(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !CREDENTIALS.includes(name)));
}

/** Has Pulumi make a stack, and with it the backend and a salt for the passphrase: a line of a config file. */
async function initFirstStack(pulumi: LocalPulumi, signal: AbortSignal): Promise<string> {
  const folder = join(pulumi.layout.folder, "init");
  mkdirSync(folder);
  writeFileSync(join(folder, "Pulumi.yaml"), `name: ${PROJECT}\nruntime: nodejs\n`);
  const args = ["stack", "init", FIRST_STACK, "--non-interactive"];
  const { code, stderr } = await runChild(pulumi.cli, args, { cwd: folder, env: pulumi.env, signal });
  if (code !== 0)
    throw new ChildFailed({
      what: `pulumi stack init ended with ${String(code)}: ${stderr.trim()}`,
      fix: "see `clawfleet doctor`",
    });
  const salt = /^encryptionsalt:.*$/m.exec(readFileSync(join(folder, `Pulumi.${FIRST_STACK}.yaml`), "utf8"))?.[0];
  return `${salt ?? ""}\n`;
}

/** What an embedded cluster has that runs; entries trust the proxies of that range. */
function podCidrOf(cluster: string): string {
  try {
    return localCluster(cluster, stateLayout().folder).podCidr;
  } catch {
    return POD_CIDR;
  }
}

function withPlaceholders(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withPlaceholders);
  if (typeof value !== "object" || value === null) return value;
  if ("secure" in value) return PLACEHOLDER;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withPlaceholders(item)]));
}
