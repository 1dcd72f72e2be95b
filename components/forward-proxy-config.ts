import { ValidationFailed } from "./errors";
import { ANY_HOST, assertHostNames, withoutCovered } from "./host-names";
import { PRIVATE_RANGES, PRIVATE_RANGES_V6 } from "./network";
import type { Endpoint } from "./part";

/** Which requests the forward proxy writes to standard output: client, port, decision, method, host and port. */
export enum ForwardProxyLog {
  All = "all",
  Denied = "denied",
  Off = "off",
}

/** A port of the forward proxy: the one component that uses it, and what that may reach through it. */
export interface ForwardProxyListener {
  /** Its `app.kubernetes.io/component`, for example `gateway`. */
  component: string;
  /** Public hosts: `api.example.com`, `.example.com` with everything beneath it, or `*`. Literal addresses, and names that resolve to a private address, are refused in any case. Default: none. */
  allowedHosts?: string[];
  /** Ports that a tunnel (CONNECT, which TLS needs) may go to. Default: 443 alone. */
  allowedPorts?: number[];
  /** Plain HTTP to port 80 of the same hosts as well. Default: false. */
  plainHttp?: boolean;
  /** Parts of the cell that it reaches through the proxy as well: OpenClaw sends everything but loopback there. Default: none. */
  internal?: Endpoint[];
  /** The port that the proxy listens on for it. Default: fixed for the cell's own components, so that no other one moves when one is switched off. */
  port?: number;
}

/** A listener with its defaults. */
export interface PlannedListener extends Required<ForwardProxyListener> {
  /** What identifies it in Squid's config. */
  acl: string;
}

/** The ports of the cell's own components. A new one goes at the end. */
export const LISTENER_PORTS: Record<string, number> = {
  gateway: 3128,
  browser: 3129,
  "model-proxy": 3130,
  search: 3131,
  "message-relay": 3132,
  "telemetry-collector": 3133,
  "admin-access": 3134,
  diagnostics: 3135,
};

/**
 * Completes the listeners of a forward proxy.
 * @throws ValidationFailed for a host that is no name, a port that is none, and a component or port that is there twice.
 */
export function planListeners(listeners: ForwardProxyListener[]): PlannedListener[] {
  const planned = listeners.map((listener, index) =>
    planListener(listener, `forwardProxy.listeners[${String(index)}]`),
  );
  for (const key of ["component", "port"] as const) {
    const twice = planned.find((one, index) => planned.findIndex((other) => other[key] === one[key]) !== index);
    if (twice !== undefined) {
      throw new ValidationFailed({
        what: `two listeners with ${key} ${String(twice[key])}`,
        where: "forwardProxy.listeners",
        fix: key === "port" ? "give each a port of its own" : "put everything of a component in one listener",
      });
    }
  }
  return planned.sort((a, b) => a.port - b.port);
}

function planListener(listener: ForwardProxyListener, where: string): PlannedListener {
  const { component, allowedHosts = [], allowedPorts = [443], plainHttp = false, internal = [] } = listener;
  if (!/^[a-z]([a-z0-9-]{0,60}[a-z0-9])?$/.test(component)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(component)} is no component`,
      where: `${where}.component`,
      fix: "write the app.kubernetes.io/component of its Pods, for example gateway",
    });
  }
  assertHostNames(allowedHosts, `${where}.allowedHosts`);
  if (allowedPorts.length === 0 || !allowedPorts.every(isPort)) {
    throw new ValidationFailed({
      what: allowedPorts.length === 0 ? "the list is empty" : "the list holds something that is no port",
      where: `${where}.allowedPorts`,
      fix: "give ports from 1 to 65535, or leave it out for 443",
    });
  }
  const port = listener.port ?? LISTENER_PORTS[component];
  if (port === undefined || !isPort(port) || port < 1024) {
    throw new ValidationFailed({
      what:
        port === undefined ? `${component} has no port of its own` : `${String(port)} is no port that it can listen on`,
      where: `${where}.port`,
      fix: "give one from 1024 to 65535; the ports from 3128 on are taken by the cell's own components",
    });
  }
  return {
    component,
    allowedHosts: withoutCovered(allowedHosts),
    allowedPorts: [...new Set(allowedPorts)].sort((a, b) => a - b),
    plainHttp,
    internal,
    port,
    acl: component.replaceAll("-", "_"),
  };
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65535;

/**
 * Where no public name leads: what is no address of the internet (IANA's special-purpose registries), and what carries
 * an IPv4 address inside an IPv6 one. Squid itself takes ::ffff:10.0.0.1 for 10.0.0.1.
 */
const NOT_PUBLIC = [
  ...PRIVATE_RANGES,
  "0.0.0.0/8",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  ...PRIVATE_RANGES_V6,
  "::/128",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "fec0::/10",
  "ff00::/8",
];

/** What Squid's config takes from its surroundings. */
export interface SquidContext {
  /** The address to listen on. Default: every one. */
  address?: string;
  /** The address of the resolver. Default: what /etc/resolv.conf says. */
  nameserver?: string;
  log?: ForwardProxyLog;
  /** The listeners' internal endpoints with their hosts known, by component. */
  internal?: Record<string, InternalDestination[]>;
}

/** An exact destination within the cluster. */
export interface InternalDestination {
  /** Every spelling of it. */
  hosts: string[];
  port: number;
}

/** Squid's config file, for 5.7 and later. */
export function squidConfig(listeners: PlannedListener[], context: SquidContext = {}): string {
  const listen = context.address === undefined ? "" : `${context.address}:`;
  const lines = [
    ...listeners.map(({ acl, port }) => `http_port ${listen}${String(port)} name=${acl}`),
    "",
    "# It keeps nothing: no cache, no pid file, no helper, no log file.",
    "cache deny all",
    "cache_mem 8 MB",
    "memory_pools off",
    "pid_filename none",
    "pinger_enable off",
    "cache_log /dev/null",
    "logfile_rotate 0",
    ...accessLog(context.log ?? ForwardProxyLog.All),
    "# Squid would take the container's limit, which can be a thousand million, and end for lack of memory.",
    "max_filedescriptors 16384",
    "# Messages over a websocket may be far apart.",
    "read_timeout 1 hour",
    "shutdown_lifetime 20 seconds",
    "",
    "# Names are DNS's business alone. A Service's short name needs the search list.",
    "hosts_file none",
    "dns_defnames on",
    ...(context.nameserver === undefined ? [] : [`dns_nameservers ${context.nameserver}`]),
    "",
    "# Nobody learns who asks.",
    "visible_hostname forward-proxy",
    "via off",
    "forwarded_for delete",
    "httpd_suppress_version_string on",
    "",
    "# What ends in a number is an address, however it is spelled.",
    String.raw`acl host_name dstdom_regex -n -i ^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$`,
    ...NOT_PUBLIC.map((range) => `acl not_public dst ${range}`),
    "acl plain_http proto HTTP",
    "acl plain_http_port port 80",
    "",
    "http_access deny manager",
    ...listeners.flatMap((listener) => [
      "",
      `# ${listener.component}`,
      ...accessOf(listener, context.internal?.[listener.component]),
    ]),
    "",
    "http_access deny all",
  ];
  return `${lines.join("\n")}\n`;
}

function accessLog(log: ForwardProxyLog): string[] {
  if (log === ForwardProxyLog.Off) return ["access_log none"];
  return [
    "# No path and no header: they may hold secrets.",
    "logformat decision %ts.%03tu client=%>a port=%>lp %Ss/%03>Hs %rm %>rd:%>rP",
    ...(log === ForwardProxyLog.All
      ? ["access_log stdio:/dev/stdout logformat=decision"]
      : ["acl refused http_status 403", "access_log stdio:/dev/stdout logformat=decision refused"]),
  ];
}

/** The rules of one listener. The last condition is the one that has a name resolved: a refused name is never asked for. */
function accessOf(listener: PlannedListener, internal: InternalDestination[] = []): string[] {
  const { acl, allowedHosts, allowedPorts, plainHttp } = listener;
  const hosts = allowedHosts.includes(ANY_HOST) ? [] : allowedHosts;
  const named = hosts.length === 0 ? "" : ` ${acl}_hosts`;
  return [
    `acl ${acl} myportname ${acl}`,
    ...internal.flatMap(({ hosts: spellings, port }, index) => {
      const destination = `${acl}_internal_${String(index)}`;
      return [
        ...spellings.map((host) => `acl ${destination} dstdomain -n ${host}`),
        `acl ${destination}_port port ${String(port)}`,
        `http_access allow ${acl} ${destination} ${destination}_port`,
      ];
    }),
    ...(allowedHosts.length === 0
      ? []
      : [
          ...hosts.map((host) => `acl ${acl}_hosts dstdomain -n ${host}`),
          `acl ${acl}_ports port ${allowedPorts.join(" ")}`,
          `http_access allow ${acl} CONNECT ${acl}_ports${named} host_name !not_public`,
          ...(plainHttp
            ? [`http_access allow ${acl} plain_http !CONNECT plain_http_port${named} host_name !not_public`]
            : []),
        ]),
  ];
}

/** The spellings that a client may use for a Service of the cell's namespace; an address and a full name have one. */
export function spellingsOf(host: string, namespace: string): string[] {
  return /^[a-z][a-z0-9-]*$/.test(host)
    ? ["", `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map((suffix) => `${host}${suffix}`)
    : [host];
}
