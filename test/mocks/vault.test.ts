import assert from "node:assert/strict";
import { Vault, type VaultArgs } from "../../components/vault";
import { providers, record } from "./support";

const CLAIM = "kubernetes:core/v1:PersistentVolumeClaim";

function recordVault(args: Partial<VaultArgs> = {}) {
  return record((recorder) => {
    new Vault(
      "notes",
      { namespace: "agents", ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

describe("Vault", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordVault()).list(), ["clawfleet:index:Vault notes", `${CLAIM} notes`]);
  });

  it("claims a volume of one node", async () => {
    const { metadata, spec } = (await recordVault()).get(CLAIM, "notes").inputs;
    assert.deepEqual(spec, { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "5Gi" } } });
    const { name, namespace } = metadata as { name: string; namespace: string };
    assert.deepEqual([name, namespace], ["notes", "agents"]);
    const other = (await recordVault({ volume: { size: "20Gi", storageClass: "shared" } })).get(CLAIM, "notes");
    assert.deepEqual(other.inputs.spec, {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "20Gi" } },
      storageClassName: "shared",
    });
  });

  it("is kept only when told so", async () => {
    assert.equal((await recordVault()).options(CLAIM, "notes").retainOnDelete, false);
    assert.equal((await recordVault({ retain: true })).options(CLAIM, "notes").retainOnDelete, true);
  });
});
