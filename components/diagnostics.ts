import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { CronJob } from "@pulumi/kubernetes/batch/v1";
import { confine } from "./confinement";
import { CheckKind, DIAGNOSTICS_ENV, DIAGNOSTICS_SCRIPT, type Check } from "./diagnostics-script";
import { ValidationFailed } from "./errors";
import { resolveImage } from "./images";
import { egressToPart } from "./network";
import type { Endpoint, PartArgs } from "./part";
import { NODE_UID, restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import { completeResources, type CompleteResources, type ResourceOptions } from "./resources";

/** What a team may tune of its diagnostics. */
export interface DiagnosticsOptions {
  /** When they run, in cron's words and UTC. Default: every 15 minutes. */
  schedule?: string;
  /** Seconds until a check counts as failed: 2 to 60. Default: 10. */
  timeoutSeconds?: number;
  /** Seconds that a finished Job stays for its log to be read. Default: 86400, a day. */
  keepSeconds?: number;
  /** Image to run, with tag and digest: any with `node`. Default: `openclaw-gateway` of components/images.json, which the nodes have already. */
  image?: string;
  /** Requests and limits. Default: 20m CPU and 64Mi, at most 250m and 128Mi: Node with the checks was measured at 42 MiB. */
  resources?: ResourceOptions;
}

/** What is checked: each part of the cell that is given. */
export interface DiagnosticsTargets {
  /** The gateway says that it is started, through its Service. */
  gateway?: Endpoint;
  /** The model proxy says that it is healthy. */
  modelProxy?: Endpoint;
  /** The search service says that it is ready. */
  search?: Endpoint;
  /** The monitoring endpoint of the message broker says that it is ok. */
  messageBroker?: Endpoint;
  /** The telemetry collector accepts OTLP over HTTP. */
  telemetry?: Endpoint;
  /** The forward proxy refuses a tunnel to the cloud metadata address. */
  forwardProxy?: Endpoint;
  /** A public name that the DNS filter does not allow does not resolve. Default: not checked. */
  deniedName?: string;
}

export interface DiagnosticsArgs extends DiagnosticsOptions, DiagnosticsTargets, PartArgs {}

/** The options of diagnostics, checked and complete. */
export interface DiagnosticsPlan {
  schedule: string;
  timeoutSeconds: number;
  keepSeconds: number;
  image: string;
  resources: CompleteResources;
}

const COMPONENT = "diagnostics";

/** Reached by nobody while the cluster enforces NetworkPolicies: the cloud metadata address, and the internet. */
const FORBIDDEN = { "metadata-blocked": ["169.254.169.254", 80], "internet-blocked": ["1.1.1.1", 443] } as const;

/**
 * Completes the options of diagnostics.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planDiagnostics(options: DiagnosticsOptions = {}): DiagnosticsPlan {
  const { schedule = "*/15 * * * *", timeoutSeconds = 10, keepSeconds = 86_400 } = options;
  const fail = (what: string, option: string, fix: string): never => {
    throw new ValidationFailed({ what, where: `diagnostics.${option}`, fix });
  };
  if (!/^@(hourly|daily|weekly|monthly)$|^[\d*/,-]+( [\d*/,A-Za-z-]+){4}$/.test(schedule)) {
    fail(`${JSON.stringify(schedule)} is no schedule`, "schedule", "write five fields like */15 * * * *, or @hourly");
  }
  const whole = (value: number, from: number, to: number, option: string): void => {
    if (!Number.isInteger(value) || value < from || value > to) {
      fail(`${String(value)} is out of range`, option, `use a whole number from ${String(from)} to ${String(to)}`);
    }
  };
  whole(timeoutSeconds, 2, 60, "timeoutSeconds");
  whole(keepSeconds, 60, 30 * 86_400, "keepSeconds");
  return {
    schedule,
    timeoutSeconds,
    keepSeconds,
    image: resolveImage("openclaw-gateway", options.image, "diagnostics.image"),
    resources: completeResources(
      options.resources ?? {},
      {
        requestsCpu: "20m",
        requestsMemory: "64Mi",
        limitsCpu: "250m",
        limitsMemory: "128Mi",
        limitsEphemeralStorage: "64Mi",
      },
      "diagnostics.resources",
    ),
  };
}

/**
 * Looks at a cell from within it, as its parts do: by their Services and their NetworkPolicies, which no probe of the
 * kubelet goes through, and at what must not work. A failed Job says which check failed, in a line of JSON.
 */
export class Diagnostics extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Diagnostics";

  /** The CronJob's name. */
  readonly cronJob: pulumi.Output<string>;

  constructor(name: string, args: DiagnosticsArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Diagnostics.__pulumiType, name, registeredArgs(args), opts);
    const plan = planDiagnostics(args);
    const instance = args.instance ?? name;
    const egress = endpoints(args).map((endpoint) => egressToPart(instance, endpoint));
    const { metadata, policy, podSpec } = confine(
      name,
      { part: args, component: COMPONENT, uid: NODE_UID, egress },
      this,
    );
    const { labels } = metadata;
    const template = {
      metadata: { labels },
      spec: { ...podSpec, restartPolicy: "Never", containers: [container(plan, instance, checksOf(args))] },
    };
    const cronJob = new CronJob(
      name,
      {
        metadata,
        spec: {
          schedule: plan.schedule,
          timeZone: "Etc/UTC",
          concurrencyPolicy: "Forbid",
          // A run that was missed by more is not made up for: the next one tells as much.
          startingDeadlineSeconds: 120,
          successfulJobsHistoryLimit: 1,
          failedJobsHistoryLimit: 3,
          jobTemplate: {
            metadata: { labels },
            spec: {
              // What fails is to be seen, not tried again until it passes.
              backoffLimit: 0,
              // All checks run at once; the rest is for pulling the image.
              activeDeadlineSeconds: plan.timeoutSeconds + 290,
              ttlSecondsAfterFinished: plan.keepSeconds,
              template,
            },
          },
        },
      },
      { parent: this, dependsOn: policy },
    );
    this.cronJob = cronJob.metadata.name;
    this.registerOutputs({ cronJob: this.cronJob });
  }
}

function endpoints(targets: DiagnosticsTargets): Endpoint[] {
  const { gateway, modelProxy, search, messageBroker, telemetry, forwardProxy } = targets;
  return [gateway, modelProxy, search, messageBroker, telemetry, forwardProxy].filter(
    (endpoint) => endpoint !== undefined,
  );
}

/** The checks of what is given, and of what must not be reachable. */
export function checksOf(targets: DiagnosticsTargets): Check[] {
  const { gateway, modelProxy, search, messageBroker, telemetry, forwardProxy, deniedName } = targets;
  const http = (check: string, endpoint: Endpoint | undefined, answer: Partial<Check>): Check[] =>
    endpoint === undefined
      ? []
      : [{ check, kind: CheckKind.Http, host: endpoint.host, port: endpoint.port, ...answer }];
  return [
    // An unknown path answers 200 too, so the body counts.
    ...http("gateway", gateway, { path: "/startupz", field: "status", value: "started" }),
    ...http("model-proxy", modelProxy, { path: "/health/readiness", field: "status", value: "healthy" }),
    ...http("search", search, { path: "/readyz", field: "ready", value: true }),
    ...http("message-broker", messageBroker, { path: "/healthz", field: "status", value: "ok" }),
    // OTLP takes an empty request for what it is: nothing to store.
    ...http("telemetry", telemetry, { path: "/v1/traces", method: "POST" }),
    ...(forwardProxy === undefined
      ? []
      : [{ check: "forward-proxy", kind: CheckKind.ProxyRefuses, host: forwardProxy.host, port: forwardProxy.port }]),
    ...(deniedName === undefined ? [] : [{ check: "dns-filter", kind: CheckKind.Unresolved, host: deniedName }]),
    ...Object.entries(FORBIDDEN).map(([check, [host, port]]) => ({ check, kind: CheckKind.Blocked, host, port })),
  ];
}

function container(plan: DiagnosticsPlan, cell: string, checks: Check[]): types.input.core.v1.Container {
  const input = pulumi.jsonStringify({ cell, timeoutMs: plan.timeoutSeconds * 1000, checks });
  return {
    name: COMPONENT,
    image: plan.image,
    imagePullPolicy: "IfNotPresent",
    command: ["node", "--max-old-space-size=48", "-e", DIAGNOSTICS_SCRIPT],
    env: [{ name: DIAGNOSTICS_ENV, value: input }],
    resources: { ...plan.resources },
    securityContext: restrictedContainer(),
  };
}
