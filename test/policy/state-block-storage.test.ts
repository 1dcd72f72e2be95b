import assert from "node:assert/strict";
import { isSharedFileSystem } from "../../components/shared-file-systems";
import { stateBlockStorage } from "../../policy/policies/state-block-storage";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const USE = "use ReadWriteOnce with a class of block storage";
const claim = (spec: Record<string, unknown>) => ({
  type: "kubernetes:core/v1:PersistentVolumeClaim",
  props: { spec: { accessModes: ["ReadWriteOnce"], ...spec } },
});

describe("pain 12: SQLite on NFS: policy state-block-storage", () => {
  it("accepts what one node mounts at a time", async () => {
    for (const accessModes of [["ReadWriteOnce"], ["ReadWriteOncePod"]]) {
      assert.deepEqual(await validate(stateBlockStorage, claim({ accessModes, storageClassName: "gp3" })), {
        violations: [],
      });
    }
  });

  it("refuses what several nodes mount, and a claim that does not say", async () => {
    const refused = async (accessModes: unknown) =>
      (await validate(stateBlockStorage, claim({ accessModes }))).violations;
    assert.deepEqual(await refused(["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]), [
      `spec.accessModes[1]: more than one node may mount it; ${USE}`,
      `spec.accessModes[2]: more than one node may mount it; ${USE}`,
    ]);
    assert.deepEqual(await refused(undefined), [`spec.accessModes: not set; ${USE}`]);
  });

  it("refuses classes of shared file systems, by their usual names or by the config's", async () => {
    const problem = `spec.storageClassName: of shared file systems; ${USE}`;
    for (const storageClassName of ["nfs-client", "efs-sc", "azurefile-csi", "standard-rwx", "ceph-CephFS"]) {
      assert.deepEqual((await validate(stateBlockStorage, claim({ storageClassName }))).violations, [problem]);
    }
    const ours = claim({ storageClassName: "team-share" });
    assert.deepEqual((await validate(stateBlockStorage, ours)).violations, []);
    assert.deepEqual((await validate(stateBlockStorage, ours, { sharedClasses: ["share"] })).violations, [problem]);
  });

  it("looks into the claims that a StatefulSet makes, and into volumes without a claim", async () => {
    const templates = {
      type: "kubernetes:apps/v1:StatefulSet",
      props: { spec: { volumeClaimTemplates: [{ spec: { accessModes: ["ReadWriteMany"] } }] } },
    };
    assert.deepEqual((await validate(stateBlockStorage, templates)).violations, [
      `spec.volumeClaimTemplates[0].spec.accessModes[0]: more than one node may mount it; ${USE}`,
    ]);
    const volumes = [
      { name: "tmp", emptyDir: {} },
      { name: "state", nfs: { server: "10.0.0.9", path: "/" } },
    ];
    for (const { path, resource } of workloads({ containers: [{}], volumes })) {
      assert.deepEqual((await validate(stateBlockStorage, resource)).violations, [
        `${path}.volumes[1].nfs: a shared file system; ${USE}`,
      ]);
    }
  });

  it("looks into claims that a Pod brings along, and at drivers", async () => {
    const spec = { accessModes: ["ReadWriteMany"], storageClassName: "efs-sc" };
    const volumes = [
      { name: "scratch", ephemeral: { volumeClaimTemplate: { spec } } },
      { name: "inline", csi: { driver: "secrets-store.csi.k8s.io" } },
      { name: "shared", csi: { driver: "nfs.csi.k8s.io" } },
    ];
    const pod = { type: "kubernetes:core/v1:Pod", props: { spec: { volumes } } };
    const claimed = "spec.volumes[0].ephemeral.volumeClaimTemplate.spec";
    assert.deepEqual((await validate(stateBlockStorage, pod)).violations, [
      `${claimed}.accessModes[0]: more than one node may mount it; ${USE}`,
      `${claimed}.storageClassName: of shared file systems; ${USE}`,
      `spec.volumes[2].csi.driver: of shared file systems; ${USE}`,
    ]);
  });

  it("refuses PersistentVolumes of shared file systems", async () => {
    const volume = (spec: Record<string, unknown>) => ({
      type: "kubernetes:core/v1:PersistentVolume",
      props: { spec },
    });
    const block = { accessModes: ["ReadWriteOnce"], csi: { driver: "ebs.csi.aws.com" } };
    assert.deepEqual(await validate(stateBlockStorage, volume(block)), { violations: [] });
    const shared = { accessModes: ["ReadWriteMany"], nfs: { server: "10.0.0.9", path: "/" } };
    assert.deepEqual((await validate(stateBlockStorage, volume(shared))).violations, [
      `spec.accessModes[0]: more than one node may mount it; ${USE}`,
      `spec.nfs: a shared file system; ${USE}`,
    ]);
    assert.deepEqual(
      (await validate(stateBlockStorage, volume({ csi: { driver: "file.csi.azure.com" } }))).violations,
      [`spec.csi.driver: of shared file systems; ${USE}`],
    );
  });

  it("names what is not known yet, and leaves other kinds alone", async () => {
    assert.deepEqual(await validate(stateBlockStorage, claim({ storageClassName: UNKNOWN })), {
      violations: [],
      advisory: "1 field not decidable in preview: spec.storageClassName",
    });
    for (const resource of otherKinds({ volumes: [{ nfs: {} }] })) {
      assert.deepEqual(await validate(stateBlockStorage, resource), { violations: [] }, resource.type);
    }
  });

  it("knows the provisioners of shared file systems from those of block storage", () => {
    for (const name of ["nfs.csi.k8s.io", "efs.csi.aws.com", "file.csi.azure.com", "filestore.csi.storage.gke.io"]) {
      assert.ok(isSharedFileSystem(name), name);
    }
    for (const name of ["ebs.csi.aws.com", "disk.csi.azure.com", "pd.csi.storage.gke.io", "rancher.io/local-path"]) {
      assert.ok(!isSharedFileSystem(name), name);
    }
  });
});
