import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stateFolder } from "../stacks/local-clusters";

/** The project's root: the folder of Pulumi.yaml. */
export const projectRoot = findRoot(__dirname);

/** The version of this package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string }).version;
}

function findRoot(from: string): string {
  if (existsSync(join(from, "Pulumi.yaml"))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error("no Pulumi.yaml above the command's own folder");
  return findRoot(parent);
}

/** Where everything that belongs to this machine is kept, none of it tracked by git. */
export interface StateLayout {
  /** The folder itself; mode 0700. */
  folder: string;
  /** PULUMI_HOME. */
  pulumiHome: string;
  /** Put before everything else on PATH by `make env`. */
  bin: string;
  /** The `file://` backend. */
  backend: string;
  /** The passphrase of the backend's secrets; mode 0600. */
  passphraseFile: string;
  /** Stack files with the salt that this machine's passphrase needs. */
  stackFiles: string;
  /** TMPDIR of Pulumi and its plugins. */
  temporary: string;
}

/** The layout of the state folder: `.clawfleet` in the project, or CLAWFLEET_STATE. */
export function stateLayout(env: NodeJS.ProcessEnv = process.env): StateLayout {
  const folder = stateFolder({ CLAWFLEET_STATE: join(projectRoot, ".clawfleet"), ...env });
  return {
    folder,
    pulumiHome: join(folder, "pulumi"),
    bin: join(folder, "bin"),
    backend: join(folder, "backend"),
    passphraseFile: join(folder, "passphrase"),
    stackFiles: join(folder, "stacks"),
    temporary: join(folder, "tmp"),
  };
}

/** Creates the state folder, and a passphrase that nobody has to think of. */
export function prepareState(layout: StateLayout): void {
  for (const folder of [layout.folder, layout.backend, layout.stackFiles, layout.bin, layout.temporary]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  chmodSync(layout.folder, 0o700);
  removeLeftKubeconfigs(layout);
  try {
    // `wx`: of two processes that start at once, one writes and both read the same.
    const passphrase = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
    writeFileSync(layout.passphraseFile, `${passphrase}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * The Kubernetes provider writes the kubeconfig that it was given into a new temporary file each time it starts, for
 * Helm alone, and never removes it. Nothing of ours uses Helm, so a running provider does not miss its own either.
 */
function removeLeftKubeconfigs(layout: StateLayout): void {
  for (const file of readdirSync(layout.temporary)) {
    if (/^kubeconfig\d+$/.test(file)) rmSync(join(layout.temporary, file), { force: true });
  }
}

/** Whether the stack's state is in the project's own backend, rather than in one that the user named. */
export function usesLocalBackend(env: NodeJS.ProcessEnv = process.env): boolean {
  const backend = env.PULUMI_BACKEND_URL ?? "";
  return backend === "" || backend === localBackendUrl(stateLayout(env));
}

/**
 * The URL of the project's own backend. Without `metadata=skip` each write of the state is two, and the second is not
 * atomic: a process that is killed in it leaves a state that Pulumi can't read ("failed to load checkpoint: EOF").
 */
export function localBackendUrl(layout: StateLayout): string {
  return `file://${layout.backend}?metadata=skip`;
}

/** The variables that Pulumi needs to use the project's own backend; none when the user has chosen one. */
export function backendEnv(layout: StateLayout, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  if (!usesLocalBackend(env)) return {};
  const hasPassphrase = env.PULUMI_CONFIG_PASSPHRASE !== undefined || env.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
  return {
    PULUMI_BACKEND_URL: localBackendUrl(layout),
    ...(!hasPassphrase && { PULUMI_CONFIG_PASSPHRASE_FILE: layout.passphraseFile }),
  };
}

/** What Pulumi and its plugins, which are Go programs, run with on this machine. */
export function processEnv(layout: StateLayout, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return {
    TMPDIR: layout.temporary,
    // With each step the engine writes the whole state anew. Collecting that garbage at Go's default pace took a quarter of
    // the processor time of an `up` of 330 resources, and a fifth of a preview's.
    GOGC: env.GOGC ?? "400",
    GOMEMLIMIT: env.GOMEMLIMIT ?? "1GiB",
  };
}

/** The tracked config file of a stack. */
export function trackedStackFile(stack: string): string {
  return join(projectRoot, "stacks", `Pulumi.${stack}.yaml`);
}

function saltFile(layout: StateLayout, stack: string): string {
  return join(layout.stackFiles, `${stack}.salt`);
}

const ENCRYPTION = /^(encryptionsalt|secretsprovider|encryptedkey):/m;

/**
 * A stack's config file for Pulumi on this machine: the tracked file, and the salt that belongs to this machine's
 * passphrase. Pulumi insists on writing that salt into the config file; this keeps it out of the tracked one.
 * @returns undefined when the tracked file is to be used as it is.
 */
export function composeStackFile(layout: StateLayout, stack: string): string | undefined {
  const salt = saltFile(layout, stack);
  if (!existsSync(salt)) return undefined;
  const tracked = existsSync(trackedStackFile(stack)) ? readFileSync(trackedStackFile(stack), "utf8") : "";
  if (ENCRYPTION.test(tracked)) return undefined;
  const composed = join(layout.stackFiles, `Pulumi.${stack}.yaml`);
  const text = `${readFileSync(salt, "utf8")}${tracked}`;
  if (!existsSync(composed) || readFileSync(composed, "utf8") !== text) writeFileSync(composed, text, { mode: 0o600 });
  return composed;
}

/** A stack's config with the salt that belongs to this machine's passphrase, for a text that has no encryption of its own. */
export function withSalt(layout: StateLayout, stack: string, text: string): string {
  const salt = saltFile(layout, stack);
  return ENCRYPTION.test(text) || !existsSync(salt) ? text : `${readFileSync(salt, "utf8")}${text}`;
}

/** Takes what `pulumi config` changed in the composed file over into the tracked one, without the salt. */
export function saveComposedStackFile(layout: StateLayout, stack: string): void {
  const composed = readFileSync(join(layout.stackFiles, `Pulumi.${stack}.yaml`), "utf8");
  const text = composed.replace(/^encryptionsalt:.*\n?/m, "");
  const file = trackedStackFile(stack);
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
}

/** Keeps the salt that Pulumi made for a new stack. */
export function saveSalt(layout: StateLayout, stack: string, stackFileText: string): void {
  const salt = /^encryptionsalt:.*$/m.exec(stackFileText)?.[0];
  if (salt !== undefined) writeFileSync(saltFile(layout, stack), `${salt}\n`, { mode: 0o600 });
}
