/** Provisioners of shared file systems, by what their names contain: SQLite on one of these corrupts or hangs. */
const SHARED_FILE_SYSTEMS = [
  "nfs",
  "efs.csi",
  "azure-file",
  "file.csi.azure",
  "filestore",
  "cephfs",
  "smb",
  "glusterfs",
  "fsx.csi",
];

/** Whether a StorageClass's provisioner makes shared file systems rather than block volumes. */
export function isSharedFileSystem(provisioner: string): boolean {
  const name = provisioner.toLowerCase();
  return SHARED_FILE_SYSTEMS.some((part) => name.includes(part));
}
