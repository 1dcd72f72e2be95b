import { inspect } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";

const PROVIDER = "pulumi:providers:kubernetes";

/** The engine names default providers by their version: `default_4_27_0`. */
const DEFAULT_PROVIDER = /^default(_\d+_\d+_\d+.*)?$/;

export const providerExplicit: ResourcePolicy = {
  name: "provider-explicit",
  description: "Kubernetes resources use an explicit provider, which identifies its cluster.",
  why: "A default provider writes to whatever cluster the kubeconfig's current context happens to be.",
  severity: "critical",
  remediationSteps: "Pass a kubernetes.Provider with a name and a clusterIdentifier of its own.",
  url: "https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/",
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
