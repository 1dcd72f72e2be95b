import type { ResourcePolicy } from "../kubernetes/policy";

interface Config {
  /** The Kubernetes version of the clusters, for example `1.34`. */
  kubernetesVersion: string;
}

export const apisServed: ResourcePolicy = {
  name: "apis-served",
  description: "Objects are of API versions that the clusters' Kubernetes serves.",
  why: "An upgrade of the cluster must not be what finds out that an API is gone.",
  severity: "medium",
  remediationSteps: "Write the object in the API version that the finding names.",
  url: "https://kubernetes.io/docs/reference/using-api/deprecation-guide/",
  configSchema: {
    properties: {
      kubernetesVersion: {
        type: "string",
        pattern: "^1\\.[0-9]+$",
        default: "1.35",
        description: "The Kubernetes version of the clusters, or the one that they are to be upgraded to.",
      },
    },
  },
  validateResource: (args, report) => {
    const { apiVersion, kind } = /^kubernetes:(?<apiVersion>[^:]+):(?<kind>\w+)$/.exec(args.type)?.groups ?? {};
    if (apiVersion === undefined || kind === undefined) return;
    const minor = Number(args.getConfig<Config>().kubernetesVersion.split(".")[1]);
    const rows = REMOVED.filter(
      ([version, kinds]) => version === apiVersion && (kinds === "" || kinds.split(" ").includes(kind)),
    );
    const [, , removedIn, instead] = rows[0] ?? [];
    if (removedIn !== undefined && removedIn <= minor) {
      report(`apiVersion: not served since Kubernetes 1.${String(removedIn)}; use ${instead ?? ""}`);
    }
  },
};

/** API version, kinds (all of them when empty), the minor version that stopped to serve them, and what to use. */
const REMOVED: [apiVersion: string, kinds: string, removedIn: number, instead: string][] = [
  ["extensions/v1beta1", "DaemonSet Deployment ReplicaSet", 16, "apps/v1"],
  ["extensions/v1beta1", "NetworkPolicy", 16, "networking.k8s.io/v1"],
  ["extensions/v1beta1", "PodSecurityPolicy", 16, "Pod Security admission"],
  ["extensions/v1beta1", "Ingress", 22, "networking.k8s.io/v1"],
  ["apps/v1beta1", "", 16, "apps/v1"],
  ["apps/v1beta2", "", 16, "apps/v1"],
  [
    "admissionregistration.k8s.io/v1beta1",
    "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    22,
    "admissionregistration.k8s.io/v1",
  ],
  ["apiextensions.k8s.io/v1beta1", "", 22, "apiextensions.k8s.io/v1"],
  ["apiregistration.k8s.io/v1beta1", "", 22, "apiregistration.k8s.io/v1"],
  ["authentication.k8s.io/v1beta1", "TokenReview", 22, "authentication.k8s.io/v1"],
  ["authorization.k8s.io/v1beta1", "", 22, "authorization.k8s.io/v1"],
  ["certificates.k8s.io/v1beta1", "CertificateSigningRequest", 22, "certificates.k8s.io/v1"],
  ["coordination.k8s.io/v1beta1", "Lease", 22, "coordination.k8s.io/v1"],
  ["networking.k8s.io/v1beta1", "Ingress IngressClass", 22, "networking.k8s.io/v1"],
  ["rbac.authorization.k8s.io/v1beta1", "", 22, "rbac.authorization.k8s.io/v1"],
  ["scheduling.k8s.io/v1beta1", "PriorityClass", 22, "scheduling.k8s.io/v1"],
  ["storage.k8s.io/v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment", 22, "storage.k8s.io/v1"],
  ["batch/v1beta1", "CronJob", 25, "batch/v1"],
  ["discovery.k8s.io/v1beta1", "EndpointSlice", 25, "discovery.k8s.io/v1"],
  ["events.k8s.io/v1beta1", "Event", 25, "events.k8s.io/v1"],
  ["autoscaling/v2beta1", "HorizontalPodAutoscaler", 25, "autoscaling/v2"],
  ["policy/v1beta1", "PodDisruptionBudget", 25, "policy/v1"],
  ["policy/v1beta1", "PodSecurityPolicy", 25, "Pod Security admission"],
  ["node.k8s.io/v1beta1", "RuntimeClass", 25, "node.k8s.io/v1"],
  ["autoscaling/v2beta2", "HorizontalPodAutoscaler", 26, "autoscaling/v2"],
  ["flowcontrol.apiserver.k8s.io/v1beta1", "", 26, "flowcontrol.apiserver.k8s.io/v1"],
  ["storage.k8s.io/v1beta1", "CSIStorageCapacity", 27, "storage.k8s.io/v1"],
  ["flowcontrol.apiserver.k8s.io/v1beta2", "", 29, "flowcontrol.apiserver.k8s.io/v1"],
  [
    "admissionregistration.k8s.io/v1alpha1",
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
    32,
    "admissionregistration.k8s.io/v1",
  ],
  ["flowcontrol.apiserver.k8s.io/v1beta3", "", 32, "flowcontrol.apiserver.k8s.io/v1"],
  [
    "admissionregistration.k8s.io/v1beta1",
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
    34,
    "admissionregistration.k8s.io/v1",
  ],
  ["storage.k8s.io/v1alpha1", "VolumeAttributesClass", 35, "storage.k8s.io/v1"],
  ["networking.k8s.io/v1beta1", "IPAddress ServiceCIDR", 37, "networking.k8s.io/v1"],
  ["storage.k8s.io/v1beta1", "VolumeAttributesClass", 37, "storage.k8s.io/v1"],
  ["resource.k8s.io/v1beta1", "", 38, "resource.k8s.io/v1"],
  ["resource.k8s.io/v1beta2", "", 39, "resource.k8s.io/v1"],
];
