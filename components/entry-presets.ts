import { ValidationFailed } from "./errors";
import { GATEWAY_PORT } from "./openclaw/config";

/** The proxy that an entry point runs on. Each is set up to be reachable privately and to keep WebSockets open. */
export enum EntryPreset {
  /** ingress-nginx, in the cluster. */
  Nginx = "nginx",
  /** Traefik, in the cluster. */
  Traefik = "traefik",
  /** AWS Load Balancer Controller, internal ALB. */
  AlbInternal = "alb-internal",
  /** GKE's internal Application Load Balancer. */
  GkeInternal = "gke-internal",
  /** Azure Application Gateway Ingress Controller on its private address. */
  AzureInternal = "azure-internal",
  /** Envoy Gateway (Gateway API), in the cluster. */
  EnvoyGateway = "envoy-gateway",
  /** Cilium's Gateway API. */
  Cilium = "cilium",
}

/** Seconds that an idle WebSocket stays open; the Control UI and nodes keep one each. */
export const WEBSOCKET_TIMEOUT_SECONDS = 3600;

/** What a preset stands for. */
export interface PresetFacts {
  api: "ingress" | "gatewayApi";
  /** IngressClass or GatewayClass. */
  className: string;
  /** On the Ingress, or on the Gateway's infrastructure (its Service). */
  annotations: Record<string, string>;
  /** On the gateway's Service. */
  serviceAnnotations?: Record<string, string>;
  /** The proxy runs in the cluster, and forwards requests from an address of the Pod CIDR. */
  inCluster?: boolean;
  /** Where the proxy's Pods run; undefined when it is outside of the cluster, or part of each node. */
  proxyPods?: { namespace: string; labels: Record<string, string> };
  /** Sources of health checks, beside the proxy itself. */
  healthCheckCidrs?: string[];
  /** The proxy takes its certificate from the cloud, not from a Secret. */
  cloudCertificate?: boolean;
  /** What proxy.cidrs has to be when the proxy is outside of the cluster. */
  cidrsHint: string;
}

const timeout = String(WEBSOCKET_TIMEOUT_SECONDS);
const podCidr = "the cluster's Pod CIDR, from which the proxy's Pods get their addresses";

/** Every cloud reads its own annotation and ignores the others, so a Gateway is private on each. */
const INTERNAL_LOAD_BALANCER = {
  "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
  "networking.gke.io/load-balancer-type": "Internal",
  "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
};

const PRESETS: Record<EntryPreset, PresetFacts> = {
  // https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
  [EntryPreset.Nginx]: {
    api: "ingress",
    className: "nginx",
    annotations: {
      "nginx.ingress.kubernetes.io/proxy-read-timeout": timeout,
      "nginx.ingress.kubernetes.io/proxy-send-timeout": timeout,
      "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
    },
    inCluster: true,
    proxyPods: { namespace: "ingress-nginx", labels: { "app.kubernetes.io/name": "ingress-nginx" } },
    cidrsHint: podCidr,
  },
  // Traefik sets no time limit on an upgraded connection.
  [EntryPreset.Traefik]: {
    api: "ingress",
    className: "traefik",
    annotations: {
      "traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
      "traefik.ingress.kubernetes.io/router.tls": "true",
    },
    inCluster: true,
    proxyPods: { namespace: "traefik", labels: { "app.kubernetes.io/name": "traefik" } },
    cidrsHint: podCidr,
  },
  // https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/
  [EntryPreset.AlbInternal]: {
    api: "ingress",
    className: "alb",
    annotations: {
      "alb.ingress.kubernetes.io/scheme": "internal",
      "alb.ingress.kubernetes.io/target-type": "ip",
      "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS":443}]',
      "alb.ingress.kubernetes.io/healthcheck-path": "/healthz",
      "alb.ingress.kubernetes.io/load-balancer-attributes": `idle_timeout.timeout_seconds=${timeout}`,
    },
    cloudCertificate: true,
    cidrsHint: "the subnets of the load balancer",
  },
  // https://cloud.google.com/kubernetes-engine/docs/how-to/internal-load-balance-ingress; the class is an annotation there.
  [EntryPreset.GkeInternal]: {
    api: "ingress",
    className: "",
    annotations: { "kubernetes.io/ingress.class": "gce-internal", "kubernetes.io/ingress.allow-http": "false" },
    serviceAnnotations: {
      "cloud.google.com/neg": '{"ingress": true}',
      "cloud.google.com/backend-config": '{"default": "openclaw"}',
    },
    // https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges
    healthCheckCidrs: ["35.191.0.0/16", "130.211.0.0/22"],
    cidrsHint: "the proxy-only subnet of the region",
  },
  // https://azure.github.io/application-gateway-kubernetes-ingress/annotations/
  [EntryPreset.AzureInternal]: {
    api: "ingress",
    className: "azure-application-gateway",
    annotations: {
      "appgw.ingress.kubernetes.io/use-private-ip": "true",
      "appgw.ingress.kubernetes.io/ssl-redirect": "true",
      "appgw.ingress.kubernetes.io/request-timeout": timeout,
      "appgw.ingress.kubernetes.io/health-probe-path": "/healthz",
      "appgw.ingress.kubernetes.io/health-probe-port": String(GATEWAY_PORT),
    },
    cidrsHint: "the subnet of the Application Gateway",
  },
  [EntryPreset.EnvoyGateway]: {
    api: "gatewayApi",
    className: "eg",
    annotations: INTERNAL_LOAD_BALANCER,
    inCluster: true,
    proxyPods: {
      namespace: "envoy-gateway-system",
      labels: { "app.kubernetes.io/component": "proxy", "app.kubernetes.io/name": "envoy" },
    },
    cidrsHint: podCidr,
  },
  // Cilium's proxy is part of each node; its traffic has the identity `ingress`, which only Cilium's own policies know.
  [EntryPreset.Cilium]: {
    api: "gatewayApi",
    className: "cilium",
    annotations: INTERNAL_LOAD_BALANCER,
    inCluster: true,
    cidrsHint: "the cluster's Pod CIDR, from which Cilium takes its ingress addresses",
  },
};

/**
 * The facts of a preset.
 * @throws ValidationFailed when the preset is of the other API.
 */
export function presetFacts(preset: EntryPreset, api: "ingress" | "gatewayApi"): PresetFacts {
  const facts = PRESETS[preset];
  if (facts.api !== api) {
    const fitting = Object.entries(PRESETS).filter(([, other]) => other.api === api);
    throw new ValidationFailed({
      what: `${preset} is no preset for ${api}`,
      where: `entry.${api}.preset`,
      fix: `use one of ${fitting.map(([name]) => name).join(", ")}, or entry.${facts.api}`,
    });
  }
  return facts;
}
