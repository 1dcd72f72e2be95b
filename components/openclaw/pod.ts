import { ValidationFailed } from "../errors";
import { GATEWAY_PORT } from "./config";

/** The ConfigMap's key, and the file's name in the directory that it is mounted as. */
export const GATEWAY_CONFIG_FILE = "openclaw.json";

/**
 * How long the gateway may take to end. Measured: 325 s with a channel that could not reach its service (it logs
 * `drain=315000ms shutdown=325000ms`); OpenClaw's own systemd unit allows 330 s.
 */
export const TERMINATION_GRACE_PERIOD_SECONDS = 345;
/** Below this the kubelet kills a gateway that is still draining. */
export const MIN_TERMINATION_GRACE_PERIOD_SECONDS = 330;

/** Measured: 0.85 GiB idle and 1.06 GiB after one chat turn. */
const MIN_REQUEST_MI = 1024;
const MIN_LIMIT_MI = 2048;
/** The heap's share of the memory limit; the rest is for buffers, SQLite, and the gateway's two helper processes. */
const HEAP_SHARE = 0.75;

/** Timeout of a probe: an answer takes milliseconds, starting `node` tens of them, or a second when the CPU is short. */
export const PROBE_TIMEOUT_SECONDS = 5;

interface GatewayEnvArgs {
  /** The directory that the ConfigMap is mounted as. */
  configDir: string;
  /** The directory that the state's volume is mounted as. */
  stateDir: string;
  /** The container's memory limit, in MiB. */
  memoryLimitMi: number;
}

/** The gateway's environment, without its secrets. */
export function gatewayEnv({ configDir, stateDir, memoryLimitMi }: GatewayEnvArgs): Record<string, string> {
  return {
    OPENCLAW_CONFIG_PATH: `${configDir}/${GATEWAY_CONFIG_FILE}`,
    // Nothing in the Pod edits the config: a change is made in the stack and rolls the Pod.
    OPENCLAW_CONFIG_READONLY: "1",
    // A directory that the gateway makes for itself, 0700: the volume's own root belongs to the fsGroup as well.
    OPENCLAW_STATE_DIR: `${stateDir}/openclaw`,
    // Snapshots of its databases are staged here, and the home directory of the image is read-only.
    XDG_CACHE_HOME: `${stateDir}/cache`,
    npm_config_cache: `${stateDir}/cache/npm`,
    NODE_OPTIONS: `--max-old-space-size=${heapMegabytes(memoryLimitMi)}`,
    DO_NOT_TRACK: "1",
  };
}

/** The gateway's command in the official image, relative to its working directory. */
export function gatewayCommand(): string[] {
  return ["node", "openclaw.mjs", "gateway"];
}

/** What each health endpoint answers when all is well. */
const EXPECTED = {
  "/healthz": { key: "status", value: "live" },
  "/startupz": { key: "status", value: "started" },
} as const;

/**
 * An exec probe that reads the JSON body, since an unknown path answers 200 as well, with the web interface. It runs
 * `node` alone, with `http` instead of `fetch`: a call of OpenClaw's own CLI costs 1.3 CPU seconds, `fetch` 0.16, this 0.06.
 */
export function probeCommand(path: keyof typeof EXPECTED, port = GATEWAY_PORT): string[] {
  const { key, value } = EXPECTED[path];
  const script =
    `const fail=why=>{console.error(why);process.exit(1)};` +
    `require("http").get({host:"127.0.0.1",port:${port},path:"${path}",timeout:${(PROBE_TIMEOUT_SECONDS - 1) * 1000}},r=>{` +
    `let b="";r.on("data",d=>b+=d).on("end",()=>{let s;try{s=JSON.parse(b).${key}}catch{return fail("${path}: no JSON")}` +
    `s==="${value}"&&r.statusCode===200?process.exit(0):fail("${path}: "+r.statusCode+" "+s)})` +
    `}).on("timeout",()=>fail("${path}: timeout")).on("error",e=>fail("${path}: "+e.code))`;
  // NODE_OPTIONS is the gateway's: a heap of its size is not what a probe should be allowed.
  return ["node", "--max-old-space-size=64", "-e", script];
}

/**
 * A Kubernetes quantity of memory in MiB, for example `2Gi` or `1500M`.
 * @param where the option that it comes from, for the message.
 * @throws ValidationFailed for anything else.
 */
export function mebibytes(quantity: string, where = "gateway.resources"): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?$/.exec(quantity) ?? [];
  if (digits === undefined) {
    throw new ValidationFailed({
      what: `${JSON.stringify(quantity)} is no quantity of memory`,
      where,
      fix: "write it as 2Gi or 2048Mi",
    });
  }
  const bytes: Record<string, number> = {
    "": 1,
    k: 1e3,
    M: 1e6,
    G: 1e9,
    T: 1e12,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
  };
  return (Number(digits) * (bytes[unit ?? ""] ?? 1)) / 2 ** 20;
}

/** Node's heap for a memory limit, both in MiB. */
export function heapMegabytes(limitMi: number): number {
  return Math.floor(limitMi * HEAP_SHARE);
}

/**
 * Checks the container's memory, in MiB, against what the gateway was measured to need.
 * @throws ValidationFailed when it would be killed while idle.
 */
export function assertMemory(requestMi: number, limitMi: number): void {
  const problems: string[] = [];
  if (requestMi < MIN_REQUEST_MI)
    problems.push(
      `gateway.resources.requestsMemory is ${Math.round(requestMi)}Mi, and the gateway uses up to 1Gi when idle: at least 1Gi`,
    );
  if (limitMi < MIN_LIMIT_MI)
    problems.push(
      `gateway.resources.limitsMemory is ${Math.round(limitMi)}Mi, and the gateway is killed for memory below: at least 2Gi`,
    );
  if (limitMi < requestMi) problems.push("gateway.resources.limitsMemory is less than requestsMemory");
  if (problems.length > 0)
    throw new ValidationFailed({
      what: problems.join("\n  "),
      where: "gateway.resources",
      fix: "leave them out for 1Gi and 2Gi",
    });
}

/**
 * Checks how long the gateway may take to end.
 * @throws ValidationFailed below the measured drain.
 */
export function assertGracePeriod(seconds: number): void {
  if (seconds >= MIN_TERMINATION_GRACE_PERIOD_SECONDS) return;
  throw new ValidationFailed({
    what: `${seconds} s is less than the gateway's own drain of up to 325 s`,
    where: "gateway.terminationGracePeriodSeconds",
    fix: `at least ${MIN_TERMINATION_GRACE_PERIOD_SECONDS}, or leave it out for ${TERMINATION_GRACE_PERIOD_SECONDS}`,
  });
}
