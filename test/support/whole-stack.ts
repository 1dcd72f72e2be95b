import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import { mergeSettings, type YamlMap } from "../../stacks/fleet/merge";
import { readYaml } from "../../stacks/fleet/yaml-file";

/** What the repository's own dev stack gives a cell, every part switched on. */
export function everythingOn(): YamlMap {
  const layers = ["base.yaml", "environment/dev.yaml", "cluster/dev-eu.yaml"];
  return mergeSettings(
    layers.map((name) => ({
      name,
      settings: readYaml(join(projectRoot, "stacks", "overlays", name)).value as YamlMap,
    })),
  );
}

/** A cell's settings with some changed; `null` takes away. */
export function changed(settings: YamlMap, change: YamlMap): YamlMap {
  return mergeSettings([
    { name: "cell", settings },
    { name: "change", settings: change },
  ]);
}

/** What switching off a part does to a cell. */
export interface Switch {
  /** The settings that change. */
  off: YamlMap;
  /** The components whose objects go. */
  components: string[];
  /** What it has at other parts, which goes too, as `Kind NAME` without the cell's name. Default: nothing. */
  alsoGoes?: string[];
  /** The kinds of the objects that refer to it, by component. A ConfigMap is made anew, under a new name; all else is updated. */
  refer: Record<string, string[]>;
}

const CONFIG = "ConfigMap";
const POLICY = "NetworkPolicy";
const SERVICE = "Service";
const DEPLOYMENT = "Deployment";
const STATEFUL_SET = "StatefulSet";
const CRON_JOB = "CronJob";

/** Where a host's addresses are, for what loses its way out by name. */
const ADDRESSES = [{ cidr: "203.0.113.0/24" }];

/** The parts of a cell that a team can switch off, each with the objects that this touches, and no other. */
export const SWITCHES: Record<string, Switch> = {
  browser: {
    off: { browser: null },
    components: ["browser"],
    refer: {
      "dns-filter": [POLICY],
      // It loses a listener.
      "forward-proxy": [CONFIG, DEPLOYMENT, POLICY, SERVICE],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
    },
  },
  modelProxy: {
    // What names its models goes with it.
    off: {
      modelProxy: null,
      search: { embeddingModel: null },
      gateway: { openclaw: { models: { primary: null } } },
    },
    components: ["model-proxy", "model-database"],
    refer: {
      diagnostics: [CRON_JOB, POLICY],
      // It no longer knows the providers' names.
      "dns-filter": [CONFIG, DEPLOYMENT, POLICY],
      "forward-proxy": [CONFIG, DEPLOYMENT, POLICY, SERVICE],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
      search: [CONFIG, POLICY, STATEFUL_SET],
      "telemetry-collector": [CONFIG, POLICY, STATEFUL_SET],
    },
  },
  search: {
    off: { search: null },
    components: ["search"],
    alsoGoes: ["Secret model-proxy-agent-search"],
    refer: {
      diagnostics: [CRON_JOB, POLICY],
      "dns-filter": [POLICY],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
      "model-proxy": [CONFIG, DEPLOYMENT, POLICY],
    },
  },
  messaging: {
    off: { messaging: null },
    components: ["message-broker", "message-relay", "message-redrive"],
    refer: {
      diagnostics: [CRON_JOB, POLICY],
      "dns-filter": [POLICY],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
      "telemetry-collector": [CONFIG, POLICY, STATEFUL_SET],
    },
  },
  dnsFilter: {
    off: { dnsFilter: null },
    components: ["dns-filter"],
    // Every Pod asks the cluster's DNS then.
    refer: {
      "admin-access": [DEPLOYMENT, POLICY],
      browser: [DEPLOYMENT, POLICY],
      "console-database": [POLICY, STATEFUL_SET],
      diagnostics: [CRON_JOB, POLICY],
      "forward-proxy": [DEPLOYMENT, POLICY],
      gateway: [POLICY, STATEFUL_SET],
      "message-broker": [POLICY, STATEFUL_SET],
      "message-redrive": [CRON_JOB, POLICY],
      "message-relay": [DEPLOYMENT, POLICY],
      "model-database": [POLICY, STATEFUL_SET],
      "model-proxy": [DEPLOYMENT, POLICY],
      search: [POLICY, STATEFUL_SET],
      "telemetry-collector": [POLICY, STATEFUL_SET],
      "telemetry-console": [DEPLOYMENT, POLICY],
      "telemetry-database": [POLICY, STATEFUL_SET],
    },
  },
  forwardProxy: {
    // Without it, what needs the internet has to say where that is.
    off: { forwardProxy: null, modelProxy: { egress: ADDRESSES }, gateway: { egress: ADDRESSES } },
    components: ["forward-proxy"],
    refer: {
      browser: [DEPLOYMENT, POLICY],
      diagnostics: [CRON_JOB, POLICY],
      "dns-filter": [CONFIG, DEPLOYMENT, POLICY],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
      "model-proxy": [DEPLOYMENT, POLICY],
    },
  },
  telemetry: {
    off: { telemetry: null },
    components: ["telemetry-collector", "telemetry-console", "telemetry-database", "console-database"],
    refer: {
      diagnostics: [CRON_JOB, POLICY],
      "dns-filter": [POLICY],
      gateway: [CONFIG, POLICY, STATEFUL_SET],
      "model-proxy": [CONFIG, DEPLOYMENT, POLICY],
    },
  },
  diagnostics: {
    off: { diagnostics: null },
    components: ["diagnostics"],
    refer: {
      "dns-filter": [POLICY],
      "forward-proxy": [CONFIG, DEPLOYMENT, POLICY, SERVICE],
      gateway: [POLICY],
      "model-proxy": [POLICY],
      search: [POLICY],
      "telemetry-collector": [POLICY],
    },
  },
  adminAccess: {
    off: { adminAccess: null },
    components: ["admin-access"],
    refer: { "dns-filter": [CONFIG, DEPLOYMENT, POLICY], gateway: [POLICY] },
  },
};
