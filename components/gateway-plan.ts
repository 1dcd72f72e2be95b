import type { types } from "@pulumi/kubernetes";
import type { Environment } from "./environment";
import { ValidationFailed } from "./errors";
import { assertExternalSecrets, type ExternalSecretsOptions } from "./external-secrets";
import { gatewayResources, VAULT_PATH, type ContainerResources } from "./gateway-pod";
import { assertGatewaySecrets } from "./gateway-secrets";
import { assertGitSync, type GitSyncOptions } from "./git-sync";
import { resolveImage } from "./images";
import { egressTo } from "./network";
import type { GatewayOptions } from "./openclaw-gateway";
import type { Connections } from "./openclaw/connections";
import { configHash } from "./config-hash";
import { configText, gatewayConfig } from "./openclaw/config";
import { assertGracePeriod, TERMINATION_GRACE_PERIOD_SECONDS } from "./openclaw/pod";
import { assertSecret, SecretFrom } from "./secrets";
import { agentContent, type AgentContent } from "./agent-content";
import { assertChannelEgress, checkChannels, enabledChannels, OFFICIAL_IMAGE_PLUGINS } from "./channels";
import { checkAgents } from "./openclaw/agents";
import { interfacesOf } from "./openclaw/tool-policy";
import { blockClaim } from "./volume-claims";

/** What a gateway takes from the rest of its cell. */
export interface GatewaySurroundings {
  environment: Environment;
  publicOrigin?: string;
  trustedProxies?: string[];
  vault: boolean;
  gitSync?: GitSyncOptions;
  connections?: Connections;
  externalSecrets?: ExternalSecretsOptions;
}

/** A gateway's options, checked and complete. */
export interface GatewayPlan {
  image: string;
  gracePeriodSeconds: number;
  resources: ContainerResources;
  /** The text of `openclaw.json`. */
  configText: string;
  configHash: string;
  /** The texts of the agents. */
  content: AgentContent[];
  stateClaim: types.input.core.v1.PersistentVolumeClaimSpec;
  /** Destinations outside of the cell. */
  egress: types.input.networking.v1.NetworkPolicyEgressRule[];
}

/**
 * Checks a gateway's options and completes them. It creates nothing: a cell is checked as a whole before its first
 * object exists.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planGateway(options: GatewayOptions, surroundings: GatewaySurroundings): GatewayPlan {
  const { environment, publicOrigin, trustedProxies = [], vault, gitSync, connections, externalSecrets } = surroundings;
  const gracePeriodSeconds = options.terminationGracePeriodSeconds ?? TERMINATION_GRACE_PERIOD_SECONDS;
  assertGracePeriod(gracePeriodSeconds);
  const { openclaw = {}, channels = {} } = options;
  checkChannels(channels, options.bundledPlugins ?? OFFICIAL_IMAGE_PLUGINS, externalSecrets);
  assertChannelEgress(channels, {
    forwardProxy: connections?.forwardProxy ?? false,
    egressRules: options.egress?.length ?? 0,
  });
  checkAgents(openclaw.agents ?? {}, enabledChannels(channels));
  if (externalSecrets !== undefined) assertExternalSecrets(externalSecrets);
  assertGatewaySecrets(openclaw, options.token ?? {}, options.providerKeys ?? {}, externalSecrets);
  if (gitSync !== undefined) {
    if (!vault) {
      throw new ValidationFailed({
        what: "gitSync without a vault",
        where: "vault.gitSync",
        fix: "set vault.enabled to true (OpenClawGateway: give vaultClaim), or remove gitSync",
      });
    }
    assertGitSync(gitSync);
    assertSecret(gitSync.credential, SecretFrom.Value, "vault.gitSync.credential", externalSecrets);
  }
  const text = configText(
    gatewayConfig(openclaw, {
      environment,
      publicOrigin,
      allowedOrigins: publicOrigin === undefined ? [] : [publicOrigin],
      trustedProxies,
      vaultPath: vault ? VAULT_PATH : undefined,
      connections,
      channels,
    }),
  );
  return {
    image: resolveImage("openclaw-gateway", options.image, "gateway.image"),
    gracePeriodSeconds,
    resources: gatewayResources(options.resources ?? {}),
    configText: text,
    configHash: configHash(text),
    content: agentContent(openclaw.agents ?? {}, interfacesOf(openclaw.interfaces, connections?.browser ?? false)),
    stateClaim: blockClaim(options.state ?? {}, "10Gi", "gateway.state"),
    egress: [
      ...egressTo(options.egress ?? [], "gateway.egress"),
      ...egressTo(gitSync?.egress ?? [], "vault.gitSync.egress"),
    ],
  };
}
