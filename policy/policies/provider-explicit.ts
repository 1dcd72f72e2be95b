import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect } from "../kubernetes/field";

const PROVIDER = "pulumi:providers:kubernetes";

/** The engine names default providers by their version: `default_4_27_0`. */
const DEFAULT_PROVIDER = /^default(_\d+_\d+_\d+.*)?$/;

/** A default provider writes to whatever cluster the kubeconfig's current context happens to be. */
export const providerExplicit: ResourceValidationPolicy = {
  name: "provider-explicit",
  description: "Kubernetes resources use an explicit provider, which identifies its cluster.",
  validateResource: (args, report) => {
    if (args.type === PROVIDER && !DEFAULT_PROVIDER.test(args.name)) {
      inspect(args, report, (provider) => {
        provider
          .at("clusterIdentifier")
          .check((value) =>
            typeof value === "string" && value !== ""
              ? []
              : ["not set, so a changed kubeconfig may replace every object; set it to the cluster's id"],
          );
      });
    } else if (args.provider?.type === PROVIDER && DEFAULT_PROVIDER.test(args.provider.name)) {
      report("opts.provider: the default provider; pass a kubernetes.Provider with a name of its own");
    }
  },
};
