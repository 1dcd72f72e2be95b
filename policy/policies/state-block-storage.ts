import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect, type Field, type Problems } from "../kubernetes/field";
import { kubernetesType, podSpecOf } from "../kubernetes/workloads";

interface Config {
  /** What the names of StorageClasses of shared file systems contain. */
  sharedClasses: string[];
}

/** SQLite, PostgreSQL and their like lock files, and a shared file system's locks fail: data is corrupted, or hangs. */
export const stateBlockStorage: ResourceValidationPolicy = {
  name: "state-block-storage",
  description: "Volumes are block storage that one node mounts at a time, never NFS or another shared file system.",
  configSchema: {
    properties: {
      sharedClasses: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: ["nfs", "efs", "azurefile", "azure-file", "filestore", "cephfs", "smb", "glusterfs", "fsx", "rwx"],
        description: "What the names of StorageClasses of shared file systems contain.",
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
      const pod = podSpecOf(args.type, resource);
      for (const volume of pod?.at("volumes").items() ?? []) {
        for (const kind of SHARED_VOLUMES) {
          volume.at(kind).check((value) => (value === undefined ? [] : [`a shared file system; ${USE}`]));
        }
      }
    });
  },
};

const USE = "use ReadWriteOnce with a class of block storage";

/** The kinds of shared file systems that a Pod can mount without a claim. */
const SHARED_VOLUMES = ["nfs", "cephfs", "glusterfs", "azureFile"];

/** The claims of a resource: its own, or those that it makes for each Pod. */
function claimsOf(type: string, resource: Field): Field[] {
  const { group = "", kind = "" } = kubernetesType(type) ?? {};
  if (group === "core" && kind === "PersistentVolumeClaim") return [resource.at("spec")];
  if (group !== "apps" || kind !== "StatefulSet") return [];
  return resource
    .at("spec", "volumeClaimTemplates")
    .items()
    .map((template) => template.at("spec"));
}

function modeProblems(mode: unknown): Problems {
  return mode === "ReadWriteOnce" || mode === "ReadWriteOncePod" ? [] : [`more than one node may mount it; ${USE}`];
}

function classProblems(name: unknown, sharedClasses: string[]): Problems {
  if (typeof name !== "string") return [];
  const shared = sharedClasses.some((part) => name.toLowerCase().includes(part.toLowerCase()));
  return shared ? [`a class of shared file systems; ${USE}`] : [];
}
