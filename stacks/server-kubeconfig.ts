import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { NotFound } from "../components/errors";
import type { Cluster } from "./fleet/inventory";

/** A cluster that the inventory names by its server. */
export type ServerCluster = Cluster & Required<Pick<Cluster, "server" | "exec">>;

/** What the kubeconfigs ask for that the clouds' own programs write: aws, gcloud, kubelogin. */
const API_VERSION = "client.authentication.k8s.io/v1beta1";

/**
 * The kubeconfig of a cluster that has none: its server, and the program that gets credentials. It has one context, named
 * after the cluster, and no credential: those stay with whoever runs the program.
 * @param folder the folder of fleet.yaml, which its paths count from.
 * @param where the cluster's place in the inventory, for messages.
 * @returns the file's content, as JSON.
 * @throws NotFound when the certificate authority's file cannot be read.
 */
export function serverKubeconfig(
  { id, server, certificateAuthority, exec }: ServerCluster,
  folder: string,
  where: string,
): string {
  const { apiVersion = API_VERSION, command, args = [], env = {} } = exec;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: id,
        cluster: {
          server,
          // The content, so that the provider's input is the same on every machine.
          ...(certificateAuthority !== undefined && {
            "certificate-authority-data": readAuthority(from(folder, certificateAuthority), where),
          }),
        },
      },
    ],
    users: [
      {
        name: id,
        user: {
          exec: {
            apiVersion,
            command: command.includes("/") ? from(folder, command) : command,
            args,
            env: Object.entries(env).map(([name, value]) => ({ name, value })),
            interactiveMode: "Never",
          },
        },
      },
    ],
    contexts: [{ name: id, context: { cluster: id, user: id } }],
    "current-context": id,
  });
}

/** A path of the inventory: `~` is the home folder, and a relative one counts from the folder of fleet.yaml. */
export function from(folder: string, path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : resolve(folder, path);
}

function readAuthority(file: string, where: string): string {
  try {
    return readFileSync(file).toString("base64");
  } catch {
    throw new NotFound({
      what: `${file} cannot be read`,
      where: `${where}.certificateAuthority`,
      fix: "name the PEM file of the server's certificate authority",
    });
  }
}
