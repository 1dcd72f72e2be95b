import type * as pulumi from "@pulumi/pulumi";
import type { ChannelsOptions } from "./channel-options";
import { channelSecrets, sealedChannels } from "./channels";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { authSecretEnv, providerKeyEnvs } from "./openclaw/config";
import type { OpenClawOptions } from "./openclaw/options";
import { assertSecret, provideSecret, sealed, SecretFrom, type SecretOptions, type SecretReference } from "./secrets";

/** The options of a gateway's secrets. */
interface SecretBearing {
  token?: SecretOptions;
  providerKeys?: Record<string, SecretOptions>;
  channels?: ChannelsOptions;
}

/** The same options with every value marked as a secret. */
export function sealedGateway<T extends SecretBearing>(options: T): T {
  const { token, providerKeys, channels } = options;
  return {
    ...options,
    ...(token && { token: sealed(token) }),
    ...(providerKeys && {
      providerKeys: Object.fromEntries(Object.entries(providerKeys).map(([id, key]) => [id, sealed(key)])),
    }),
    ...(channels && { channels: sealedChannels(channels) }),
  };
}

interface GatewaySecretsArgs {
  openclaw: OpenClawOptions;
  token: SecretOptions;
  providerKeys: Record<string, SecretOptions>;
  channels: ChannelsOptions;
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
  externalSecrets?: ExternalSecretsOptions;
}

/** The secrets that a gateway's config refers to. */
export interface GatewaySecrets {
  /** What clients present. */
  token: SecretReference;
  /** All of them, by environment variable. */
  byEnv: Record<string, SecretReference>;
}

/**
 * Checks the options of a gateway's secrets.
 * @throws ValidationFailed when a provider of the config has no key, a key has no provider, or fields contradict.
 */
export function assertGatewaySecrets(
  openclaw: OpenClawOptions,
  token: SecretOptions,
  providerKeys: Record<string, SecretOptions>,
  externalSecrets?: ExternalSecretsOptions,
): void {
  assertSecret(token, SecretFrom.Generated, "gateway.token", externalSecrets);
  const keyEnvs = providerKeyEnvs(openclaw);
  for (const [id, options] of Object.entries(providerKeys)) {
    const where = `gateway.providerKeys.${id}`;
    if (keyEnvs[id] === undefined) {
      throw new ValidationFailed({
        what: `a key for the model provider ${id}, which the config does not have`,
        where,
        fix: `define gateway.openclaw.models.providers.${id}, or remove the key`,
      });
    }
    assertSecret(options, SecretFrom.Value, where, externalSecrets);
  }
  for (const id of Object.keys(keyEnvs)) {
    if (providerKeys[id] === undefined && externalSecrets === undefined) {
      throw new ValidationFailed({
        what: `the model provider ${id} has no key`,
        where: `gateway.providerKeys.${id}`,
        fix: "give it a value, an existing Secret or a store, or set apiKey: false on the provider if it needs none",
      });
    }
  }
}

/** Provides the gateway's token, the key of every model provider and the tokens of the channels; the options have been checked. */
export function gatewaySecrets(name: string, args: GatewaySecretsArgs, parent: pulumi.Resource): GatewaySecrets {
  const { namespace, labels, externalSecrets } = args;
  const tokenEnv = authSecretEnv(args.openclaw);
  const provide = (suffix: string, options: SecretOptions, env: string, defaultFrom: SecretFrom) =>
    provideSecret(`${name}-${suffix}`, options, { env, namespace, labels, defaultFrom, externalSecrets }, parent);

  const token = provide("token", args.token, tokenEnv, SecretFrom.Generated);
  const byEnv: Record<string, SecretReference> = { [tokenEnv]: token };
  for (const [id, env] of Object.entries(providerKeyEnvs(args.openclaw))) {
    byEnv[env] = provide(`${id}-key`, args.providerKeys[id] ?? {}, env, SecretFrom.Value);
  }
  for (const { env, secret } of channelSecrets(args.channels)) {
    byEnv[env] = provide(env.toLowerCase().replaceAll("_", "-"), secret, env, SecretFrom.Value);
  }
  return { token, byEnv };
}
