import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { immutableConfigMap } from "./config-map";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner, selectorLabels } from "./labels";
import { brokerConfig } from "./message-broker-config";
import {
  assertUserNames,
  BROKER_MONITORING_PORT,
  BROKER_PORT,
  BROKER_USERS,
  passwordEnv,
  wholeNumber,
} from "./messaging";
import { configHash } from "./config-hash";
import type { Endpoint, SeededPartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { bytesOf, completeResources, type CompleteResources, type ResourceOptions } from "./resources";
import {
  assertSecret,
  provideSecret,
  sealed,
  secretEnv,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import { blockClaim, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** A system that publishes messages, or one that takes events. */
export interface MessageUserOptions {
  /** Its password: letters and digits. Default: generated. */
  password?: SecretOptions;
}

/** What a team may tune of its message broker. */
export interface MessageBrokerOptions {
  /** Image to run, with tag and digest. Default: `nats` of components/images.json. */
  image?: string;
  /** The volume of the streams: RWO block storage only. Default: 10Gi of the default StorageClass. */
  volume?: ClaimOptions;
  /** Requests and limits of the server. Default: 50m and 128Mi, up to 1 CPU and 256Mi. */
  resources?: ResourceOptions;
  /** Bytes of the largest message with its headers, at least 16 KiB and at most 256 KiB, since the gateway takes no more. Default: 229376 (224 KiB). */
  maxPayloadBytes?: number;
  /** How many clients may be connected. Default: 256. */
  maxConnections?: number;
  /** Systems that publish messages for the agents, by name: each may publish `outbound.<name>` and nothing else. Default: none. */
  publishers?: Record<string, MessageUserOptions>;
  /** Systems that take the gateway's events, by name: each has a durable consumer of its own. Default: none. */
  subscribers?: Record<string, MessageUserOptions>;
  /** Namespaces whose Pods may connect, for publishers and subscribers. Default: none. */
  clientNamespaces?: string[];
}

export interface MessageBrokerArgs extends MessageBrokerOptions, SeededPartArgs {
  /** The tenant, which the account of the streams is named after. Default: the cell. */
  tenant?: string;
}

/** A broker's options, checked and complete. */
export interface MessageBrokerPlan {
  image: string;
  claim: types.input.core.v1.PersistentVolumeClaimSpec;
  /** Bytes that all streams together may take. */
  storageBytes: number;
  maxPayloadBytes: number;
  maxConnections: number;
  resources: CompleteResources;
  publishers: string[];
  subscribers: string[];
}

/** A claim's size, which blockClaim has checked, in bytes. */
function volumeBytes(size: string): number {
  return size.endsWith("Ti") ? Number.parseInt(size, 10) * 2 ** 40 : bytesOf(size, "messaging.broker.volume.size");
}

/** What a stream's limit leaves free on the volume, for the server's own files and a block that is being rewritten. */
const STORAGE_SHARE = 0.9;

/** The uid and gid that the server runs as; its image has no user of its own. */
const NATS_UID = 1000;
const DATA_DIR = "/data";
const CONFIG_DIR = "/etc/nats";
const CONFIG_FILE = "nats.conf";

/**
 * Checks a broker's options and completes them.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planMessageBroker(
  options: MessageBrokerOptions,
  externalSecrets?: ExternalSecretsOptions,
): MessageBrokerPlan {
  const { publishers = {}, subscribers = {} } = options;
  const names = { publishers: Object.keys(publishers), subscribers: Object.keys(subscribers) };
  assertUserNames(names.publishers, names.subscribers, "messaging.broker");
  for (const [kind, users] of Object.entries({ publishers, subscribers })) {
    for (const [name, { password = {} }] of Object.entries(users)) {
      assertSecret(password, SecretFrom.Generated, `messaging.broker.${kind}.${name}.password`, externalSecrets);
    }
  }
  const badNamespace = options.clientNamespaces?.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name));
  if (badNamespace !== undefined) {
    throw new ValidationFailed({
      what: `${JSON.stringify(badNamespace)} is no namespace`,
      where: "messaging.broker.clientNamespaces",
      fix: "list names of namespaces",
    });
  }
  const claim = blockClaim(options.volume ?? {}, "10Gi", "messaging.broker.volume");
  const size = volumeBytes(options.volume?.size ?? "10Gi");
  return {
    image: resolveImage("nats", options.image, "messaging.broker.image"),
    claim,
    storageBytes: Math.floor(size * STORAGE_SHARE),
    maxPayloadBytes: wholeNumber(options.maxPayloadBytes ?? 229376, 16384, 262144, "messaging.broker.maxPayloadBytes"),
    maxConnections: wholeNumber(options.maxConnections ?? 256, 16, 65536, "messaging.broker.maxConnections"),
    resources: completeResources(
      options.resources ?? {},
      {
        requestsCpu: "50m",
        requestsMemory: "128Mi",
        limitsCpu: "1",
        limitsMemory: "256Mi",
        limitsEphemeralStorage: "64Mi",
      },
      "messaging.broker.resources",
    ),
    ...names,
  };
}

/**
 * A NATS server with JetStream: one Pod with its streams on a volume, and an account of the cell's tenant in which every
 * user may do what its task needs. The streams themselves are made by the relay.
 */
export class MessageBroker extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:MessageBroker";

  /** Where its clients connect. */
  readonly endpoint: Endpoint;
  /** Its health and figures. */
  readonly monitoring: Endpoint;
  /** The Secret of each user's password, by the user; the key in it is `NATS_<USER>_PASSWORD`. */
  readonly passwordSecrets: pulumi.Output<Record<string, string>>;
  /** The same for other components of the program. */
  readonly passwords: Record<string, SecretReference>;

  constructor(name: string, args: MessageBrokerArgs, opts?: pulumi.ComponentResourceOptions) {
    super(MessageBroker.__pulumiType, name, registeredArgs(sealedMessageBroker(args)), opts);
    const plan = planMessageBroker(args, args.externalSecrets);
    const instance = args.instance ?? name;
    const component = "message-broker";
    const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: args.labels });
    const metadata = (objectName: string) => ({ name: objectName, namespace: args.namespace, labels });

    const given: Record<string, MessageUserOptions> = { ...args.publishers, ...args.subscribers };
    this.passwords = Object.fromEntries(
      [...BROKER_USERS, ...Object.keys(given)].map((user) => [
        user,
        provideSecret(
          `${name}-${user}-password`,
          given[user]?.password ?? {},
          {
            env: passwordEnv(user),
            namespace: args.namespace,
            labels,
            defaultFrom: SecretFrom.Generated,
            externalSecrets: args.externalSecrets,
            secretSeed: args.secretSeed,
          },
          this,
        ),
      ]),
    );
    const text = brokerConfig({
      serverName: name,
      account: args.tenant ?? instance,
      publishers: plan.publishers,
      subscribers: plan.subscribers,
      storeDir: DATA_DIR,
      maxFileStore: plan.storageBytes,
      maxPayload: plan.maxPayloadBytes,
      maxConnections: plan.maxConnections,
    });
    const configMap = immutableConfigMap(
      `${name}-config`,
      { namespace: args.namespace, labels, hash: configHash(text), data: { [CONFIG_FILE]: text } },
      this,
    );
    const claim = volumeClaim(
      `${name}-streams`,
      { namespace: args.namespace, labels, spec: plan.claim, retain: args.retain },
      this,
    );
    const namespaces = args.clientNamespaces ?? [];
    const policy =
      namespaces.length === 0
        ? []
        : [
            new NetworkPolicy(
              `${name}-clients`,
              {
                metadata: metadata(`${name}-clients`),
                spec: {
                  podSelector: { matchLabels: selectorLabels(instance, component) },
                  policyTypes: ["Ingress"],
                  ingress: [
                    {
                      from: namespaces.map((namespace) => ({
                        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
                      })),
                      ports: [{ protocol: "TCP", port: BROKER_PORT }],
                    },
                  ],
                },
              },
              { parent: this },
            ),
          ];
    workload(
      name,
      {
        part: args,
        component,
        kind: "StatefulSet",
        uid: NATS_UID,
        containers: [container(plan, this.passwords)],
        volumes: [
          { name: "config", configMap: { name: configMap.metadata.name, defaultMode: 0o444 } },
          { name: "data", persistentVolumeClaim: { claimName: claim.metadata.name } },
        ],
        ports: [
          { name: "nats", port: BROKER_PORT, clients: ["message-relay", "message-redrive", ...(args.clients ?? [])] },
          { name: "monitoring", port: BROKER_MONITORING_PORT, clients: ["diagnostics", "telemetry-collector"] },
        ],
        podAnnotations: secretVersionsAnnotation(this.passwords),
        // It closes its connections and streams on SIGTERM: measured below 1 s.
        terminationGracePeriodSeconds: 60,
        dependsOn: policy,
      },
      this,
    );
    this.endpoint = { component, host: name, port: BROKER_PORT };
    this.monitoring = { component, host: name, port: BROKER_MONITORING_PORT };
    this.passwordSecrets = pulumi
      .all(
        Object.entries(this.passwords).map(([user, { secretName }]) => secretName.apply((it) => [user, it] as const)),
      )
      .apply((entries) => Object.fromEntries(entries));
    this.registerOutputs({ passwordSecrets: this.passwordSecrets });
  }
}

function container(plan: MessageBrokerPlan, passwords: Record<string, SecretReference>): types.input.core.v1.Container {
  const healthz = (query: string) => ({ httpGet: { path: `/healthz${query}`, port: BROKER_MONITORING_PORT } });
  return {
    name: "nats",
    image: plan.image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    // Not the lame duck mode that a cluster of servers has: there is no other server that its clients could go to, and
    // it would keep them waiting for another 30 s.
    command: ["nats-server", "--config", `${CONFIG_DIR}/${CONFIG_FILE}`],
    env: Object.entries(passwords).flatMap(([user, reference]) => {
      const plain = `${passwordEnv(user)}_PLAIN`;
      // The server reads a variable as its config's syntax: without quotes, digits alone would be a number.
      return [secretEnv(plain, reference), { name: passwordEnv(user), value: `"$(${plain})"` }];
    }),
    ports: [
      { name: "nats", containerPort: BROKER_PORT, protocol: "TCP" },
      { name: "monitoring", containerPort: BROKER_MONITORING_PORT, protocol: "TCP" },
    ],
    resources: plan.resources,
    securityContext: restrictedContainer(),
    // Recovering the streams of a full volume takes time; an unhealthy stream is no reason to restart the server.
    startupProbe: { ...healthz("?js-server-only=true"), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 60 },
    readinessProbe: { ...healthz("?js-server-only=true"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
    livenessProbe: { ...healthz("?js-enabled-only=true"), periodSeconds: 30, timeoutSeconds: 5, failureThreshold: 3 },
    volumeMounts: [
      { name: "config", mountPath: CONFIG_DIR, readOnly: true },
      { name: "data", mountPath: DATA_DIR },
    ],
  };
}

/** The same args with every password marked as a secret. */
/** The same options with every given password marked as a secret. */
export function sealedMessageBroker<T extends MessageBrokerOptions>(args: T): T {
  const seal = (users: Record<string, MessageUserOptions> | undefined) =>
    users &&
    Object.fromEntries(
      Object.entries(users).map(([name, user]) => [name, user.password ? { password: sealed(user.password) } : user]),
    );
  return { ...args, publishers: seal(args.publishers), subscribers: seal(args.subscribers) };
}
