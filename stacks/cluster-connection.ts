import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request, type RequestOptions } from "node:https";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
// Its config module alone loads the whole generated API, 0.8 s that every preview would wait for.
import {
  newClusters,
  newContexts,
  newUsers,
  type Cluster,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
// The one that Kubernetes's own client reads kubeconfigs with, and that Pulumi has loaded already.
import { load } from "js-yaml";
import type { FleetError } from "../components/errors";
import { AuthExpired, NotFound, RateLimited, Timeout, Unreachable, ValidationFailed } from "../components/errors";
import { INVENTORY_FILE, type Cluster as FleetCluster } from "./fleet/inventory";
import { from, serverKubeconfig, type ServerCluster } from "./server-kubeconfig";

/** Where a cluster is reached: a context of a kubeconfig. */
export interface ClusterAddress {
  /** Path of the kubeconfig file; or its content, as JSON, for a cluster that the inventory names by its server. */
  kubeconfig: string;
  context: string;
}

/** Whether the kubeconfig of an address is its content rather than a path. */
export function isContent(kubeconfig: string): boolean {
  return kubeconfig.startsWith("{");
}

interface Kubeconfig {
  clusters: Cluster[];
  users: User[];
  contexts: { name: string; cluster: string; user: string }[];
}

/**
 * Finds the kubeconfig and the context of a cluster that is not embedded. The current context is never used: it is
 * somebody's last `kubectl config use-context`, not a decision.
 * @param folder the folder of fleet.yaml, which its paths count from.
 * @throws NotFound when a file or the context does not exist; ValidationFailed when the context is ambiguous.
 */
export function locateCluster(
  cluster: FleetCluster,
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): ClusterAddress {
  const where = `${INVENTORY_FILE}: ${cluster.id}`;
  if (hasServer(cluster)) return { kubeconfig: serverKubeconfig(cluster, folder, where), context: cluster.id };
  const files = cluster.kubeconfig === undefined ? defaultKubeconfigs(env) : [from(folder, cluster.kubeconfig)];
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

function hasServer(cluster: FleetCluster): cluster is ServerCluster {
  return cluster.server !== undefined && cluster.exec !== undefined;
}

function defaultKubeconfigs(env: NodeJS.ProcessEnv): string[] {
  const listed = (env.KUBECONFIG ?? "").split(delimiter).filter((file) => file !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

/** @param kubeconfig a path, or the content itself. */
function loadKubeconfig(kubeconfig: string): Kubeconfig {
  try {
    const raw = (load(isContent(kubeconfig) ? kubeconfig : readFileSync(kubeconfig, "utf8")) ?? {}) as {
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
      where: kubeconfig,
      fix: "check it with `kubectl config view`",
    });
  }
}

/** A connection for reading a few objects of one cluster. */
export interface ClusterReader {
  /**
   * Reads a path of the API.
   * @returns undefined for 404.
   * @throws AuthExpired, RateLimited, Unreachable or Timeout.
   */
  get(path: string): Promise<unknown>;
}

/** A connection that also gives answers as they are. */
export interface ClusterConnection extends ClusterReader {
  /**
   * Asks for a path and returns whatever the answer is.
   * @throws Unreachable or Timeout when there is none.
   */
  ask(path: string): Promise<Answer>;
}

/** An answer over HTTP. */
export interface Answer {
  status: number;
  body: string;
}

/** Milliseconds to wait for an answer, or for the program that supplies the credentials. */
const TIMEOUT_MS = 10_000;

/**
 * Opens a cluster for reading, with the credentials of the kubeconfig.
 * @param timeoutMs milliseconds to wait for each answer. Default: 10000.
 * @throws ValidationFailed or NotFound for a kubeconfig that names what is not there; AuthExpired when the program
 * that supplies the credentials fails.
 */
export async function openCluster(
  address: ClusterAddress,
  id: string,
  timeoutMs: number = TIMEOUT_MS,
): Promise<ClusterConnection> {
  const where = `cluster ${id} (context ${address.context})`;
  let open = await connection(address, where, timeoutMs);
  const askOnce = (path: string) => {
    const { url, options } = open;
    return ask(new URL(url.pathname.replace(/\/$/, "") + path, url), options, where, timeoutMs);
  };
  const askAgain = async (path: string) => {
    const answer = await askOnce(path);
    if (answer.status !== 401 || !open.renewable) return answer;
    // What a program gives lasts for minutes, and an update may take longer than that.
    open = await connection(address, where, timeoutMs);
    return askOnce(path);
  };
  return { get: async (path) => objectOf(await askAgain(path), path, where), ask: askAgain };
}

interface Connection {
  url: URL;
  options: RequestOptions;
  /** Whether the credentials are from a program, which can be asked again. */
  renewable: boolean;
}

async function connection(address: ClusterAddress, where: string, timeoutMs: number): Promise<Connection> {
  const { context } = address;
  const config = loadKubeconfig(address.kubeconfig);
  // For messages, and what relative paths count from; a content of ours has none.
  const kubeconfig = isContent(address.kubeconfig) ? INVENTORY_FILE : address.kubeconfig;
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
  const url = serverUrl(cluster, kubeconfig);
  if (cluster.proxyUrl !== undefined || user.authProvider) {
    return { url, options: await completeOptions(address), renewable: false };
  }
  const file = (path: string | undefined) => readReferenced(kubeconfig, path);
  const decoded = (data: string | undefined) => (data ? Buffer.from(data, "base64") : undefined);
  const options: RequestOptions = {
    ca: decoded(cluster.caData) ?? file(cluster.caFile),
    rejectUnauthorized: !cluster.skipTLSVerify,
    ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
    cert: decoded(user.certData) ?? file(user.certFile),
    key: decoded(user.keyData) ?? file(user.keyFile),
    headers: user.token ? { Authorization: `Bearer ${user.token}` } : {},
  };
  if (!user.exec) return { url, options, renewable: false };
  const credentials = await execCredentials(user.exec as ExecPlugin, kubeconfig, where, timeoutMs);
  return { url, options: { ...options, ...credentials }, renewable: true };
}

function serverUrl(cluster: Cluster, kubeconfig: string): URL {
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (url?.protocol !== "https:") {
    throw new ValidationFailed({
      what: `the server of the cluster ${cluster.name} is no https URL`,
      where: kubeconfig,
      fix: "correct its clusters[].cluster.server",
    });
  }
  return url;
}

/** Relative paths count from the kubeconfig's folder, as kubectl has it. */
function readReferenced(kubeconfig: string, path: string | undefined): Buffer | undefined {
  if (!path) return undefined;
  const file = resolve(dirname(kubeconfig), path);
  try {
    return readFileSync(file);
  } catch {
    throw new NotFound({ what: `the kubeconfig names ${file}, which cannot be read`, where: kubeconfig });
  }
}

/** How a kubeconfig names a program that supplies credentials; its answer is an ExecCredential. */
interface ExecPlugin {
  apiVersion?: string;
  command: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
}

interface ExecCredential {
  status: { token?: string; clientCertificateData?: string; clientKeyData?: string };
}

/**
 * Runs the program that the kubeconfig names for credentials, as kubectl does. (The client library's own gives it no
 * KUBERNETES_EXEC_INFO and waits for ever.) What it prints is not repeated: a token may be in it.
 */
async function execCredentials(
  plugin: ExecPlugin,
  kubeconfig: string,
  where: string,
  timeoutMs: number,
): Promise<RequestOptions> {
  const { apiVersion, command, args, env } = plugin;
  const program = command.includes("/") ? resolve(dirname(kubeconfig), command) : command;
  const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  try {
    const { stdout } = await promisify(execFile)(program, args ?? [], {
      env: {
        ...process.env,
        ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
      },
      timeout: timeoutMs,
    });
    const { token, clientCertificateData, clientKeyData } = (JSON.parse(stdout) as ExecCredential).status;
    return {
      ...(clientCertificateData !== undefined && { cert: clientCertificateData, key: clientKeyData }),
      ...(token !== undefined && { headers: { Authorization: `Bearer ${token}` } }),
    };
  } catch (error) {
    const late = (error as { killed?: boolean }).killed === true;
    const source = kubeconfig === INVENTORY_FILE ? kubeconfig : "the kubeconfig";
    throw new AuthExpired({
      what: `${command}, which ${source} names for credentials, ${late ? `gave none within ${seconds(timeoutMs)} s` : "failed"}`,
      where,
      fix: "run it by hand to see why; usually you have to log in again",
    });
  }
}

/** Proxies and the old auth providers need the whole client, and are rare enough to wait for it. */
async function completeOptions({ kubeconfig, context }: ClusterAddress): Promise<RequestOptions> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  config.setCurrentContext(context);
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return options;
}

async function ask(url: URL, options: RequestOptions, where: string, timeoutMs: number): Promise<Answer> {
  // Of the whole exchange: a server that sends a byte now and then is no answer either.
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const call = request(url, { ...options, signal }).end();
    const [response] = (await once(call, "response")) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: await text(response) };
  } catch (error) {
    if (signal.aborted) {
      throw new Timeout({ what: `no answer within ${seconds(timeoutMs)} s`, where, fix: REACH_FIX });
    }
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Unreachable({ what: `the API server cannot be reached (${code ?? message})`, where, fix: REACH_FIX });
  }
}

/** What an answer holds; undefined for 404. */
function objectOf({ status, body }: Answer, path: string, where: string): unknown {
  if (status === 404) return undefined;
  if (status !== 200) throw refused(status, path, where);
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw new Unreachable({ what: `what answers for ${path} is no API server`, where, fix: REACH_FIX });
  }
}

function seconds(milliseconds: number): string {
  return String(milliseconds / 1000);
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
  if (status === 429)
    return new RateLimited({ what: "the API server asks to slow down", where, fix: "lower maxConcurrency" });
  return new Unreachable({ what: `the API server answered ${String(status)} for ${path}`, where, fix: REACH_FIX });
}
