import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect, type Problems } from "../kubernetes/field";
import { prefixOf } from "../kubernetes/networks";
import { kubernetesType } from "../kubernetes/workloads";

interface Config {
  /** The fewest fixed bits of a network of trusted proxies, of IPv4. */
  trustedProxyBits: number;
}

/** Who reaches the gateway unasked, or makes its tools run outside of their bounds, has what the agents have. */
export const openclawConfig: ResourceValidationPolicy = {
  name: "openclaw-config",
  description: "OpenClaw's gateway asks for a login, from exact origins, takes no open messages and elevates no tools.",
  configSchema: {
    properties: {
      trustedProxyBits: {
        type: "integer",
        minimum: 1,
        maximum: 32,
        default: 16,
        description:
          "The fewest fixed bits of a network of trusted proxies, of IPv4; of IPv6 it is four times as many.",
      },
    },
  },
  validateResource: (args, report) => {
    const { group = "", kind = "" } = kubernetesType(args.type) ?? {};
    if (group !== "core" || kind !== "ConfigMap") return;
    const { trustedProxyBits } = args.getConfig<Config>();
    inspect(args, report, (configMap) => {
      configMap
        .at("data", "openclaw.json")
        .check((text) => (text === undefined ? [] : problems(text, trustedProxyBits)));
    });
  },
};

function problems(text: unknown, trustedProxyBits: number): Problems {
  let config: unknown;
  try {
    config = JSON.parse(text as string);
  } catch {
    return ["no JSON, so it cannot be checked; write it without comments and trailing commas"];
  }
  return [
    ...gatewayProblems(config, trustedProxyBits),
    ...channelProblems(at(config, "channels"), "channels"),
    ...toolProblems(config),
  ];
}

/** Switches of the Control UI that turn its protection off. */
const DANGEROUS = ["allowInsecureAuth", "dangerouslyDisableDeviceAuth", "dangerouslyAllowHostHeaderOriginFallback"];
const LOGINS = ["token", "password", "trusted-proxy"];

function gatewayProblems(config: unknown, trustedProxyBits: number): Problems {
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
    ...DANGEROUS.filter((name) => at(controlUi, name) === true).map(
      (name) => `gateway.controlUi.${name} turns a protection off; leave it out`,
    ),
    ...proxies.flatMap((proxy, index) => {
      const network = typeof proxy === "string" ? prefixOf(proxy) : undefined;
      const fewest = network?.family === 6 ? trustedProxyBits * 4 : trustedProxyBits;
      return network !== undefined && network.bits >= fewest
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
  const agents = listAt(config, "agents", "list").flatMap((agent, index) =>
    at(agent, "tools", "elevated", "enabled") === true ? [`agents.list[${String(index)}].tools.elevated.enabled`] : [],
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
