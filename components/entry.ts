import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import { Ingress, NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { assertTls, provideCertificate, type TlsOptions } from "./certificate";
import { EntryPreset, presetFacts, WEBSOCKET_TIMEOUT_SECONDS, type PresetFacts } from "./entry-presets";
import { ValidationFailed } from "./errors";
import { objectLabels, Owner, selectorLabels } from "./labels";
import { GATEWAY_PORT } from "./openclaw/config";
import { assertTrustedProxies } from "./openclaw/trusted-proxies";
import { registeredArgs } from "./registered-args";
import { TlsFrom } from "./tls-from";

/** An Ingress as entry point. */
export interface IngressOptions {
  /** The proxy that serves it. Default: `nginx`. */
  preset?: EntryPreset;
  /** IngressClass, where it is not the preset's usual one. */
  className?: string;
  /** Further annotations; they win over the preset's. Default: none. */
  annotations?: Record<string, string>;
}

/** A Gateway that already exists and is shared by several cells. */
export interface SharedGatewayOptions {
  /** Its name. */
  name: string;
  /** The namespace that it is in. */
  namespace: string;
  /** The listener to attach to. Default: any that takes the host name. */
  sectionName?: string;
}

/** The Gateway API as entry point: an HTTPRoute on a Gateway of the cell's own, or on a shared one. */
export interface GatewayApiOptions {
  /** The proxy that serves it. Default: `envoy-gateway`. */
  preset?: EntryPreset;
  /** GatewayClass of the own Gateway, where it is not the preset's usual one. */
  className?: string;
  /** Attach to this Gateway, whose owner keeps its certificate. Default: a Gateway of the cell's own. */
  sharedGateway?: SharedGatewayOptions;
}

/** Where forwarded requests really come from. */
export interface ProxySourceOptions {
  /** Addresses of the proxy; the gateway trusts forwarded headers from nowhere else. Default: the cluster's Pod CIDRs for a proxy in the cluster; required for a load balancer outside. */
  cidrs?: string[];
  /** The namespace that the proxy's Pods run in. Default: the preset's usual one. */
  namespace?: string;
  /** Labels of the proxy's Pods. Default: the preset's usual ones. */
  podLabels?: Record<string, string>;
}

/** The way in from outside of the cluster: exactly one of `ingress` and `gatewayApi`. */
export interface EntryOptions {
  /** The host name, for example `openclaw.example.com`. No wildcard. */
  host: string;
  /** Serve it by an Ingress. */
  ingress?: IngressOptions;
  /** Serve it by the Gateway API. */
  gatewayApi?: GatewayApiOptions;
  /** The certificate. Default: a certificate authority of the cell's own, where the preset reads a Secret. */
  tls?: TlsOptions;
  /** Where forwarded requests really come from. */
  proxy?: ProxySourceOptions;
}

export interface EntryArgs extends EntryOptions {
  /** The namespace of the gateway's Service. */
  namespace: pulumi.Input<string>;
  /** The cell that the entry belongs to. Default: the component's name. */
  instance?: string;
  /** Labels for every object, for example tenant and region. */
  labels?: Record<string, string>;
  /** The gateway's Service. */
  service: pulumi.Input<string>;
  /** The Pod CIDRs of the cluster, which a proxy in the cluster gets its address from. Default: none. */
  podCidrs?: string[];
}

/** What the rest of the cell has to know of its entry; computed before anything is created. */
export interface EntryPlan {
  /** For example `https://openclaw.example.com`. */
  origin: string;
  /** The only addresses whose forwarded headers count. */
  trustedProxies: string[];
  serviceAnnotations: Record<string, string>;
  preset: EntryPreset;
  facts: PresetFacts;
  tlsFrom: TlsFrom;
}

const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;

/**
 * Checks an entry's options and derives what the gateway's config needs.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planEntry(options: EntryOptions, podCidrs: string[]): EntryPlan {
  const { host, ingress, gatewayApi, tls, proxy } = options;
  if ((ingress === undefined) === (gatewayApi === undefined)) {
    throw new ValidationFailed({
      what: ingress === undefined ? "neither ingress nor gatewayApi is given" : "ingress and gatewayApi are both given",
      where: "entry",
      fix: "give exactly one of entry.ingress and entry.gatewayApi, or no entry at all",
    });
  }
  if (!HOST.test(host)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(host)} is no host name`,
      where: "entry.host",
      fix: "write it like openclaw.example.com, without wildcard, scheme or port",
    });
  }
  assertSharedGateway(options);
  const preset =
    ingress === undefined ? (gatewayApi?.preset ?? EntryPreset.EnvoyGateway) : (ingress.preset ?? EntryPreset.Nginx);
  const facts = presetFacts(preset, ingress === undefined ? "gatewayApi" : "ingress");
  const trustedProxies = proxy?.cidrs ?? (facts.inCluster ? podCidrs : []);
  if (trustedProxies.length === 0) {
    throw new ValidationFailed({
      what: `nothing says where ${preset} forwards requests from, so the gateway could trust no forwarded header`,
      where: "entry.proxy.cidrs",
      fix: `give ${facts.cidrsHint}`,
    });
  }
  assertTrustedProxies(trustedProxies, "entry.proxy.cidrs");
  const tlsFrom = tls?.from ?? (facts.cloudCertificate ? TlsFrom.Cloud : TlsFrom.OwnCa);
  if ((tlsFrom === TlsFrom.Cloud) !== (facts.cloudCertificate ?? false)) {
    throw new ValidationFailed({
      what: `${preset} ${facts.cloudCertificate ? "reads its certificate from the cloud only" : "reads its certificate from a Secret only"}`,
      where: "entry.tls.from",
      fix: facts.cloudCertificate ? "use from: cloud with cloudCertificate" : "use own-ca, cert-manager or existing",
    });
  }
  if (gatewayApi?.sharedGateway === undefined) assertTls(tls ?? {}, tlsFrom);
  return {
    origin: `https://${host}`,
    trustedProxies,
    serviceAnnotations: facts.serviceAnnotations ?? {},
    preset,
    facts,
    tlsFrom,
  };
}

/** Class and certificate of a shared Gateway are its owner's. */
function assertSharedGateway({ gatewayApi, tls }: EntryOptions): void {
  if (gatewayApi?.sharedGateway === undefined) return;
  const where =
    tls !== undefined ? "entry.tls" : gatewayApi.className !== undefined ? "entry.gatewayApi.className" : "";
  if (where === "") return;
  throw new ValidationFailed({
    what: "a shared Gateway has its own",
    where,
    fix: `remove ${where}, or entry.gatewayApi.sharedGateway for a Gateway of the cell's own`,
  });
}

/** The way in: an Ingress, or an HTTPRoute with its Gateway; its certificate; and leave for its proxy to reach the gateway. */
export class Entry extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Entry";

  /** The URL that browsers use. */
  readonly url: pulumi.Output<string>;
  /** PEM of the authority that clients have to trust; empty when the certificate is not ours. */
  readonly caCertificate: pulumi.Output<string>;

  constructor(name: string, args: EntryArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Entry.__pulumiType, name, registeredArgs(args), opts);
    const plan = planEntry(args, args.podCidrs ?? []);
    const instance = args.instance ?? name;
    const labelsFor = (owner: Owner) => objectLabels({ instance, component: "entry", owner, extra: args.labels });
    const metadata = { name, namespace: args.namespace, labels: labelsFor(Owner.App) };

    // The owner of a shared Gateway keeps its certificate.
    const certificate = args.gatewayApi?.sharedGateway
      ? undefined
      : provideCertificate(
          `${name}-tls`,
          {
            host: args.host,
            namespace: args.namespace,
            labels: labelsFor(Owner.Platform),
            tls: args.tls ?? {},
            from: plan.tlsFrom,
          },
          this,
        );
    allowProxy(name, args, plan, { ...metadata, labels: labelsFor(Owner.Platform) }, this);
    const object = { ...args, metadata, plan, secretName: certificate?.secretName };
    if (args.ingress !== undefined) {
      ingressEntry(name, object, args.ingress, this);
    } else if (args.gatewayApi !== undefined) {
      gatewayApiEntry(name, object, args.gatewayApi, this);
    }

    this.url = pulumi.output(plan.origin);
    this.caCertificate = certificate?.caCertificate ?? pulumi.output("");
    this.registerOutputs({ url: this.url, caCertificate: this.caCertificate });
  }
}

interface EntryObjectArgs extends EntryArgs {
  metadata: types.input.meta.v1.ObjectMeta;
  plan: EntryPlan;
  secretName: pulumi.Output<string> | undefined;
}

/** The gateway is reached by the entry's proxy, and by nothing else. */
function allowProxy(
  name: string,
  args: EntryArgs,
  plan: EntryPlan,
  metadata: types.input.meta.v1.ObjectMeta,
  parent: pulumi.Resource,
): void {
  const matchLabels = selectorLabels(args.instance ?? name, "gateway");
  if (plan.preset === EntryPreset.Cilium) {
    new CustomResource(
      name,
      {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata,
        spec: {
          endpointSelector: { matchLabels },
          ingress: [
            { fromEntities: ["ingress"], toPorts: [{ ports: [{ port: String(GATEWAY_PORT), protocol: "TCP" }] }] },
          ],
        },
      },
      { parent },
    );
    return;
  }
  new NetworkPolicy(
    name,
    {
      metadata,
      spec: {
        podSelector: { matchLabels },
        policyTypes: ["Ingress"],
        ingress: [{ from: proxyPeers(plan, args.proxy ?? {}), ports: [{ protocol: "TCP", port: GATEWAY_PORT }] }],
      },
    },
    { parent },
  );
}

function proxyPeers(
  { facts, trustedProxies }: EntryPlan,
  proxy: ProxySourceOptions,
): types.input.networking.v1.NetworkPolicyPeer[] {
  const namespace = proxy.namespace ?? facts.proxyPods?.namespace;
  if (namespace === undefined) {
    return [...trustedProxies, ...(facts.healthCheckCidrs ?? [])].map((cidr) => ({ ipBlock: { cidr } }));
  }
  return [
    {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
      podSelector: { matchLabels: proxy.podLabels ?? facts.proxyPods?.labels ?? {} },
    },
  ];
}

function ingressEntry(name: string, args: EntryObjectArgs, options: IngressOptions, parent: pulumi.Resource): void {
  const { facts, preset } = args.plan;
  if (preset === EntryPreset.GkeInternal) {
    new CustomResource(
      `${name}-backend`,
      {
        apiVersion: "cloud.google.com/v1",
        kind: "BackendConfig",
        metadata: { ...args.metadata, name: "openclaw" }, // the name that the Service's annotation refers to
        spec: {
          timeoutSec: WEBSOCKET_TIMEOUT_SECONDS,
          healthCheck: { type: "HTTP", requestPath: "/healthz", port: GATEWAY_PORT },
        },
      },
      { parent },
    );
  }
  const className = options.className ?? facts.className;
  new Ingress(
    name,
    {
      metadata: {
        ...args.metadata,
        annotations: {
          ...facts.annotations,
          ...(args.tls?.cloudCertificate !== undefined && {
            "alb.ingress.kubernetes.io/certificate-arn": args.tls.cloudCertificate,
          }),
          ...options.annotations,
        },
      },
      spec: {
        ...(className !== "" && { ingressClassName: className }),
        ...(args.secretName && { tls: [{ hosts: [args.host], secretName: args.secretName }] }),
        rules: [
          {
            host: args.host,
            http: {
              paths: [
                { path: "/", pathType: "Prefix", backend: { service: { name: args.service, port: { name: "http" } } } },
              ],
            },
          },
        ],
      },
    },
    { parent },
  );
}

const GATEWAY_API = "gateway.networking.k8s.io/v1";

function gatewayApiEntry(
  name: string,
  args: EntryObjectArgs,
  options: GatewayApiOptions,
  parent: pulumi.Resource,
): void {
  const { facts } = args.plan;
  const shared = options.sharedGateway;
  const gateway = shared
    ? undefined
    : new CustomResource(
        name,
        {
          apiVersion: GATEWAY_API,
          kind: "Gateway",
          metadata: args.metadata,
          spec: {
            gatewayClassName: options.className ?? facts.className,
            infrastructure: { annotations: facts.annotations },
            listeners: [
              {
                name: "https",
                protocol: "HTTPS",
                port: 443,
                hostname: args.host,
                tls: { mode: "Terminate", certificateRefs: [{ kind: "Secret", name: args.secretName }] },
                allowedRoutes: { namespaces: { from: "Same" } },
              },
            ],
          },
        },
        { parent },
      );
  new CustomResource(
    `${name}-route`,
    {
      apiVersion: GATEWAY_API,
      kind: "HTTPRoute",
      metadata: args.metadata,
      spec: {
        parentRefs: [shared ?? { name: gateway?.metadata.name, sectionName: "https" }],
        hostnames: [args.host],
        rules: [
          {
            matches: [{ path: { type: "PathPrefix", value: "/" } }],
            backendRefs: [{ name: args.service, port: GATEWAY_PORT }],
            // No limit: a WebSocket is one request that lasts.
            timeouts: { request: "0s", backendRequest: "0s" },
          },
        ],
      },
    },
    { parent },
  );
}
