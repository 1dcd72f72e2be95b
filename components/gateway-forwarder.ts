import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { LOCAL_PORTS, type ConnectedPart } from "./openclaw/connections";
import type { Endpoint } from "./part";
import { restrictedContainer } from "./pod-security";

/** The environment variable that carries the forwarder's rules, as `port=host:port` with blanks between them. */
export const FORWARDS_ENV = "FORWARDS";

const RULES = `const rules=process.env.${FORWARDS_ENV}.split(" ").map(r=>/^(\\d+)=\\[?(.+?)\\]?:(\\d+)$/.exec(r));`;

/**
 * TCP from ports of 127.0.0.1 to other parts of the cell, nothing more. A connection that breaks on one side breaks on
 * the other; one that ends on one side ends on the other when everything has been passed on.
 */
export const FORWARDER_SCRIPT =
  `const net=require("net");${RULES}` +
  `for(const[,local,host,port]of rules)net.createServer({allowHalfOpen:true,noDelay:true},from=>{` +
  `const to=net.connect({host,port,allowHalfOpen:true,noDelay:true});` +
  `for(const[a,b]of[[from,to],[to,from]]){a.pipe(b);a.on("error",()=>b.destroy())}` +
  `}).listen(+local,"127.0.0.1");` +
  `process.on("SIGTERM",()=>process.exit(0))`;

/** Whether it listens on every port. Whether the parts answer is not its business: a restart would not help them. */
export const FORWARDER_PROBE =
  `${RULES}for(const[,local]of rules)` +
  `require("net").connect(+local,"127.0.0.1",function(){this.destroy()}).on("error",e=>{console.error(local,e.code);process.exit(1)})`;

/** What the forwarder's environment says about the parts that are there. */
export function forwards(parts: Partial<Record<ConnectedPart, Endpoint>>): pulumi.Output<string> {
  const rules = Object.entries(LOCAL_PORTS).flatMap(([part, local]) => {
    const endpoint = parts[part as ConnectedPart];
    return endpoint === undefined
      ? []
      : [pulumi.output(endpoint.host).apply((host) => rule(local, host, endpoint.port))];
  });
  return pulumi.all(rules).apply((texts) => texts.join(" "));
}

function rule(local: number, host: string, port: number): string {
  return `${String(local)}=${isIPv6(host) ? `[${host}]` : host}:${String(port)}`;
}

/**
 * The container that forwards, as a sidecar that starts before the gateway and ends after it: the gateway's drain still
 * needs its models.
 */
export function forwarderContainer(
  image: string,
  parts: Partial<Record<ConnectedPart, Endpoint>>,
): types.input.core.v1.Container {
  const probe = { exec: { command: ["node", "-e", FORWARDER_PROBE] }, timeoutSeconds: 5 };
  return {
    name: "forwarder",
    image,
    imagePullPolicy: "IfNotPresent",
    restartPolicy: "Always",
    command: ["node", "--max-old-space-size=48", "-e", FORWARDER_SCRIPT],
    env: [{ name: FORWARDS_ENV, value: forwards(parts) }],
    // Measured: 75 MiB resident after 50 MB had gone through.
    resources: {
      requests: { cpu: "10m", memory: "80Mi", "ephemeral-storage": "8Mi" },
      limits: { cpu: "500m", memory: "192Mi", "ephemeral-storage": "32Mi" },
    },
    securityContext: restrictedContainer(),
    startupProbe: { ...probe, periodSeconds: 2, failureThreshold: 30 },
    livenessProbe: { ...probe, periodSeconds: 60, failureThreshold: 3 },
  };
}
