import type * as pulumi from "@pulumi/pulumi";
import { ValidationFailed } from "./errors";
import { authSecretEnv, providerKeyEnvs } from "./openclaw/config";
import type { OpenClawOptions } from "./openclaw/options";
import { provideSecret, sealed, SecretFrom, type SecretOptions, type SecretReference } from "./secrets";

/** The options of a gateway's secrets. */
interface SecretBearing {
  token?: SecretOptions;
  providerKeys?: Record<string, SecretOptions>;
}

/** The same options with every value marked as a secret. */
export function sealedGateway<T extends SecretBearing>(options: T): T {
  const { token, providerKeys } = options;
  return {
    ...options,
    ...(token && { token: sealed(token) }),
    ...(providerKeys && {
      providerKeys: Object.fromEntries(Object.entries(providerKeys).map(([id, key]) => [id, sealed(key)])),
    }),
  };
}

interface GatewaySecretsArgs {
  openclaw: OpenClawOptions;
  token: SecretOptions;
  providerKeys: Record<string, SecretOptions>;
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
}

/** The secrets that a gateway's config refers to. */
export interface GatewaySecrets {
  /** What clients present. */
  token: SecretReference;
  /** All of them, by environment variable. */
  byEnv: Record<string, SecretReference>;
}

/**
 * Provides the gateway's token and the key of every model provider.
 * @throws ValidationFailed when a provider of the config has no key, or a key has no provider.
 */
export function gatewaySecrets(name: string, args: GatewaySecretsArgs, parent: pulumi.Resource): GatewaySecrets {
  const { namespace, labels } = args;
  const keyEnvs = providerKeyEnvs(args.openclaw);
  for (const id of Object.keys(args.providerKeys)) {
    if (keyEnvs[id] === undefined) {
      throw new ValidationFailed({
        what: `a key for the model provider ${id}, which the config does not have`,
        where: `gateway.providerKeys.${id}`,
        fix: `define gateway.openclaw.models.providers.${id}, or remove the key`,
      });
    }
  }
  const tokenEnv = authSecretEnv(args.openclaw);
  const token = provideSecret(
    `${name}-token`,
    args.token,
    { env: tokenEnv, namespace, labels, where: "gateway.token", defaultFrom: SecretFrom.Generated },
    parent,
  );
  const byEnv: Record<string, SecretReference> = { [tokenEnv]: token };
  for (const [id, env] of Object.entries(keyEnvs)) {
    const options = args.providerKeys[id];
    const where = `gateway.providerKeys.${id}`;
    if (options === undefined) {
      throw new ValidationFailed({
        what: `the model provider ${id} has no key`,
        where,
        fix: "give it a value or an existing Secret, or set apiKey: false on the provider if it needs none",
      });
    }
    byEnv[env] = provideSecret(
      `${name}-${id}-key`,
      options,
      { env, namespace, labels, where, defaultFrom: SecretFrom.Value },
      parent,
    );
  }
  return { token, byEnv };
}
