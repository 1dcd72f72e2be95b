import type { Input, Resource } from "@pulumi/pulumi";
import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import { ANY_HOST } from "./host-names";
import { selectorLabels } from "./labels";
import type { Endpoint } from "./part";

/** A component of a cell that may reach public hosts by name. */
export interface CiliumEgressArgs {
  namespace: Input<string>;
  instance: string;
  /** `app.kubernetes.io/component` of its Pods. */
  component: string;
  labels: Record<string, string>;
  /** Who resolves its names. Default: the cluster's DNS. */
  dns?: Endpoint;
  /** `api.example.com`, `.example.com` with everything beneath it, or `*`. */
  hosts: string[];
  /** TCP ports. */
  ports: number[];
}

/**
 * Opens exactly the addresses that the hosts resolve to. Cilium learns them from the answers of the DNS server, which it
 * therefore reads. Policies add up: nothing else may open the internet to the same Pods.
 */
export function ciliumEgress(name: string, args: CiliumEgressArgs, parent: Resource): CustomResource {
  return new CustomResource(
    name,
    {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name, namespace: args.namespace, labels: args.labels },
      spec: ciliumEgressSpec(args),
    },
    { parent },
  );
}

/** The spec of the CiliumNetworkPolicy. */
export function ciliumEgressSpec(args: Omit<CiliumEgressArgs, "namespace" | "labels">): object {
  return {
    endpointSelector: { matchLabels: selectorLabels(args.instance, args.component) },
    egress: [
      {
        toEndpoints: [{ matchLabels: resolver(args.instance, args.dns) }],
        toPorts: [
          {
            ports: ["UDP", "TCP"].map((protocol) => ({
              port: String(args.dns?.podPort ?? args.dns?.port ?? 53),
              protocol,
            })),
            rules: { dns: [{ matchPattern: "*" }] },
          },
        ],
      },
      {
        toFQDNs: args.hosts.flatMap(selectorsOf),
        toPorts: [{ ports: args.ports.map((port) => ({ port: String(port), protocol: "TCP" })) }],
      },
    ],
  };
}

/** Cilium's pattern `*.example.com` is one label deep, `**.example.com` any number of them. */
function selectorsOf(host: string): object[] {
  if (host === ANY_HOST) return [{ matchPattern: "*" }];
  return host.startsWith(".") ? [{ matchName: host.slice(1) }, { matchPattern: `**${host}` }] : [{ matchName: host }];
}

function resolver(instance: string, dns: Endpoint | undefined): Record<string, string> {
  return dns === undefined
    ? { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns" }
    : selectorLabels(instance, dns.component);
}
