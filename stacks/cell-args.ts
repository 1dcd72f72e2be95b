import type { Input } from "@pulumi/pulumi";
import type { AgentStackArgs } from "../components/agent-stack";
import type { Environment } from "../components/environment";
import { ValidationFailed } from "../components/errors";
import { SecretFrom, type SecretOptions } from "../components/secrets";
import type { Cell } from "./config";
import type { SecretConfig } from "./schema";

/** Reads a secret of the stack's config by its key. */
type ReadSecret = (key: string) => Input<string>;

/** Turns a cell's config into the component's args: the secrets are looked up, the rest is passed on. */
export function cellArgs(
  cell: Cell,
  environment: Environment,
  podCidrs: string[],
  readSecret: ReadSecret,
): AgentStackArgs {
  const { gateway, vault, ...rest } = cell.config;
  const secret = (config: SecretConfig, where: string) => secretOptions(config, where, readSecret);
  return {
    ...rest,
    environment,
    region: cell.cluster.region,
    podCidrs,
    ...(gateway && {
      gateway: {
        ...gateway,
        token: gateway.token && secret(gateway.token, "cell.gateway.token"),
        providerKeys:
          gateway.providerKeys &&
          Object.fromEntries(
            Object.entries(gateway.providerKeys).map(([id, key]) => [
              id,
              secret(key, `cell.gateway.providerKeys.${id}`),
            ]),
          ),
      },
    }),
    ...(vault && {
      vault: {
        ...vault,
        gitSync: vault.gitSync && {
          ...vault.gitSync,
          credential: secret(vault.gitSync.credential, "cell.vault.gitSync.credential"),
        },
      },
    }),
  };
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
