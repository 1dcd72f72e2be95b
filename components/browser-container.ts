import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import type { BrowserPlan } from "./browser";
import { LOCAL_PORTS } from "./openclaw/connections";
import { endpointUrl, type Endpoint } from "./part";
import { restrictedContainer } from "./pod-security";

/** The port of CDP. */
export const CDP_PORT = LOCAL_PORTS.browser;
/** Where Chrome itself listens when others are to reach it: on loopback alone, whatever it is told, since version 136. */
const LOOPBACK_PORT = 9223;
const PROGRAM = "/headless-shell/headless-shell";

/** Its uid in a Pod of its own: `nobody` of the image. */
export const BROWSER_UID = 65534;

/** Passes CDP on to loopback and becomes the browser; the image's own script splits arguments at blanks. */
export function browserCommand(program = PROGRAM, port = CDP_PORT, loopbackPort = LOOPBACK_PORT): string[] {
  const socat = `socat TCP4-LISTEN:${String(port)},fork,reuseaddr TCP4:127.0.0.1:${String(loopbackPort)}`;
  return ["bash", "-c", `${socat} & exec ${program} "$@"`, "browser"];
}

/**
 * Chrome's arguments.
 *
 * `--no-sandbox` is a decision, not an oversight: Chrome's sandbox needs user namespaces or a setuid helper, and
 * `restricted` with the runtime's default seccomp profile has neither. The Pod is the sandbox instead: no capability, no
 * token, no secret, a read-only root, nobody but the gateway comes in, and the forward proxy is the only way out.
 *
 * Everything goes to the forward proxy by name, also what a page says is on loopback. Nothing is resolved but the
 * proxy's own name, so neither DNS nor DNS over HTTPS tells anyone anything.
 */
export function browserArgs(port: number, forwardProxy: Endpoint | undefined): pulumi.Input<string>[] {
  return [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader", // no GPU
    `--remote-debugging-port=${String(port)}`,
    "--user-data-dir=/tmp/profile",
    `--disk-cache-size=${String(256 * 2 ** 20)}`,
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-quic", // UDP passes no proxy
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    ...(forwardProxy === undefined
      ? ["--host-resolver-rules=MAP * ~NOTFOUND"]
      : [
          pulumi.interpolate`--proxy-server=${endpointUrl(forwardProxy)}`,
          "--proxy-bypass-list=<-loopback>",
          pulumi.interpolate`--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE ${forwardProxy.host}`,
        ]),
  ];
}

/**
 * Asks for the browser's version and wants the answer that a CDP client needs. By bash, since the image has no HTTP
 * client; over the same way as the gateway, so that a browser that nobody reaches is restarted.
 */
export function browserProbe(port: number): string[] {
  const script =
    `exec 3<>/dev/tcp/127.0.0.1/${String(port)} || exit 1; ` +
    String.raw`printf 'GET /json/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3; ` +
    String.raw`IFS= read -r -t 4 line <&3; case $line in "HTTP/1.1 200"*) ;; *) echo "no answer: $line" >&2; exit 1 ;; esac; ` +
    String.raw`while IFS= read -r -t 4 line <&3; do case $line in *'"webSocketDebuggerUrl": "ws://'*) exit 0 ;; esac; done; ` +
    `echo "/json/version: no webSocketDebuggerUrl" >&2; exit 1`;
  return ["bash", "-c", script];
}

/**
 * The browser's container: in a Pod of its own, where CDP is passed on to loopback, or beside the gateway, where it is
 * on the Pod's loopback itself.
 */
export function browserContainer(
  plan: BrowserPlan,
  place: { sidecar: boolean; forwardProxy: Endpoint | undefined },
): types.input.core.v1.Container {
  const args = browserArgs(place.sidecar ? CDP_PORT : LOOPBACK_PORT, place.forwardProxy);
  const probe = { exec: { command: browserProbe(CDP_PORT) }, timeoutSeconds: 5 };
  return {
    name: "browser",
    image: plan.image,
    imagePullPolicy: "IfNotPresent", // pinned by digest
    ...(place.sidecar ? { restartPolicy: "Always", command: [PROGRAM], args } : { command: browserCommand(), args }),
    env: [{ name: "HOME", value: "/tmp" }],
    ports: place.sidecar ? [] : [{ name: "cdp", containerPort: CDP_PORT, protocol: "TCP" }],
    resources: plan.resources,
    securityContext: {
      ...restrictedContainer(),
      ...(place.sidecar && { runAsUser: BROWSER_UID, runAsGroup: BROWSER_UID }),
    },
    startupProbe: { ...probe, periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: { ...probe, periodSeconds: 15, failureThreshold: 2 },
    livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 3 },
    volumeMounts: [
      { name: "browser-tmp", mountPath: "/tmp" },
      { name: "browser-shm", mountPath: "/dev/shm" },
    ],
  };
}

/** The volumes that the container mounts: its profile goes with the Pod, its shared memory counts as its memory. */
export function browserVolumes(plan: BrowserPlan): types.input.core.v1.Volume[] {
  return [
    { name: "browser-tmp", emptyDir: { sizeLimit: "1Gi" } },
    { name: "browser-shm", emptyDir: { medium: "Memory", sizeLimit: plan.sharedMemory } },
  ];
}
