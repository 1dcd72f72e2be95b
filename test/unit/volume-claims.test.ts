import assert from "node:assert/strict";
import { isSharedFileSystem } from "../../components/shared-file-systems";
import { blockClaim } from "../../components/volume-claims";

describe("volume claims", () => {
  it("are for one node, with the default size and class unless told otherwise", () => {
    assert.deepEqual(blockClaim({}, "10Gi", "gateway.state"), {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "10Gi" } },
    });
    assert.deepEqual(blockClaim({ size: "1Ti", storageClass: "fast" }, "10Gi", "gateway.state"), {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Ti" } },
      storageClassName: "fast",
    });
  });

  for (const size of ["10", "10GB", "0Gi", "1.5Gi", "-1Gi", "10 Gi", ""]) {
    it(`refuse the size ${JSON.stringify(size)}`, () => {
      assert.throws(
        () => blockClaim({ size }, "10Gi", "gateway.state"),
        /^ValidationFailed: gateway\.state\.size: .*\n {2}Fix: write it like 10Gi/,
      );
    });
  }
});

describe("pain 12: SQLite on shared file systems", () => {
  const shared = [
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "filestore.csi.storage.gke.io",
    "nfs.csi.k8s.io",
    "cluster.local/nfs-subdir-external-provisioner",
    "rook-ceph.cephfs.csi.ceph.com",
    "smb.csi.k8s.io",
    "kubernetes.io/glusterfs",
  ];
  const block = [
    "ebs.csi.aws.com",
    "pd.csi.storage.gke.io",
    "disk.csi.azure.com",
    "rook-ceph.rbd.csi.ceph.com",
    "driver.longhorn.io",
    "rancher.io/local-path",
    "csi.hetzner.cloud",
  ];
  for (const provisioner of shared) it(`recognizes ${provisioner}`, () => assert.ok(isSharedFileSystem(provisioner)));
  for (const provisioner of block) it(`lets ${provisioner} pass`, () => assert.ok(!isSharedFileSystem(provisioner)));
});
