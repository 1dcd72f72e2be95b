import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { objectLabels, Owner, selectorLabels } from "./labels";
import { egressToDns } from "./network";
import type { Endpoint, PartArgs } from "./part";
import { restrictedPod } from "./pod-security";
import { schedulingOf } from "./scheduling";

/** What the Pods of a part are allowed. */
export interface ConfinementArgs {
  /** What the part's component was given. */
  part: PartArgs;
  /** `app.kubernetes.io/component`. */
  component: string;
  /** The uid, gid and fsGroup of its image's user. */
  uid: number;
  /** Who may connect. Default: nobody. */
  ingress?: types.input.networking.v1.NetworkPolicyIngressRule[];
  /** What its Pods may reach beside DNS. Default: nothing. */
  egress?: types.input.networking.v1.NetworkPolicyEgressRule[];
}

/** What confines a part's Pods, and what they need to be confined by it. */
export interface Confinement {
  /** Pods must not run for a moment before it. */
  policy: NetworkPolicy;
  /** Metadata of the part's objects, all named alike. */
  metadata: { name: string; namespace: pulumi.Input<string>; labels: Record<string, string> };
  selector: Record<string, string>;
  /** Fields that every Pod's spec of the part begins with. */
  podSpec: Partial<types.input.core.v1.PodSpec>;
}

/** A part's ServiceAccount (without a token), its NetworkPolicy in both directions, and a Pod spec hardened as everything here is. */
export function confine(name: string, args: ConfinementArgs, parent: pulumi.Resource): Confinement {
  const { part, component } = args;
  const instance = part.instance ?? name;
  const labels = objectLabels({ instance, component, owner: Owner.Platform, extra: part.labels });
  const metadata = { name, namespace: part.namespace, labels };
  const selector = selectorLabels(instance, component);
  const account = new ServiceAccount(name, { metadata, automountServiceAccountToken: false }, { parent });
  const policy = new NetworkPolicy(
    name,
    {
      metadata,
      spec: {
        podSelector: { matchLabels: selector },
        policyTypes: ["Ingress", "Egress"],
        ...(args.ingress && { ingress: args.ingress }),
        egress: [egressToDns(instance, part.dns), ...(args.egress ?? [])],
      },
    },
    { parent },
  );
  const podSpec = {
    serviceAccountName: account.metadata.name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: restrictedPod(args.uid),
    ...dnsOf(part.dns, part.namespace),
    ...schedulingOf(part.scheduling),
  };
  return { policy, metadata, selector, podSpec };
}

/**
 * Pods ask the cell's DNS filter alone; what the kubelet would put into resolv.conf comes from here then.
 * @param ndots names with fewer dots are looked for in the search list first. Default: 5, as the kubelet has it.
 */
export function dnsOf(
  dns: Endpoint | undefined,
  namespace: pulumi.Input<string>,
  ndots = 5,
): Partial<types.input.core.v1.PodSpec> {
  if (dns === undefined) return {};
  return {
    dnsPolicy: "None",
    dnsConfig: {
      nameservers: [dns.host],
      searches: [pulumi.interpolate`${namespace}.svc.cluster.local`, "svc.cluster.local", "cluster.local"],
      options: [{ name: "ndots", value: String(ndots) }],
    },
  };
}
