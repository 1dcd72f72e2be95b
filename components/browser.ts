import * as pulumi from "@pulumi/pulumi";
import { browserContainer, browserVolumes, BROWSER_UID, CDP_PORT } from "./browser-container";
import { ValidationFailed } from "./errors";
import { resolveImage } from "./images";
import { egressToPart } from "./network";
import { mebibytes } from "./openclaw/pod";
import type { Endpoint, PartArgs } from "./part";
import { registeredArgs } from "./registered-args";
import { workload } from "./workload";

/** Where the browser runs. */
export enum BrowserMode {
  /** In a Pod of its own, which reaches the forward proxy and nothing else. */
  Deployment = "deployment",
  /** In the gateway's Pod. It shares the gateway's network then: a page that breaks out of Chrome reaches what the gateway reaches. */
  Sidecar = "sidecar",
}

/** Requests and limits of the browser's container. */
export interface BrowserResources {
  /** CPU that the scheduler sets aside. Default: `250m`. */
  requestsCpu?: string;
  /** Default: `512Mi`; it was measured at 190 MiB with three small pages open (Chromium 156, resident and shared pages counted once). */
  requestsMemory?: string;
  /** CPU above which it is throttled. Default: `1`. */
  limitsCpu?: string;
  /** Tabs and shared memory together, at least 1Gi. Default: `2Gi`. */
  limitsMemory?: string;
  /** Its profile, cache and downloads; at least `1Gi` of it is for these. Default: `1536Mi`. */
  limitsEphemeralStorage?: string;
}

/** What a team may tune of its browser. */
export interface BrowserOptions {
  /** Where it runs. Default: `deployment`. */
  mode?: BrowserMode;
  /** Hosts that pages may come from, as the forward proxy has them: `www.example.com`, `.example.com` with everything beneath it, or `*` for every public name. Default: none, so that every page is refused. */
  allowedHosts?: string[];
  /** Size of `/dev/shm`, which counts as memory: at most half of the memory limit. Default: `512Mi`. */
  sharedMemory?: string;
  /** Requests and limits. */
  resources?: BrowserResources;
  /** Image to run, with tag and digest. Default: `chromium` of components/images.json. */
  image?: string;
}

export interface BrowserArgs extends BrowserOptions, PartArgs {
  /** The way out. Default: none, so that no page is reached. */
  forwardProxy?: Endpoint;
}

/** A browser's options, checked and complete. */
export interface BrowserPlan {
  mode: BrowserMode;
  image: string;
  allowedHosts: string[];
  sharedMemory: string;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
}

/** What a browser takes from the rest of its cell. */
export interface BrowserSurroundings {
  /** Whether it has a forward proxy as its way out. */
  forwardProxy: boolean;
}

/**
 * Checks a browser's options and completes them. It creates nothing.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planBrowser(options: BrowserOptions, surroundings: BrowserSurroundings): BrowserPlan {
  const { mode = BrowserMode.Deployment, allowedHosts = [], sharedMemory = "512Mi", resources = {} } = options;
  if (!surroundings.forwardProxy && allowedHosts.length > 0) {
    throw new ValidationFailed({
      what: "hosts are allowed, and there is no way to them",
      where: "browser.allowedHosts",
      fix: "switch the forward proxy on (Browser: give forwardProxy), or remove the hosts",
    });
  }
  if (!surroundings.forwardProxy && mode === BrowserMode.Sidecar) {
    throw new ValidationFailed({
      what: "without a forward proxy, pages would reach whatever the gateway reaches",
      where: "browser.mode",
      fix: "switch the forward proxy on, or use mode deployment",
    });
  }
  const limitsMemory = resources.limitsMemory ?? "2Gi";
  const limitMi = mebibytes(limitsMemory, "browser.resources.limitsMemory");
  const shared = mebibytes(sharedMemory, "browser.sharedMemory");
  if (limitMi < 1024) {
    throw new ValidationFailed({
      what: `${limitsMemory} is less than a few open pages need`,
      where: "browser.resources.limitsMemory",
      fix: "at least 1Gi, or leave it out for 2Gi",
    });
  }
  if (mebibytes(resources.requestsMemory ?? "512Mi", "browser.resources.requestsMemory") > limitMi) {
    throw new ValidationFailed({
      what: `${limitsMemory} is less than the request of ${resources.requestsMemory ?? "512Mi"}`,
      where: "browser.resources.limitsMemory",
      fix: "raise the limit, or lower requestsMemory",
    });
  }
  if (shared > limitMi / 2) {
    throw new ValidationFailed({
      what: `${sharedMemory} of shared memory is more than half of the memory limit of ${limitsMemory}, which it counts towards`,
      where: "browser.sharedMemory",
      fix: "lower it, or raise browser.resources.limitsMemory",
    });
  }
  return {
    mode,
    image: resolveImage("chromium", options.image, "browser.image"),
    allowedHosts,
    sharedMemory,
    resources: {
      requests: {
        cpu: resources.requestsCpu ?? "250m",
        memory: resources.requestsMemory ?? "512Mi",
        "ephemeral-storage": "128Mi",
      },
      limits: {
        cpu: resources.limitsCpu ?? "1",
        memory: limitsMemory,
        "ephemeral-storage": resources.limitsEphemeralStorage ?? "1536Mi",
      },
    },
  };
}

/**
 * Chromium without a window, driven over CDP, in a Pod of its own. Whoever speaks CDP with it rules it, so only its
 * clients reach it: the gateway. What it reaches is the forward proxy alone.
 */
export class Browser extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Browser";

  /** Where it listens: by its literal address, since Chrome answers no request that names a host. */
  readonly endpoint: Endpoint;

  constructor(name: string, args: BrowserArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Browser.__pulumiType, name, registeredArgs(args), opts);
    const { forwardProxy } = args;
    const plan = planBrowser(args, { forwardProxy: forwardProxy !== undefined });
    if (plan.mode !== BrowserMode.Deployment) {
      throw new ValidationFailed({
        what: "a sidecar is a container of the gateway's Pod, and no component",
        where: "browser.mode",
        fix: "give the options to OpenClawGateway as browserSidecar",
      });
    }
    const { service } = workload(
      name,
      {
        part: args,
        component: "browser",
        kind: "Deployment",
        uid: BROWSER_UID,
        containers: [browserContainer(plan, { sidecar: false, forwardProxy })],
        volumes: browserVolumes(plan),
        ports: [{ name: "cdp", port: CDP_PORT }],
        egress: forwardProxy === undefined ? [] : [egressToPart(args.instance ?? name, forwardProxy)],
      },
      this,
    );
    this.endpoint = { component: "browser", host: service?.spec.clusterIP ?? "", port: CDP_PORT };
    this.registerOutputs({ endpoint: this.endpoint });
  }
}
