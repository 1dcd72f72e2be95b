import type { types } from "@pulumi/kubernetes";

/** The uid, gid and fsGroup of user `node` in the OpenClaw image. */
export const NODE_UID = 1000;

/** What every Pod here runs under: the `restricted` level of the Pod Security Standards. */
export function restrictedPod(uid: number): types.input.core.v1.PodSecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    fsGroup: uid,
    // A recursive chown of a large vault would hold up every start.
    fsGroupChangePolicy: "OnRootMismatch",
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** What every container here runs under: `restricted`, and a read-only root, which that level does not ask for. */
export function restrictedContainer(): types.input.core.v1.SecurityContext {
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" },
  };
}
