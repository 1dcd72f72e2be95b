import type { ClusterPrograms } from "../../engine/clusters/index";
import { clusterTools, ensureManifests, ensureTools } from "../../engine/toolchain/index";

/** What local clusters need, from the toolchain: the first time on a machine that takes minutes. */
export async function clusterPrograms(): Promise<ClusterPrograms> {
  const tools = await ensureTools(clusterTools);
  const pathOf = (name: keyof typeof tools) => tools[name].path;
  return {
    etcd: pathOf("etcd"),
    "kube-apiserver": pathOf("kube-apiserver"),
    "kube-controller-manager": pathOf("kube-controller-manager"),
    "kube-scheduler": pathOf("kube-scheduler"),
    kwok: pathOf("kwok"),
    ...(await ensureManifests()),
  };
}
