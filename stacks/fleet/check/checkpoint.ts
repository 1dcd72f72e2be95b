import { ValidationFailed } from "../../../components/errors";
import { typeOf } from "../engine-text";
import { formatPath } from "../merge";

/** What stands for a secret: nothing that looks like one. */
export const PLACEHOLDER = "not-compared";

/** The key by which Pulumi knows an object as something special, and what says that it is a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
/** How a bridged provider stored its state; it holds secrets of its own, and is left out by older ones altogether. */
const RAW_STATE = "__pulumi_raw_state_delta";

/** The state of a stack, as `pulumi stack export` writes it. */
export interface Deployment {
  resources?: DeployedResource[];
  [key: string]: unknown;
}

interface DeployedResource {
  urn: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  [key: string]: unknown;
}

/** A state in which no secret is left, not even an encrypted one. */
export interface BareCheckpoint {
  deployment: Deployment;
  /** The property paths of what was secret, by URN: nothing can be said of changes there. */
  secrets: Map<string, string[]>;
}

/**
 * Takes the secrets out of an exported state, so that it can be previewed without its passphrase or key.
 * @param exported what `pulumi stack export` wrote.
 * @param where the file, for messages.
 * @throws ValidationFailed for something else.
 */
export function withoutSecrets(exported: string, where: string): BareCheckpoint {
  const deployment = deploymentIn(exported);
  if (typeof deployment !== "object" || !Array.isArray(deployment.resources ?? [])) {
    throw new ValidationFailed({
      what: "is no exported state",
      where,
      fix: "write it with `pulumi stack export --stack STACK --file FILE`",
    });
  }
  const secrets = new Map<string, string[]>();
  const resources = (deployment.resources ?? []).map((resource) => {
    const paths: string[] = [];
    // The Secret's maps are secret as a whole, and providers expect maps.
    const isMap = (key: string) => typeOf(resource.urn).endsWith(":Secret") && /^(data|stringData)$/.test(key);
    const bare = (properties: Record<string, unknown> | undefined) =>
      properties && (replaced(properties, [], isMap, paths) as Record<string, unknown>);
    const result = {
      ...resource,
      ...(resource.inputs && { inputs: bare(resource.inputs) }),
      ...(resource.outputs && { outputs: bare(without(resource.outputs, RAW_STATE)) }),
    };
    if (paths.length > 0) secrets.set(resource.urn, [...new Set(paths)]);
    return result;
  });
  // What was under way when a run broke off is for the next update to tell of.
  return { deployment: { ...without(deployment, "secrets_providers", "pending_operations"), resources }, secrets };
}

function without<T extends object>(object: T, ...keys: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

function deploymentIn(exported: string): Deployment | undefined {
  try {
    return (JSON.parse(exported) as { deployment?: Deployment } | null)?.deployment;
  } catch {
    return undefined; // no JSON, and so no state
  }
}

function replaced(value: unknown, path: PropertyKey[], isMap: (key: string) => boolean, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => replaced(item, [...path, index], isMap, secrets));
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[SIGNATURE] === SECRET) {
    secrets.push(formatPath(path));
    const standIn = isMap(String(path.at(-1))) ? {} : PLACEHOLDER;
    return { [SIGNATURE]: SECRET, plaintext: JSON.stringify(standIn) };
  }
  return Object.fromEntries(
    Object.entries(object).map(([key, item]) => [key, replaced(item, [...path, key], isMap, secrets)]),
  );
}
