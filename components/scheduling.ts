import type { types } from "@pulumi/kubernetes";

/** A toleration of a node's taint. */
export interface TolerationOptions {
  /** The taint's key. */
  key: string;
  /** The taint's value; without it, any value is tolerated. */
  value?: string;
  /** `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: every effect. */
  effect?: string;
}

/** Where Pods may run, and how important they are. */
export interface SchedulingOptions {
  /** Node labels that a node must have. Default: none. */
  nodeSelector?: Record<string, string>;
  /** Taints that are tolerated. Default: none. */
  tolerations?: TolerationOptions[];
  /** An existing PriorityClass: it belongs to the whole cluster, so no cell makes one of its own. Default: the cluster's default. */
  priorityClassName?: string;
}

/** The fields of a Pod's spec that the options stand for. */
export function schedulingOf(options: SchedulingOptions = {}): Partial<types.input.core.v1.PodSpec> {
  return {
    ...(options.nodeSelector && { nodeSelector: options.nodeSelector }),
    ...(options.priorityClassName && { priorityClassName: options.priorityClassName }),
    ...(options.tolerations && {
      tolerations: options.tolerations.map(({ key, value, effect }) => ({
        key,
        operator: value === undefined ? "Exists" : "Equal",
        value,
        effect,
      })),
    }),
  };
}
