import type { Input } from "@pulumi/pulumi";
import type { AgentStackArgs } from "../components/agent-stack";
import { ValidationFailed } from "../components/errors";
import { SecretFrom, type SecretOptions } from "../components/secrets";
import { componentArgs, referredType, type PropertySpec } from "./component-schema";
import type { Cell } from "./config";
import { SECRET_TYPE, type SecretConfig } from "./schema";

/** Reads a secret of the stack's config by its key. */
type ReadSecret = (key: string) => Input<string>;

/** Turns a cell's config into the component's args: the secrets are looked up, the rest is passed on. */
export function cellArgs(cell: Cell, podCidrs: string[], readSecret: ReadSecret): AgentStackArgs {
  return {
    ...(withSecrets(cell.config, componentArgs("AgentStack"), "cell", readSecret) as object),
    environment: cell.environment,
    region: cell.cluster.region,
    ...(cell.tenant !== undefined && { tenant: cell.tenant }),
    podCidrs,
  };
}

/** The same settings, with every secret's value in the place of its key. */
function withSecrets(
  settings: object,
  properties: Record<string, PropertySpec>,
  where: string,
  readSecret: ReadSecret,
): unknown {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      const property = properties[key];
      return [key, property === undefined ? value : valueOf(value, property, `${where}.${key}`, readSecret)];
    }),
  );
}

function valueOf(value: unknown, property: PropertySpec, where: string, readSecret: ReadSecret): unknown {
  const { items, additionalProperties } = property;
  if (Array.isArray(value))
    return value.map((item, index) => valueOf(item, items ?? {}, `${where}[${String(index)}]`, readSecret));
  if (typeof value !== "object" || value === null) return value;
  const referred = referredType(property);
  if (referred?.name === SECRET_TYPE) return secretOptions(value, where, readSecret);
  if (referred !== undefined) return withSecrets(value, referred.spec.properties ?? {}, where, readSecret);
  if (additionalProperties === undefined) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      valueOf(item, additionalProperties, `${where}.${key}`, readSecret),
    ]),
  );
}

function secretOptions({ configKey, ...options }: SecretConfig, where: string, readSecret: ReadSecret): SecretOptions {
  if ((options.from === SecretFrom.Value) !== (configKey !== undefined)) {
    throw new ValidationFailed({
      what:
        configKey === undefined
          ? "from is value, and no configKey says where it is"
          : "configKey is given, and from is not value",
      where,
      fix: "set from: value and configKey: NAME, and the secret with `pulumi config set --secret secrets:NAME`",
    });
  }
  return { ...options, ...(configKey !== undefined && { value: readSecret(configKey) }) };
}
