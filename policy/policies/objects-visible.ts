import type { ResourcePolicy } from "../kubernetes/policy";

export const objectsVisible: ResourcePolicy = {
  name: "objects-visible",
  description: "What is deployed consists of objects that policies can see, and not of a Helm release.",
  why: "A helm.v3.Release is one resource to Pulumi: no policy sees its Pods, its roles or its Services.",
  severity: "high",
  remediationSteps: "Use helm.v4.Chart, which makes a resource of every object, or exempt a chart that was reviewed.",
  url: "https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v4/chart/",
  validateResource: (args, report) => {
    if (args.type !== "kubernetes:helm.sh/v3:Release") return;
    report("chart: its objects are hidden from policies; use helm.v4.Chart");
  },
};
