import { inspect, type Field, type Problems } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";
import { podSpecsOf } from "../kubernetes/workloads";

interface Config {
  /** What the names of StorageClasses of shared file systems contain. */
  sharedClasses: string[];
}

export const stateBlockStorage: ResourcePolicy = {
  name: "state-block-storage",
  description: "Volumes are block storage that one node mounts at a time, never NFS or another shared file system.",
  why: "SQLite, PostgreSQL and their like lock files, and a shared file system's locks fail: data is corrupted, or hangs.",
  severity: "high",
  remediationSteps: "Use ReadWriteOnce with a StorageClass of block storage.",
  url: "https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes",
  configSchema: {
    properties: {
      sharedClasses: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: [
          "nfs",
          "efs",
          "azurefile",
          "azure-file",
          "file.csi.azure",
          "filestore",
          "cephfs",
          "smb",
          "glusterfs",
          "fsx",
          "rwx",
        ],
        description: "What the names of StorageClasses and of CSI drivers of shared file systems contain.",
      },
    },
  },
  validateResource: (args, report) => {
    const { sharedClasses } = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      for (const claim of claimsOf(args.type, resource)) {
        const modes = claim.at("accessModes");
        for (const mode of modes.items()) mode.check(modeProblems);
        modes.check((value) => (Array.isArray(value) && value.length > 0 ? [] : [`not set; ${USE}`]));
        claim.at("storageClassName").check((name) => classProblems(name, sharedClasses));
      }
      const pods = podSpecsOf(args.type, resource);
      const volumes = pods.flatMap((pod) => pod.at("volumes").items());
      if (isKind(args.type, "core", "PersistentVolume")) {
        volumes.push(resource.at("spec"));
        for (const mode of resource.at("spec", "accessModes").items()) mode.check(modeProblems);
      }
      for (const volume of volumes) {
        for (const kind of SHARED_VOLUMES) {
          volume.at(kind).check((value) => (value === undefined ? [] : [`a shared file system; ${USE}`]));
        }
        volume.at("csi", "driver").check((name) => classProblems(name, sharedClasses));
      }
    });
  },
};

const USE = "use ReadWriteOnce with a class of block storage";

/** The kinds of shared file systems that a Pod can mount without a claim. */
const SHARED_VOLUMES = ["nfs", "cephfs", "glusterfs", "azureFile"];

/** The claims of a resource: its own, or those that it makes for each Pod. */
function claimsOf(type: string, resource: Field): Field[] {
  if (isKind(type, "core", "PersistentVolumeClaim")) return [resource.at("spec")];
  const templates = isKind(type, "apps", "StatefulSet") ? resource.at("spec", "volumeClaimTemplates").items() : [];
  const ephemeral = podSpecsOf(type, resource)
    .flatMap((pod) => pod.at("volumes").items())
    .filter((volume) => volume.at("ephemeral").read()?.value !== undefined)
    .map((volume) => volume.at("ephemeral", "volumeClaimTemplate"));
  return [...templates, ...ephemeral].map((template) => template.at("spec"));
}

function modeProblems(mode: unknown): Problems {
  return mode === "ReadWriteOnce" || mode === "ReadWriteOncePod" ? [] : [`more than one node may mount it; ${USE}`];
}

function classProblems(name: unknown, sharedClasses: string[]): Problems {
  if (typeof name !== "string") return [];
  const shared = sharedClasses.some((part) => name.toLowerCase().includes(part.toLowerCase()));
  return shared ? [`of shared file systems; ${USE}`] : [];
}
