import { inspect, type Problems } from "../kubernetes/field";
import { isPrivateRange, prefixOf } from "../kubernetes/networks";
import type { ResourcePolicy } from "../kubernetes/policy";
import { isKind } from "../kubernetes/resource-type";

interface Config {
  /** The fewest fixed bits of a network of trusted proxies, of IPv4. */
  trustedProxyBits: number;
  /** The fewest fixed bits of a network of trusted proxies, of IPv6. */
  trustedProxyBitsOfIPv6: number;
}

export const openclawConfig: ResourcePolicy = {
  name: "openclaw-config",
  description: "OpenClaw's gateway asks for a login, from exact origins, takes no open messages and elevates no tools.",
  why: "Who reaches the gateway unasked, or makes its tools run outside of their bounds, has what the agents have.",
  severity: "critical",
  remediationSteps: "Set the option of openclaw.json that the finding names.",
  url: "https://docs.openclaw.ai/gateway/security",
  configSchema: {
    properties: {
      trustedProxyBits: {
        type: "integer",
        minimum: 1,
        maximum: 32,
        // The Pod range that managed Kubernetes hands out.
        default: 14,
        description: "The fewest fixed bits of a network of trusted proxies, of IPv4.",
      },
      trustedProxyBitsOfIPv6: {
        type: "integer",
        minimum: 1,
        maximum: 128,
        default: 48,
        description: "The fewest fixed bits of a network of trusted proxies, of IPv6.",
      },
    },
  },
  validateResource: (args, report) => {
    if (!isKind(args.type, "core", "ConfigMap")) return;
    const options = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      resource.at("data", "openclaw.json").check((text) => (text === undefined ? [] : problems(text, options)));
    });
  },
};

function problems(text: unknown, options: Config): Problems {
  let config: unknown;
  try {
    config = JSON.parse(text as string);
  } catch {
    return ["no JSON, so it cannot be checked; write it without comments and trailing commas"];
  }
  return [
    ...gatewayProblems(config, options),
    ...channelProblems(at(config, "channels"), "channels"),
    ...toolProblems(config),
    ...dangerousSwitches(config, "").map((path) => `${path} turns a protection off; leave it out`),
  ];
}

/** Switches that turn a protection off. OpenClaw gives most of them a name that says so. */
const DANGEROUS = /^(dangerously.*|allowInsecureAuth|allowRealIpFallback)$/;

function dangerousSwitches(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = path === "" ? key : Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    return item === true && DANGEROUS.test(key) ? [here] : dangerousSwitches(item, here);
  });
}

const LOGINS = ["token", "password", "trusted-proxy"];

function gatewayProblems(config: unknown, options: Config): Problems {
  const controlUi = at(config, "gateway", "controlUi");
  const proxies = listAt(config, "gateway", "trustedProxies");
  return [
    ...(LOGINS.includes(at(config, "gateway", "auth", "mode") as string)
      ? []
      : ["gateway.auth.mode asks nobody for a login; set it to token, password or trusted-proxy"]),
    ...listAt(controlUi, "allowedOrigins").flatMap((origin, index) =>
      typeof origin === "string" && origin.includes("*")
        ? [`gateway.controlUi.allowedOrigins[${String(index)}] is a wildcard; name the origin`]
        : [],
    ),
    ...proxies.flatMap((proxy, index) => {
      const network = typeof proxy === "string" ? prefixOf(proxy) : undefined;
      const fewest = network?.family === 6 ? options.trustedProxyBitsOfIPv6 : options.trustedProxyBits;
      return network !== undefined && network.bits >= fewest && !isPrivateRange(proxy as string)
        ? []
        : [`gateway.trustedProxies[${String(index)}] is wide, or no network; name the proxies' own addresses`];
    }),
  ];
}

/** Every policy for messages from strangers, of channels and of their accounts. */
function channelProblems(value: unknown, path: string): Problems {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    const isPolicy = key === "dmPolicy" || (key === "policy" && path.endsWith(".dm"));
    return isPolicy && item === "open"
      ? [`${here} lets everyone talk to the agents; use pairing or allowlist`]
      : channelProblems(item, here);
  });
}

function toolProblems(config: unknown): Problems {
  // Older configs have a list of agents, which OpenClaw turns into entries.
  const named = Object.entries(at(config, "agents", "entries") ?? {}).map(([name, agent]): [string, unknown] => [
    `agents.entries.${name}`,
    agent,
  ]);
  const listed = listAt(config, "agents", "list").map((agent, index): [string, unknown] => [
    `agents.list[${String(index)}]`,
    agent,
  ]);
  const agents = [...named, ...listed].flatMap(([path, agent]) =>
    at(agent, "tools", "elevated", "enabled") === true ? [`${path}.tools.elevated.enabled`] : [],
  );
  // OpenClaw's own default is on.
  const everywhere = at(config, "tools", "elevated", "enabled") === false ? [] : ["tools.elevated.enabled"];
  return [...everywhere, ...agents].map((path) => `${path} is not off, so agents leave their sandbox; set it to false`);
}

function at(value: unknown, ...keys: string[]): unknown {
  return keys.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function listAt(value: unknown, ...keys: string[]): unknown[] {
  const list = at(value, ...keys);
  return Array.isArray(list) ? list : [];
}
