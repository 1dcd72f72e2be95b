import * as pulumi from "@pulumi/pulumi";
import { ClickHouse, planClickHouse, type ClickHouseOptions } from "./clickhouse";
import { ValidationFailed } from "./errors";
import { Mongo, planMongo, type MongoOptions } from "./mongo";
import type { Endpoint, SeededPartArgs } from "./part";
import { registeredArgs } from "./registered-args";
import { sealed } from "./secrets";
import {
  planTelemetryCollector,
  TelemetryCollector,
  type ExternalOtlpOptions,
  type TelemetryCollectorArgs,
  type TelemetryCollectorOptions,
  type TelemetrySurroundings,
} from "./telemetry-collector";
import { hasConsole, telemetryMode, TelemetryMode } from "./telemetry-mode";
import { planTelemetryConsole, TelemetryConsole, type TelemetryConsoleOptions } from "./telemetry-console";

/** What a team may tune of its cell's telemetry. One switch sets the collector and every sender. */
export interface TelemetryOptions {
  /** Where it goes. Default: `own`. */
  mode?: TelemetryMode;
  /** The endpoint outside of the cell. Goes with `mode: external`, and only then. */
  external?: ExternalOtlpOptions;
  /** The collector, which every mode but `off` has. */
  collector?: TelemetryCollectorOptions;
  /** The database, its retention and the alerts. Goes with `mode: own`. */
  clickhouse?: ClickHouseOptions;
  /** Whether there is a console. Default: true in `mode: own`. */
  consoleEnabled?: boolean;
  /** The console. Goes with `mode: own`. */
  console?: TelemetryConsoleOptions;
  /** The console's own database. Goes with `mode: own`. */
  consoleDatabase?: MongoOptions;
}

export interface TelemetryArgs extends TelemetryOptions, TelemetrySurroundings, SeededPartArgs {}

/**
 * Checks a cell's telemetry as a whole.
 * @returns whether there is any.
 * @throws ValidationFailed naming the option and the fix.
 */
export function planTelemetry(
  options: TelemetryOptions,
  surroundings: TelemetrySurroundings & Pick<TelemetryArgs, "externalSecrets"> = {},
): boolean {
  const mode = telemetryMode(options);
  const only = (option: keyof TelemetryOptions, wanted: TelemetryMode) => {
    if (options[option] === undefined || mode === wanted) return;
    throw new ValidationFailed({
      what: `has no meaning while telemetry.mode is ${mode}`,
      where: `telemetry.${option}`,
      fix: `set telemetry.mode to ${wanted}, or leave it out`,
    });
  };
  only("external", TelemetryMode.External);
  for (const option of ["clickhouse", "consoleEnabled", "console", "consoleDatabase"] as const) {
    only(option, TelemetryMode.Own);
  }
  if (mode === TelemetryMode.Off) return false;
  if (mode === TelemetryMode.External && options.external === undefined) {
    throw new ValidationFailed({
      what: "telemetry.mode is external, and no endpoint is given",
      where: "telemetry.external.endpoint",
      fix: "give the endpoint's address, for example https://otlp.example.com, or set telemetry.mode to own",
    });
  }
  const own = mode === TelemetryMode.Own;
  const { externalSecrets } = surroundings;
  if (own) {
    planClickHouse(options.clickhouse ?? {}, externalSecrets);
    if (hasConsole(options)) {
      planTelemetryConsole(options.console ?? {}, externalSecrets);
      planMongo(options.consoleDatabase ?? {}, externalSecrets);
    }
  }
  // What it writes into is made later, and has nothing to be checked.
  const clickhouse = {
    endpoint: { component: "", host: "", port: 1 },
    password: { secretName: "", key: "", version: 1 },
  };
  planTelemetryCollector(options.collector ?? {}, {
    ...surroundings,
    ...(own ? { clickhouse } : { external: options.external }),
  });
  return true;
}

/** A cell's telemetry: collector, database with alerts, and console, connected with each other and with nothing more. */
export class Telemetry extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Telemetry";

  /** Where the parts of the cell send OTLP over HTTP to. */
  readonly endpoint: Endpoint;
  /** The collector's Service. */
  readonly collector: pulumi.Output<string>;
  /** The console's Service, for a port-forward to port 8080; empty without a console. */
  readonly console: pulumi.Output<string>;

  constructor(name: string, args: TelemetryArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Telemetry.__pulumiType, name, registeredArgs(sealedTelemetry(args)), opts);
    if (!planTelemetry(args, args)) {
      throw new ValidationFailed({
        what: "there is nothing to create",
        where: "telemetry.mode",
        fix: "leave the component out instead",
      });
    }
    const instance = args.instance ?? name;
    const { namespace, labels, dns, externalSecrets, secretSeed, scheduling, retain } = args;
    const part = { namespace, instance, labels, dns, externalSecrets, secretSeed, scheduling, retain };
    const own = telemetryMode(args) === TelemetryMode.Own;
    const withConsole = hasConsole(args);

    const database = own
      ? new ClickHouse(
          `${name}-database`,
          {
            ...args.clickhouse,
            ...part,
            clients: ["telemetry-collector", ...(withConsole ? ["telemetry-console"] : [])],
          },
          { parent: this },
        )
      : undefined;
    const { gateway, broker, scrape, certificates, forwardProxy } = args;
    const { environment, tenant, region, agent, contractVersion } = args;
    const collected: TelemetryCollectorArgs = {
      ...args.collector,
      ...part,
      ...{ gateway, broker, scrape, certificates, forwardProxy },
      ...{ environment, tenant, region, agent, contractVersion },
      clients: args.clients,
      external: args.external,
      clickhouse: database && { endpoint: database.endpoint, password: database.collectorPassword },
    };
    const collector = new TelemetryCollector(`${name}-collector`, collected, { parent: this });
    let console: TelemetryConsole | undefined;
    if (withConsole && database !== undefined) {
      const mongo = new Mongo(
        `${name}-mongo`,
        { ...args.consoleDatabase, ...part, clients: ["telemetry-console"] },
        { parent: this },
      );
      console = new TelemetryConsole(
        `${name}-console`,
        {
          ...args.console,
          ...part,
          // Nobody in the cell: operators come by kubectl port-forward.
          clients: [],
          clickhouse: { endpoint: database.endpoint, password: database.consolePassword },
          mongo: { endpoint: mongo.endpoint, password: mongo.password },
        },
        { parent: this },
      );
    }
    this.endpoint = collector.endpoint;
    this.collector = collector.service;
    this.console = console?.service ?? pulumi.output("");
    this.registerOutputs({ collector: this.collector, console: this.console });
  }
}

/** The options with every given secret marked as one: they are kept in Pulumi's state. */
export function sealedTelemetry<T extends TelemetryOptions>(args: T): T {
  const { external, clickhouse, console, consoleDatabase } = args;
  return {
    ...args,
    ...(external?.headerValue && { external: { ...external, headerValue: sealed(external.headerValue) } }),
    ...(clickhouse && { clickhouse: sealedIn(clickhouse, ["collectorPassword", "consolePassword", "adminPassword"]) }),
    ...(console && { console: sealedIn(console, ["password", "sessionSecret"]) }),
    ...(consoleDatabase && { consoleDatabase: sealedIn(consoleDatabase, ["password"]) }),
  };
}

function sealedIn<Options extends object>(options: Options, secrets: (keyof Options)[]): object {
  const marked = secrets.flatMap((name) => {
    const secret = options[name];
    return secret === undefined ? [] : [[name, sealed(secret as Parameters<typeof sealed>[0])]];
  });
  return { ...options, ...(Object.fromEntries(marked) as object) };
}
