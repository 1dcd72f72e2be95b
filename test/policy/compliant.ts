/** Objects that the whole pack has nothing against, for programs that are to violate one policy at a time. */

export const LABELS = {
  "app.kubernetes.io/name": "test",
  "app.kubernetes.io/instance": "test",
  "app.kubernetes.io/part-of": "test",
};

export const IMAGE = `docker.io/library/nginx:1.29.1@sha256:${"0".repeat(64)}`;

export const RESOURCES = {
  requests: { cpu: "20m", memory: "64Mi", "ephemeral-storage": "16Mi" },
  limits: { cpu: "1", memory: "128Mi", "ephemeral-storage": "1Gi" },
};

/** A container but for its image and its resources. */
export const CONTAINER = {
  name: "main",
  readinessProbe: { httpGet: { port: 80, path: "/ready" } },
  livenessProbe: { httpGet: { port: 80, path: "/alive" } },
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
  },
};

export const POD_SPEC = {
  automountServiceAccountToken: false,
  containers: [{ ...CONTAINER, image: IMAGE, resources: RESOURCES }],
};

/** Of the namespace that objects are in by default. */
export const DEFAULT_DENY = {
  metadata: { labels: LABELS },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
};
