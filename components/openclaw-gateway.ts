import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { StatefulSet } from "@pulumi/kubernetes/apps/v1";
import { Service } from "@pulumi/kubernetes/core/v1";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1";
import { immutableConfigMap } from "./config-map";
import { contentMounts } from "./agent-content";
import type { ChannelsOptions } from "./channel-options";
import type { Environment } from "./environment";
import { confine } from "./confinement";
import { objectLabels, Owner } from "./labels";
import { planGateway } from "./gateway-plan";
import {
  connectionAffinity,
  connectionEgress,
  connectionEnv,
  connectionSecrets,
  connectionSidecars,
  connectionsOf,
  type GatewayConnections,
} from "./gateway-connections";
import { eventsHookMounts } from "./gateway-events";
import { podsOf, type EgressRule } from "./network";
import { GIT_CREDENTIAL_ENV, sealedGitSync, type GitSyncOptions } from "./git-sync";
import { gatewayPod, type GatewayResources } from "./gateway-pod";
import { gatewaySecrets, sealedGateway } from "./gateway-secrets";
import { GATEWAY_PORT } from "./openclaw/config";
import type { OpenClawOptions } from "./openclaw/options";
import { GATEWAY_CONFIG_FILE } from "./openclaw/pod";
import { NODE_UID } from "./pod-security";
import { provideSecret, SecretFrom, secretVersionsAnnotation, type SecretOptions } from "./secrets";
import type { Endpoint, PartArgs } from "./part";
import { volumeClaim, type ClaimOptions } from "./volume-claims";
import { registeredArgs } from "./registered-args";
import type { SchedulingOptions } from "./scheduling";

/** What a team may tune of its gateway. */
export interface GatewayOptions {
  /** OpenClaw's own configuration, typed. */
  openclaw?: OpenClawOptions;
  /** Image to run, with tag and digest. Default: `openclaw-gateway` of components/images.json. */
  image?: string;
  /** Requests and limits; Node's heap is computed from the memory limit. */
  resources?: GatewayResources;
  /** The volume for OpenClaw's state (SQLite): RWO block storage only. Default: 10Gi of the default StorageClass. */
  state?: ClaimOptions;
  /** The token that clients present. Default: generated. */
  token?: SecretOptions;
  /** The API key of each model provider, by the provider's id in `openclaw.models`. */
  providerKeys?: Record<string, SecretOptions>;
  /** The channels that people reach agents by; each needs the egress part, or a rule in `egress`. Default: none. */
  channels?: ChannelsOptions;
  /** The plugins that the image has besides those built into OpenClaw: what it was built with as `OPENCLAW_EXTENSIONS`. Default: `codex` and `diagnostics-otel`, as the official images. */
  bundledPlugins?: string[];
  /** Destinations outside of the cell that the gateway may reach directly. Default: none, so a model provider outside of the cell needs a rule where there is no model proxy. */
  egress?: EgressRule[];
  /** Where its Pod may run, and how important it is. */
  scheduling?: SchedulingOptions;
  /** Seconds between SIGTERM and SIGKILL: at least 330, since the gateway drains for 315 s and shuts down within 325 s. Default: 345. */
  terminationGracePeriodSeconds?: number;
}

export interface OpenClawGatewayArgs extends GatewayOptions, GatewayConnections, PartArgs {
  /** Shown in the Control UI. */
  environment: Environment;
  /** The origin that browsers use, for example `https://openclaw.example.com`. Default: none: the Control UI is reached by port-forward. */
  publicOrigin?: string;
  /** Addresses of the reverse proxies in front of the gateway: the only ones whose forwarded headers count. Default: none. */
  trustedProxies?: string[];
  /** Annotations that the entry's load balancer reads from the Service. Default: none. */
  serviceAnnotations?: Record<string, string>;
  /** The claim of the vault to mount at `/vault`. Default: none. */
  vaultClaim?: pulumi.Input<string>;
  /** Keep that vault in step with a git repository, from a container of its own in the Pod. Default: off. */
  vaultGitSync?: GitSyncOptions;
}

/**
 * The OpenClaw gateway: one Pod with its state, its config as a read-only ConfigMap, its token as a Secret, and no
 * traffic but what is allowed.
 *
 * A changed config is a new ConfigMap (named by its hash), which rolls the Pod.
 */
export class OpenClawGateway extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:OpenClawGateway";

  /** The Service's name. */
  readonly service: pulumi.Output<string>;
  /** Where it listens, for other parts of the cell. */
  readonly endpoint: Endpoint;
  /** The URL within the cluster. */
  readonly url: pulumi.Output<string>;
  /** The token that clients present; empty when it is an existing Secret or comes from a store, which Pulumi never reads. */
  readonly token: pulumi.Output<string>;
  /** The config's hash, as in the ConfigMap's name. */
  readonly configHash: pulumi.Output<string>;
  /** The StatefulSet's name. */
  readonly statefulSet: pulumi.Output<string>;
  /** The ConfigMap's name. */
  readonly configMap: pulumi.Output<string>;

  constructor(name: string, args: OpenClawGatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super(OpenClawGateway.__pulumiType, name, registeredArgs(sealedArgs(args)), opts);
    const instance = args.instance ?? name;
    const labelsFor = (owner: Owner) => objectLabels({ instance, component: "gateway", owner, extra: args.labels });
    const { openclaw = {}, clients = [] } = args;
    const plan = planGateway(args, {
      environment: args.environment,
      publicOrigin: args.publicOrigin,
      trustedProxies: args.trustedProxies,
      vault: args.vaultClaim !== undefined,
      gitSync: args.vaultGitSync,
      connections: connectionsOf(args),
      externalSecrets: args.externalSecrets,
    });
    const sidecars = connectionSidecars(plan.image, args);

    const secrets = gatewaySecrets(
      name,
      {
        openclaw,
        token: args.token ?? {},
        providerKeys: args.providerKeys ?? {},
        channels: args.channels ?? {},
        namespace: args.namespace,
        labels: labelsFor(Owner.Platform),
        externalSecrets: args.externalSecrets,
      },
      this,
    );

    const gitSync = args.vaultGitSync && {
      instance,
      options: args.vaultGitSync,
      credential: provideSecret(
        `${name}-git-credential`,
        args.vaultGitSync.credential,
        {
          env: GIT_CREDENTIAL_ENV,
          namespace: args.namespace,
          labels: labelsFor(Owner.Platform),
          defaultFrom: SecretFrom.Value,
          externalSecrets: args.externalSecrets,
        },
        this,
      ),
    };
    const usedSecrets = {
      ...secrets.byEnv,
      ...connectionSecrets(args),
      ...(gitSync && { [GIT_CREDENTIAL_ENV]: gitSync.credential }),
    };

    const app = { namespace: args.namespace, labels: labelsFor(Owner.App) };
    const metadata = { name, ...app };
    const configMap = immutableConfigMap(
      `${name}-config`,
      { ...app, hash: plan.configHash, data: { [GATEWAY_CONFIG_FILE]: plan.configText } },
      this,
    );
    const contents = plan.content.map((content) => {
      const { agent, hash, data } = content;
      const texts = immutableConfigMap(`${name}-agent-${agent}`, { ...app, hash, data }, this);
      return { content, configMap: texts.metadata.name };
    });
    const confinement = confine(
      name,
      {
        part: args,
        component: "gateway",
        uid: NODE_UID,
        // The entry, when there is one, adds a policy for its proxy.
        ...(clients.length > 0 && {
          ingress: [
            {
              from: clients.map((client) => podsOf(instance, client)),
              ports: [{ protocol: "TCP", port: GATEWAY_PORT }],
            },
          ],
        }),
        egress: [...connectionEgress(instance, args), ...plan.egress],
      },
      this,
    );
    const { policy, selector } = confinement;
    const claim = volumeClaim(`${name}-state`, { ...app, spec: plan.stateClaim, retain: args.retain }, this);
    const service = new Service(
      name,
      {
        metadata: {
          ...metadata,
          // Endpoints come with the Pod, whose readiness the StatefulSet waits for; waiting here as well costs 10 s.
          annotations: { ...args.serviceAnnotations, "pulumi.com/skipAwait": "true" },
        },
        spec: {
          type: "ClusterIP",
          selector,
          ports: [{ name: "http", port: GATEWAY_PORT, targetPort: "http", protocol: "TCP" }],
        },
      },
      { parent: this },
    );
    new PodDisruptionBudget(
      name,
      {
        metadata: confinement.metadata,
        // One replica: minAvailable 1 would block every node drain for ever. Eviction drains the gateway first (grace period).
        spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: { matchLabels: selector } },
      },
      { parent: this },
    );
    const podSpec: types.input.core.v1.PodSpec = {
      ...confinement.podSpec,
      terminationGracePeriodSeconds: plan.gracePeriodSeconds,
      ...connectionAffinity(instance, args),
      ...gatewayPod({
        image: plan.image,
        resources: plan.resources,
        secrets: secrets.byEnv,
        env: connectionEnv(args),
        sidecars,
        configMap: configMap.metadata.name,
        content: contentMounts(Object.keys(openclaw.agents?.entries ?? {}), contents),
        eventsHook: args.hooks?.events && eventsHookMounts(name, app, this),
        stateClaim: claim.metadata.name,
        vaultClaim: args.vaultClaim,
        gitSync,
      }),
    };
    const statefulSet = new StatefulSet(
      name,
      {
        metadata,
        spec: {
          replicas: 1, // OpenClaw is a single writer of its SQLite state.
          serviceName: service.metadata.name,
          selector: { matchLabels: selector },
          template: {
            metadata: { labels: app.labels, annotations: secretVersionsAnnotation(usedSecrets) },
            spec: podSpec,
          },
        },
      },
      // The Pod must not run for a moment before the policy that confines it.
      { parent: this, dependsOn: policy, customTimeouts: { create: "15m", update: "20m" } },
    );

    this.service = service.metadata.name;
    this.endpoint = { component: "gateway", host: service.metadata.name, port: GATEWAY_PORT };
    this.url = pulumi.interpolate`http://${service.metadata.name}.${args.namespace}.svc:${GATEWAY_PORT}`;
    this.token = secrets.token.value ?? pulumi.secret("");
    this.configHash = pulumi.output(plan.configHash);
    this.statefulSet = statefulSet.metadata.name;
    this.configMap = configMap.metadata.name;
    this.registerOutputs({
      service: this.service,
      endpoint: this.endpoint,
      url: this.url,
      configHash: this.configHash,
    });
  }
}

function sealedArgs(args: OpenClawGatewayArgs): OpenClawGatewayArgs {
  return { ...sealedGateway(args), vaultGitSync: args.vaultGitSync && sealedGitSync(args.vaultGitSync) };
}
