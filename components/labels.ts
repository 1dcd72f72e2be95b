/** Who an object belongs to: the platform team that runs the fleet, or the app team that runs the agents. */
export enum Owner {
  Platform = "platform",
  App = "app",
}

/** What the labels of a cell's objects are made of. */
export interface LabelArgs {
  /** The cell, for example `prod-eu-acme`. */
  instance: string;
  /** The part, for example `gateway`. */
  component: string;
  owner: Owner;
  /** Further labels, for example region and tenant. */
  extra?: Record<string, string>;
}

/** The labels that select a part's Pods. They never change: a workload's selector is immutable. */
export function selectorLabels(instance: string, component: string): Record<string, string> {
  return {
    "app.kubernetes.io/name": "openclaw",
    "app.kubernetes.io/instance": instance,
    "app.kubernetes.io/component": component,
  };
}

/** The recommended labels of Kubernetes, and who owns the object. */
export function objectLabels(args: LabelArgs): Record<string, string> {
  return {
    // First, so that none of them replaces a label that a selector or a Role depends on.
    ...args.extra,
    ...selectorLabels(args.instance, args.component),
    "app.kubernetes.io/part-of": "agent-stack",
    "app.kubernetes.io/managed-by": "pulumi",
    "clawfleet.dev/owner": args.owner,
  };
}
