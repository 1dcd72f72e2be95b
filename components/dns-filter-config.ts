import { isIP } from "node:net";
import { stringify } from "./yaml";
import { ValidationFailed } from "./errors";
import { ANY_HOST, assertHostNames, withoutCovered } from "./host-names";
import { resolveImage } from "./images";
import { completeResources, type CompleteResources, type ResourceOptions } from "./resources";

/** The port of the filter's Pods: below 1024 only root may listen. Its Service has 53. */
export const DNS_FILTER_POD_PORT = 5353;

/** A resolver of public names outside of the cell. */
export interface DnsUpstream {
  /** Its address, for example `203.0.113.53`. */
  address: string;
  /** Default: 53, or 853 with `tlsName`. */
  port?: number;
  /** The name in its certificate: it is asked by DNS over TLS then. Default: plain DNS, over UDP and TCP. */
  tlsName?: string;
}

/** What a team may tune of its DNS filter. */
export interface DnsFilterOptions {
  /** The public names that resolve: `api.example.com`, `.example.com` with everything beneath it, or `*`. All others do not exist (NXDOMAIN). Default: none. */
  allow?: string[];
  /** Names that do not resolve, in the same form; goes with `allow: ["*"]` only. Default: none. */
  deny?: string[];
  /** Who resolves the public names. Default: the cluster's DNS. */
  upstreams?: DnsUpstream[];
  /** The cluster's DNS, by name or address, with a port if it is not 53. It resolves the cluster's own names in any case. Default: `kube-dns.kube-system.svc.cluster.local`, which CoreDNS goes by too. */
  clusterDns?: string;
  /** Logs every query with its answer on standard output: names that are asked for tell what agents do. Default: true. */
  queryLog?: boolean;
  /** How many Pods: every other Pod of the cell depends on them. Default: 2. */
  replicas?: number;
  /** Requests and limits. Default: 50m and 64Mi, up to 500m and 128Mi; it was measured at 25 MiB. */
  resources?: ResourceOptions;
  /** Image to run, with tag and digest. Default: `blocky` of components/images.json. */
  image?: string;
}

/** An upstream as a NetworkPolicy goes by it. */
export interface PlannedUpstream {
  address: string;
  port: number;
  protocols: string[];
}

/** The options with their defaults, checked. */
export interface DnsFilterPlan {
  image: string;
  allow: string[];
  deny: string[];
  upstreams: PlannedUpstream[];
  replicas: number;
  resources: CompleteResources;
  /** Blocky's config file. */
  config: string;
}

const RESOURCES: Required<ResourceOptions> = {
  requestsCpu: "50m",
  requestsMemory: "64Mi",
  limitsCpu: "500m",
  limitsMemory: "128Mi",
  limitsEphemeralStorage: "64Mi",
};

const CLUSTER_DOMAIN = "cluster.local";

/**
 * Completes the options of a DNS filter.
 * @throws ValidationFailed for what is no name or address, and for a deny-list beside an allow-list.
 */
export function planDnsFilter(options: DnsFilterOptions = {}): DnsFilterPlan {
  const allow = withoutCovered(options.allow ?? []);
  const deny = withoutCovered(options.deny ?? []);
  assertHostNames(options.allow ?? [], "dnsFilter.allow");
  assertHostNames(options.deny ?? [], "dnsFilter.deny");
  if (deny.length > 0 && !allow.includes(ANY_HOST)) {
    throw new ValidationFailed({
      what: "a deny-list has no effect: what is not allowed does not resolve anyway",
      where: "dnsFilter.deny",
      fix: 'remove it, or set dnsFilter.allow to ["*"]',
    });
  }
  if (deny.includes(ANY_HOST)) {
    throw new ValidationFailed({
      what: "a deny-list with * leaves nothing",
      where: "dnsFilter.deny",
      fix: "leave dnsFilter.allow empty instead",
    });
  }
  const replicas = options.replicas ?? 2;
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new ValidationFailed({
      what: `replicas is ${String(replicas)}`,
      where: "dnsFilter.replicas",
      fix: "use 1 or more: without the filter no Pod of the cell resolves a name",
    });
  }
  const clusterDns = options.clusterDns ?? `kube-dns.kube-system.svc.${CLUSTER_DOMAIN}`;
  if (!/^[a-zA-Z0-9.:[\]-]+$/.test(clusterDns)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(clusterDns)} is no name or address`,
      where: "dnsFilter.clusterDns",
      fix: "write it like 10.96.0.10, or kube-dns.kube-system.svc.cluster.local",
    });
  }
  const upstreams = (options.upstreams ?? []).map((upstream, index) =>
    planUpstream(upstream, `dnsFilter.upstreams[${String(index)}]`),
  );
  const resolvers = upstreams.length === 0 ? [`tcp+udp:${clusterDns}`] : upstreams.map(({ resolver }) => resolver);
  return {
    image: resolveImage("blocky", options.image, "dnsFilter.image"),
    allow,
    deny,
    upstreams: upstreams.map(({ address, port, protocols }) => ({ address, port, protocols })),
    replicas,
    resources: completeResources(options.resources ?? {}, RESOURCES, "dnsFilter.resources"),
    config: blockyConfig({ allow, deny, resolvers, clusterDns, queryLog: options.queryLog ?? true }),
  };
}

function planUpstream({ address, port, tlsName }: DnsUpstream, where: string): PlannedUpstream & { resolver: string } {
  const fail = (what: string, fix: string): never => {
    throw new ValidationFailed({ what, where, fix });
  };
  if (isIP(address) === 0) {
    fail(
      `${JSON.stringify(address)} is no address`,
      "name a resolver by its address: nothing else can resolve its name",
    );
  }
  if (tlsName !== undefined) assertHostNames([tlsName], `${where}.tlsName`);
  const chosen = port ?? (tlsName === undefined ? 53 : 853);
  if (!Number.isInteger(chosen) || chosen < 1 || chosen > 65535) fail(`${String(port)} is no port`, "use 1 to 65535");
  const host = isIP(address) === 6 ? `[${address}]` : address;
  const resolver =
    tlsName === undefined ? `tcp+udp:${host}:${String(chosen)}` : `tcp-tls:${host}:${String(chosen)}#${tlsName}`;
  return { address, port: chosen, protocols: tlsName === undefined ? ["UDP", "TCP"] : ["TCP"], resolver };
}

interface BlockyArgs {
  allow: string[];
  deny: string[];
  resolvers: string[];
  clusterDns: string;
  queryLog: boolean;
}

/** Blocky's config file, in the keys that 0.28 and 0.34 share. */
function blockyConfig({ allow, deny, resolvers, clusterDns, queryLog }: BlockyArgs): string {
  const everything = allow.includes(ANY_HOST);
  // A group with an allow-list alone blocks everything else. The cluster's names are public to the cell.
  const list = everything ? deny : [`.${CLUSTER_DOMAIN}`, ...allow];
  return stringify({
    ports: { dns: `:${String(DNS_FILTER_POD_PORT)}` },
    upstreams: { init: { strategy: "fast" }, groups: { default: resolvers } },
    conditional: { mapping: { [CLUSTER_DOMAIN]: `tcp+udp:${clusterDns}` } },
    ...(list.length > 0 && {
      blocking: {
        [everything ? "denylists" : "allowlists"]: { cell: [inlineList(list)] },
        clientGroupsBlock: { default: ["cell"] },
        blockType: "nxDomain",
        // Clients forget a refusal soon after the list was changed.
        blockTTL: "10s",
        // Nothing is answered before the list is in force, and nothing at all with a list that Blocky cannot read.
        loading: { strategy: "failOnError", refreshPeriod: "0s", maxErrorsPerSource: 0 },
      },
    }),
    // A Service that was asked for before it existed has to be found soon after.
    caching: { cacheTimeNegative: "5s", maxItemsCount: 10_000 },
    queryLog: {
      type: queryLog ? "console" : "none",
      fields: ["clientIP", "question", "responseReason", "responseAnswer", "duration"],
    },
    log: { level: "info", format: "json" },
  });
}

/** Blocky takes a source with a line break for a list, and one without for a file. */
function inlineList(names: string[]): string {
  return names
    .flatMap((name) => (name.startsWith(".") ? [name.slice(1), `*${name}`] : [name]))
    .map((name) => `${name}\n`)
    .join("");
}
