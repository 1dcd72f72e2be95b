import { existsSync, readFileSync } from "node:fs";
import { request } from "node:https";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
// Its config module alone loads the whole generated API, 0.8 s that every preview would wait for.
import {
  newClusters,
  newContexts,
  newUsers,
  type Cluster,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { parse } from "yaml";
import { AuthExpired, FleetError, NotFound, Timeout, Unreachable, ValidationFailed } from "../components/errors";
import type { ClusterConfig } from "./schema";

/** Where a cluster is reached: a context of a kubeconfig file. */
export interface ClusterAddress {
  /** Path of the kubeconfig file. */
  kubeconfig: string;
  context: string;
}

interface Kubeconfig {
  clusters: Cluster[];
  users: User[];
  contexts: { name: string; cluster: string; user: string }[];
}

/**
 * Finds the kubeconfig file and the context of a cluster that is not embedded. The current context is never used: it
 * is somebody's last `kubectl config use-context`, not a decision.
 * @throws NotFound when the file or the context does not exist; ValidationFailed when the context is ambiguous.
 */
export function locateCluster(
  cluster: ClusterConfig,
  where: string,
  env: NodeJS.ProcessEnv = process.env,
): ClusterAddress {
  const files = cluster.kubeconfig === undefined ? defaultKubeconfigs(env) : [expandHome(cluster.kubeconfig)];
  const present = files.filter((file) => existsSync(file));
  if (present.length === 0) {
    throw new NotFound({
      what: `no kubeconfig at ${files.join(", ")}`,
      where: `${where}.kubeconfig`,
      fix: "name an existing file, or set KUBECONFIG",
    });
  }
  const found = present.flatMap((file) =>
    loadKubeconfig(file).contexts.map(({ name }) => ({ kubeconfig: file, context: name })),
  );
  const names = found.map(({ context }) => context).join(", ") || "none";
  if (cluster.context === undefined) {
    const [only, ...others] = found;
    if (only === undefined || others.length > 0) {
      throw new ValidationFailed({
        what: `which context is meant is not clear: ${present.join(", ")} has ${names}`,
        where: `${where}.context`,
        fix: "name the context",
      });
    }
    return only;
  }
  const address = found.find(({ context }) => context === cluster.context);
  if (address === undefined) {
    throw new NotFound({
      what: `no context ${cluster.context} in ${present.join(", ")}`,
      where: `${where}.context`,
      fix: `use one of: ${names}`,
    });
  }
  return address;
}

function defaultKubeconfigs(env: NodeJS.ProcessEnv): string[] {
  const listed = (env.KUBECONFIG ?? "").split(delimiter).filter((file) => file !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : resolve(path);
}

function loadKubeconfig(file: string): Kubeconfig {
  try {
    const raw = (parse(readFileSync(file, "utf8")) ?? {}) as {
      clusters?: unknown;
      users?: unknown;
      contexts?: unknown;
    };
    return {
      clusters: newClusters(raw.clusters ?? []),
      users: newUsers(raw.users ?? []),
      contexts: newContexts(raw.contexts ?? []),
    };
  } catch {
    // The parser's message may quote a line of the file, and with it a credential.
    throw new ValidationFailed({
      what: "the kubeconfig cannot be read",
      where: file,
      fix: "check it with `kubectl config view`",
    });
  }
}

/** A connection for reading a few objects of one cluster. */
export interface ClusterReader {
  /**
   * Reads a path of the API.
   * @returns undefined for 404.
   * @throws AuthExpired, Unreachable or Timeout.
   */
  get(path: string): Promise<unknown>;
}

/** Seconds to wait for an answer. */
const TIMEOUT_SECONDS = 10;

/** Opens a cluster for reading, with the credentials of the kubeconfig. */
export async function openCluster(address: ClusterAddress, id: string): Promise<ClusterReader> {
  const options = await requestOptions(address);
  return { get: (path) => read(options, path, `cluster ${id} (context ${address.context})`) };
}

async function requestOptions({ kubeconfig, context }: ClusterAddress): Promise<RequestOptions> {
  const config = loadKubeconfig(kubeconfig);
  const chosen = config.contexts.find(({ name }) => name === context);
  const cluster = config.clusters.find(({ name }) => name === chosen?.cluster);
  const user = config.users.find(({ name }) => name === chosen?.user);
  if (cluster === undefined || user === undefined) {
    throw new ValidationFailed({
      what: `the context ${context} names ${cluster === undefined ? "a cluster" : "a user"} that the file lacks`,
      where: kubeconfig,
      fix: "repair the kubeconfig",
    });
  }
  if (cluster.proxyUrl !== undefined || user.authProvider !== undefined) {
    return completeOptions(kubeconfig, context, cluster.server);
  }
  const file = (path: string | undefined) =>
    path === undefined || path === "" ? undefined : readFileSync(resolve(dirname(kubeconfig), path));
  const decoded = (data: string | undefined) =>
    data === undefined || data === "" ? undefined : Buffer.from(data, "base64");
  const url = new URL(cluster.server);
  const options: RequestOptions = {
    host: url.hostname,
    port: url.port === "" ? 443 : Number(url.port),
    path: url.pathname.replace(/\/$/, ""),
    ca: decoded(cluster.caData) ?? file(cluster.caFile),
    rejectUnauthorized: !cluster.skipTLSVerify,
    ...(cluster.tlsServerName !== undefined && { servername: cluster.tlsServerName }),
    cert: decoded(user.certData) ?? file(user.certFile),
    key: decoded(user.keyData) ?? file(user.keyFile),
    headers: user.token === undefined || user.token === "" ? {} : { Authorization: `Bearer ${user.token}` },
  };
  if (user.exec !== undefined && user.exec !== null) {
    await new ExecAuth().applyAuthentication(user, options);
  }
  return options;
}

/** Proxies and the old auth providers need the whole client, and are rare enough to wait for it. */
async function completeOptions(kubeconfig: string, context: string, server: string): Promise<RequestOptions> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  config.setCurrentContext(context);
  const url = new URL(server);
  const options: RequestOptions = {
    host: url.hostname,
    port: url.port === "" ? 443 : Number(url.port),
    path: url.pathname.replace(/\/$/, ""),
  };
  await config.applyToHTTPSOptions(options);
  return options;
}

function read(options: RequestOptions, path: string, where: string): Promise<unknown> {
  return new Promise((fulfil, reject) => {
    const call = request(
      { ...options, path: `${options.path ?? ""}${path}`, timeout: TIMEOUT_SECONDS * 1000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          if (status === 404) fulfil(undefined);
          else if (status === 200) fulfil(JSON.parse(Buffer.concat(chunks).toString("utf8")));
          else reject(refused(status, path, where));
        });
      },
    );
    call.on("timeout", () =>
      call.destroy(new Timeout({ what: `no answer within ${String(TIMEOUT_SECONDS)} s`, where, fix: REACH_FIX })),
    );
    call.on("error", (error: NodeJS.ErrnoException) => {
      reject(
        error instanceof FleetError
          ? error
          : new Unreachable({
              what: `the API server cannot be reached (${error.code ?? error.message})`,
              where,
              fix: REACH_FIX,
            }),
      );
    });
    call.end();
  });
}

const REACH_FIX = "check the cluster and the network; for embedded clusters run `make up`";

function refused(status: number, path: string, where: string): FleetError {
  if (status === 401 || status === 403) {
    return new AuthExpired({
      what: status === 401 ? "the credentials are not accepted" : `the credentials may not read ${path}`,
      where,
      fix: "log in again, or use a context with the rights to deploy",
    });
  }
  return new Unreachable({ what: `the API server answered ${String(status)} for ${path}`, where, fix: REACH_FIX });
}
