import { isIPv6 } from "node:net";
import { output, type Input, type Output } from "@pulumi/pulumi";
import type { ExternalSecretsOptions } from "./external-secrets";
import type { SchedulingOptions } from "./scheduling";

/** Where another part of the cell listens. */
export interface Endpoint {
  /** The `app.kubernetes.io/component` of its Pods, for NetworkPolicies. */
  component: string;
  /** Its Service's name, or its address. */
  host: Input<string>;
  /** The port of its Service. */
  port: number;
  /** The port of its Pods, which is what a NetworkPolicy goes by. Default: the same. */
  podPort?: number;
}

/** What the component of every part takes beside its own options. */
export interface PartArgs {
  /** The namespace to run in; its default-deny policy is the Tenancy component's business. */
  namespace: Input<string>;
  /** The cell that the part belongs to. Default: the component's name. */
  instance?: string;
  /** Labels for every object, for example tenant and region. */
  labels?: Record<string, string>;
  /** The `app.kubernetes.io/component` of the cell's Pods that may connect. Default: none. */
  clients?: string[];
  /** The cell's DNS filter, by its address. Default: the cluster's DNS. */
  dns?: Endpoint;
  /** Where secrets come from that no option says otherwise about. Default: generated or given. */
  externalSecrets?: ExternalSecretsOptions;
  /** Where its Pods may run, and how important they are. */
  scheduling?: SchedulingOptions;
  /** Keep its volume claims when the stack is destroyed. Default: false. */
  retain?: boolean;
}

/** What the component of a part with generated secrets takes as well. */
export interface SeededPartArgs extends PartArgs {
  /** A secret of at least 43 random characters that its generated secrets are derived from until they are rotated. Another seed changes them all and rolls nothing. Default: none: each is random by itself. */
  secretSeed?: Input<string>;
}

/** The URL of another part; an IPv6 address is put into brackets. */
export function endpointUrl({ host, port }: Endpoint, path = ""): Output<string> {
  return output(host).apply((name) => `http://${isIPv6(name) ? `[${name}]` : name}:${String(port)}${path}`);
}
