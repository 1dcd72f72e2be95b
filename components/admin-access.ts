import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { ValidationFailed } from "./errors";
import type { ExternalSecretsOptions } from "./external-secrets";
import { resolveImage } from "./images";
import { objectLabels, Owner } from "./labels";
import { egressTo, egressToPart, PRIVATE_RANGES, PRIVATE_RANGES_V6 } from "./network";
import { configHash } from "./config-hash";
import type { Endpoint, PartArgs } from "./part";
import { restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import {
  assertSecret,
  provideSecret,
  sealed,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretOptions,
} from "./secrets";
import { workload } from "./workload";

/** What a team may tune of its admin access. */
export interface AdminAccessOptions {
  /** What the node joins the tailnet with: the secret of an OAuth client with scope `auth_keys`, or a reusable auth key; either of them for the tag, and best followed by `?ephemeral=true`. */
  authKey?: SecretOptions;
  /** The ACL tag of the node, which the tailnet's policy says who may reach as whom, for example `tag:agents-prod`. */
  tag?: string;
  /** The node's name in the tailnet. Default: the component's name. */
  hostname?: string;
  /** Connect directly as well, by UDP to public addresses at STUN's and WireGuard's ports. Default: false: everything goes over Tailscale's relays, by TCP 443. */
  directConnections?: boolean;
  /** Image to run, with tag and digest. Default: `tailscale` of components/images.json. */
  image?: string;
}

export interface AdminAccessArgs extends AdminAccessOptions, PartArgs {
  /** The gateway, for the operator's shell and for port forwarding. Default: none. */
  gateway?: Endpoint;
}

/** The `app.kubernetes.io/component` of admin access. */
export const ADMIN_ACCESS = "admin-access";

/** Its uid, and the name that operators log in as: tailscaled without root lets nobody in as anybody else. */
const ADMIN_UID = 1000;
export const ADMIN_USER = "admin";
/** A user without an entry has no shell; the image has none for this uid. */
export const PASSWD = `${ADMIN_USER}:x:${String(ADMIN_UID)}:${String(ADMIN_UID)}:operator:/tmp:/bin/sh\n`;

const KEY_ENV = "TS_AUTHKEY";
const KEY_DIR = "/var/run/tailscale-key";
const SOCKET = "/tmp/tailscaled.sock";
const HEALTH = "127.0.0.1:9002";

/** Admin access' options, checked and complete. */
export interface AdminAccessPlan {
  image: string;
  tag: string;
  egress: types.input.networking.v1.NetworkPolicyEgressRule[];
}

/**
 * Checks the options of admin access and completes them. It creates nothing.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planAdminAccess(
  options: AdminAccessOptions,
  externalSecrets?: ExternalSecretsOptions,
): AdminAccessPlan {
  const { authKey = {}, tag = "", hostname } = options;
  if (options.authKey === undefined && externalSecrets === undefined) {
    throw new ValidationFailed({
      what: "no key to join the tailnet with",
      where: "adminAccess.authKey",
      fix: "refer to a Secret that holds an OAuth client's secret, or switch admin access off",
    });
  }
  assertSecret(authKey, SecretFrom.Value, "adminAccess.authKey", externalSecrets);
  if (authKey.from === SecretFrom.Generated) {
    throw new ValidationFailed({
      what: "a key cannot be generated here: Tailscale issues it",
      where: "adminAccess.authKey.from",
      fix: "use existing, value or external",
    });
  }
  if (!/^tag:[a-zA-Z][a-zA-Z0-9-]{0,62}$/.test(tag)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(tag)} is no ACL tag`,
      where: "adminAccess.tag",
      fix: "write it like tag:agents-prod; without a tag the node would be a person's, with all that person's rights",
    });
  }
  if (hostname !== undefined && !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(hostname)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(hostname)} is no host name`,
      where: "adminAccess.hostname",
      fix: "use at most 63 lower-case letters, digits and hyphens",
    });
  }
  return {
    image: resolveImage("tailscale", options.image, "adminAccess.image"),
    tag,
    egress: [
      // Tailscale's coordination server and relays have no fixed addresses.
      ...egressTo([{ cidr: "0.0.0.0/0" }, { cidr: "::/0" }], "adminAccess"),
      ...(options.directConnections ? [directConnections()] : []),
    ],
  };
}

/** UDP to whatever public address another node of the tailnet has; 3478 is STUN, 41641 WireGuard. */
function directConnections(): types.input.networking.v1.NetworkPolicyEgressRule {
  return {
    to: [
      { ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE_RANGES } },
      { ipBlock: { cidr: "::/0", except: PRIVATE_RANGES_V6 } },
    ],
    ports: [
      { protocol: "UDP", port: 3478 },
      { protocol: "UDP", port: 41641 },
    ],
  };
}

/** The environment of containerboot, the image's program, which starts tailscaled and logs it in. */
export function adminAccessEnv(hostname: string, tag: string): Record<string, string> {
  return {
    // Of the file, so that the key is on no command line and in no environment.
    [KEY_ENV]: `file:${KEY_DIR}/${KEY_ENV}`,
    TS_HOSTNAME: hostname,
    TS_USERSPACE: "true",
    // The state is in memory, where a node is ephemeral: no volume, no Secret, and so no right on the API server.
    TS_KUBE_SECRET: "",
    TS_EXTRA_ARGS: `--ssh --advertise-tags=${tag}`,
    TS_SOCKET: SOCKET,
    TS_ENABLE_HEALTH_CHECK: "true",
    TS_LOCAL_ADDR_PORT: HEALTH,
    TS_TAILSCALED_EXTRA_ARGS: "--no-logs-no-support",
    TS_ACCEPT_DNS: "false",
    HOME: "/tmp",
  };
}

/** The same options with the key's value marked as a secret. */
export function sealedAdminAccess<T extends AdminAccessOptions>(options: T): T {
  return { ...options, ...(options.authKey && { authKey: sealed(options.authKey) }) };
}

/**
 * A shell in the cell for operators, by Tailscale SSH: who may, is the tailnet's policy. From there, and by
 * `ssh -L 18789:GATEWAY:18789`, operators reach the gateway; it has to have `admin-access` among its clients.
 *
 * It is a Pod of its own, since NetworkPolicies are per Pod: as a container of the gateway's Pod it would open the
 * internet to the gateway, past the forward proxy. Its shell shows no file of the gateway, either way.
 */
export class AdminAccess extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:AdminAccess";

  /** The node's name in the tailnet. */
  readonly hostname: pulumi.Output<string>;

  constructor(name: string, args: AdminAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super(AdminAccess.__pulumiType, name, registeredArgs(sealedAdminAccess(args)), opts);
    const { hostname = name, gateway } = args;
    const instance = args.instance ?? name;
    const plan = planAdminAccess(args, args.externalSecrets);
    const labels = objectLabels({ instance, component: ADMIN_ACCESS, owner: Owner.Platform, extra: args.labels });
    const key = provideSecret(
      `${name}-key`,
      args.authKey ?? {},
      {
        env: KEY_ENV,
        namespace: args.namespace,
        labels,
        defaultFrom: SecretFrom.Value,
        externalSecrets: args.externalSecrets,
      },
      this,
    );
    const passwd = immutableConfigMap(
      `${name}-passwd`,
      { namespace: args.namespace, labels, hash: configHash(PASSWD), data: { passwd: PASSWD } },
      this,
    );
    workload(
      name,
      {
        part: args,
        component: ADMIN_ACCESS,
        kind: "Deployment",
        uid: ADMIN_UID,
        containers: [container(plan, adminAccessEnv(hostname, plan.tag))],
        volumes: [
          { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "32Mi" } },
          { name: "passwd", configMap: { name: passwd.metadata.name, defaultMode: 0o444 } },
          {
            name: "key",
            secret: { secretName: key.secretName, defaultMode: 0o440, items: [{ key: key.key, path: KEY_ENV }] },
          },
        ],
        egress: [...(gateway === undefined ? [] : [egressToPart(instance, gateway)]), ...plan.egress],
        podAnnotations: secretVersionsAnnotation({ [KEY_ENV]: key }),
      },
      this,
    );
    this.hostname = pulumi.output(hostname);
    this.registerOutputs({ hostname: this.hostname });
  }
}

function container(plan: AdminAccessPlan, env: Record<string, string>): types.input.core.v1.Container {
  const tailscale = (...args: string[]) => ({ exec: { command: ["tailscale", `--socket=${SOCKET}`, ...args] } });
  // Healthy is who has an address in the tailnet.
  const joined = {
    exec: { command: ["wget", "-q", "-O", "/dev/null", `http://${HEALTH}/healthz`] },
    timeoutSeconds: 5,
  };
  return {
    name: "tailscale",
    image: plan.image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    // The API server leaves an empty value out, which is how Kubernetes writes a variable that is set and empty.
    env: Object.entries(env).map(([variable, value]) => ({ name: variable, ...(value !== "" && { value }) })),
    resources: {
      requests: { cpu: "10m", memory: "64Mi", "ephemeral-storage": "16Mi" },
      limits: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "64Mi" },
    },
    securityContext: restrictedContainer(),
    startupProbe: { ...joined, periodSeconds: 5, failureThreshold: 60 },
    readinessProbe: { ...joined, periodSeconds: 30, failureThreshold: 3 },
    // Whether the daemon answers; away from the tailnet it finds back by itself.
    livenessProbe: { ...tailscale("version", "--daemon"), timeoutSeconds: 5, periodSeconds: 60, failureThreshold: 3 },
    // The node leaves the tailnet at once, instead of being found missing later.
    lifecycle: { preStop: tailscale("logout") },
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      { name: "passwd", mountPath: "/etc/passwd", subPath: "passwd", readOnly: true },
      { name: "key", mountPath: KEY_DIR, readOnly: true },
    ],
  };
}
