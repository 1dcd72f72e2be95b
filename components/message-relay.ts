import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { CronJob } from "@pulumi/kubernetes/batch/v1";
import { confine } from "./confinement";
import { immutableConfigMap } from "./config-map";
import { objectLabels, Owner } from "./labels";
import { BROKER_ADDRESS_ENV, GATEWAY_URL_ENV, SHUTDOWN_SECONDS } from "./message-relay-config";
import { planMessageRelay, type MessageRelayOptions } from "./message-relay-plan";
import { passwordEnv, RELAY_EVENTS_PORT, RELAY_MONITORING_PORT, type BrokerUser } from "./messaging";
import { egressToPart } from "./network";
import { EVENTS_TOKEN_ENV, HOOKS_TOKEN_ENV } from "./openclaw/hooks";
import type { Endpoint, SeededPartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import {
  provideSecret,
  sealed,
  secretEnv,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretKey,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import { workload } from "./workload";

/** The same options with every given token marked as a secret. */
export function sealedMessageRelay<T extends MessageRelayOptions>(options: T): T {
  const { hooksToken, eventsToken } = options;
  return {
    ...options,
    ...(hooksToken && { hooksToken: sealed(hooksToken) }),
    ...(eventsToken && { eventsToken: sealed(eventsToken) }),
  };
}

export interface MessageRelayArgs extends MessageRelayOptions, SeededPartArgs {
  /** Where the broker listens. */
  broker: Endpoint;
  /** The password of the broker's user `setup`. */
  setupPassword: SecretKey;
  /** The password of the broker's user `relay`. */
  relayPassword: SecretKey;
  /** The password of the broker's user `redrive`. */
  redrivePassword: SecretKey;
  /** Where the gateway listens. */
  gateway: Endpoint;
  /** The broker's subscribers. Default: none. */
  subscribers?: string[];
}

/** User `bento` of the image. */
const BENTO_UID = 10001;
const CONFIG_DIR = "/etc/relay";

/**
 * Bento between broker and gateway. An init container makes the broker's streams, with rights that the relay itself does
 * not have. The relay takes one message after another from the broker, has the gateway's agent act on it, and
 * acknowledges it after the gateway's positive answer. A suspended CronJob brings dead letters back when it is run.
 */
export class MessageRelay extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:MessageRelay";

  /** Where the gateway posts its events to, at `/events`; undefined without `events`. */
  readonly events: Endpoint | undefined;
  /** Its health and metrics. */
  readonly monitoring: Endpoint;
  /** The token that the gateway's hooks have to ask for. */
  readonly hooksToken: SecretReference;
  /** The token that the gateway has to present with its events; undefined without `events`. */
  readonly eventsToken: SecretReference | undefined;
  /** The suspended CronJob that brings dead letters back: `kubectl create job --from=cronjob/<name>`. */
  readonly redriveJob: pulumi.Output<string>;

  constructor(name: string, args: MessageRelayArgs, opts?: pulumi.ComponentResourceOptions) {
    super(MessageRelay.__pulumiType, name, registeredArgs(sealedMessageRelay(args)), opts);
    const { subscribers = [], externalSecrets, secretSeed, namespace } = args;
    const plan = planMessageRelay(args, { subscribers, externalSecrets });
    const instance = args.instance ?? name;
    const component = "message-relay";
    const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: args.labels });
    const provide = (suffix: string, options: SecretOptions, env: string) =>
      provideSecret(
        `${name}-${suffix}`,
        options,
        { env, namespace, labels, defaultFrom: SecretFrom.Generated, externalSecrets, secretSeed },
        this,
      );
    this.hooksToken = provide("hooks-token", args.hooksToken ?? {}, HOOKS_TOKEN_ENV);
    this.eventsToken = plan.events ? provide("events-token", args.eventsToken ?? {}, EVENTS_TOKEN_ENV) : undefined;
    const configMap = immutableConfigMap(
      `${name}-config`,
      { namespace, labels, hash: plan.configHash, data: plan.files },
      this,
    );

    const address = pulumi.interpolate`${args.broker.host}:${String(args.broker.port)}`;
    const bento = (container: string, argv: string[], user: BrokerUser, password: SecretKey) => ({
      name: container,
      image: plan.image,
      imagePullPolicy: "IfNotPresent", // pinned by digest
      command: ["/bento", ...argv],
      env: [{ name: BROKER_ADDRESS_ENV, value: address }, secretEnv(passwordEnv(user), password)],
      resources: plan.resources,
      securityContext: restrictedContainer(),
      volumeMounts: [{ name: "config", mountPath: CONFIG_DIR, readOnly: true }],
    });
    const volumes = [{ name: "config", configMap: { name: configMap.metadata.name, defaultMode: 0o444 } }];
    const file = (key: string) => `${CONFIG_DIR}/${key}`;
    const streams = ["outbound.json", ...(plan.events ? ["inbound.json"] : [])].map(file);
    const relay = bento(
      "relay",
      ["-c", file("service.json"), "streams", "--no-api", ...streams],
      "relay",
      args.relayPassword,
    );
    const secrets: Record<string, SecretKey> = {
      [HOOKS_TOKEN_ENV]: this.hooksToken,
      ...(this.eventsToken && { [EVENTS_TOKEN_ENV]: this.eventsToken }),
    };
    workload(
      name,
      {
        part: args,
        component,
        kind: "Deployment",
        uid: BENTO_UID,
        initContainers: [bento("setup", ["-c", file("setup.json")], "setup", args.setupPassword)],
        containers: [
          {
            ...relay,
            env: [
              ...relay.env,
              {
                name: GATEWAY_URL_ENV,
                value: pulumi.interpolate`http://${args.gateway.host}:${String(args.gateway.port)}`,
              },
              ...Object.entries(secrets).map(([env, reference]) => secretEnv(env, reference)),
            ],
            ports: [
              { name: "monitoring", containerPort: RELAY_MONITORING_PORT, protocol: "TCP" },
              ...(plan.events ? [{ name: "events", containerPort: RELAY_EVENTS_PORT, protocol: "TCP" }] : []),
            ],
            ...probes(),
          },
        ],
        volumes,
        ports: [
          { name: "monitoring", port: RELAY_MONITORING_PORT, clients: ["diagnostics", "telemetry-collector"] },
          ...(plan.events ? [{ name: "events", port: RELAY_EVENTS_PORT, clients: [args.gateway.component] }] : []),
        ],
        egress: [egressToPart(instance, args.broker), egressToPart(instance, args.gateway)],
        podAnnotations: secretVersionsAnnotation({
          ...secrets,
          [passwordEnv("setup")]: args.setupPassword,
          [passwordEnv("relay")]: args.relayPassword,
        }),
        terminationGracePeriodSeconds: SHUTDOWN_SECONDS + 15,
      },
      this,
    );
    const redrive = bento("redrive", ["-c", file("redrive.json")], "redrive", args.redrivePassword);
    this.redriveJob = this.redriveCronJob(`${name}-redrive`, instance, args, {
      containers: [redrive],
      volumes,
    }).metadata.name;
    this.monitoring = { component, host: name, port: RELAY_MONITORING_PORT };
    this.events = plan.events ? { component, host: name, port: RELAY_EVENTS_PORT } : undefined;
    this.registerOutputs({ redriveJob: this.redriveJob });
  }

  private redriveCronJob(
    name: string,
    instance: string,
    args: MessageRelayArgs,
    pod: Pick<types.input.core.v1.PodSpec, "containers" | "volumes">,
  ): CronJob {
    const component = "message-redrive";
    const { metadata, policy, podSpec } = confine(
      name,
      { part: { ...args, instance }, component, uid: BENTO_UID, egress: [egressToPart(instance, args.broker)] },
      this,
    );
    const { labels } = metadata;
    const template = { metadata: { labels }, spec: { ...podSpec, ...pod, restartPolicy: "Never" } };
    return new CronJob(
      name,
      {
        metadata,
        spec: {
          // Never by itself: a person looks at why the messages are here first.
          suspend: true,
          schedule: "0 0 1 1 *",
          concurrencyPolicy: "Forbid",
          jobTemplate: {
            metadata: { labels },
            spec: { backoffLimit: 3, template },
          },
        },
      },
      { parent: this, dependsOn: [policy] },
    );
  }
}

/** Ready means connected to the broker; alive means that it answers, since a restart brings no broker back. */
function probes() {
  const get = (path: string) => ({ httpGet: { path, port: RELAY_MONITORING_PORT }, timeoutSeconds: 5 });
  return {
    startupProbe: { ...get("/ping"), periodSeconds: 2, failureThreshold: 30 },
    readinessProbe: { ...get("/ready"), periodSeconds: 10, failureThreshold: 3 },
    livenessProbe: { ...get("/ping"), periodSeconds: 30, failureThreshold: 3 },
  };
}
