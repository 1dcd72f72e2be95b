import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import {
  AnalyzeRequest,
  AnalyzerResource,
  AnalyzerResourceOptions,
  AnalyzeStackRequest,
  ConfigureAnalyzerRequest,
  EnforcementLevel,
  PolicyConfig,
  type AnalyzeResponse,
} from "@pulumi/pulumi/proto/analyzer_pb.js";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { projectRoot } from "../cli/workspace";
import { parseStat } from "../engine/proc";
import { policies } from "../policy/policies";
import type { Inspected } from "../test/policy/support";
import { TICKS_PER_SECOND } from "./measure";

/** The pack as Pulumi starts it: a process of its own, which is asked about one resource after the other. */
export class PolicyServer {
  private constructor(
    /** Seconds until it listens. */
    readonly start: number,
    private readonly pid: number,
    private readonly client: AnalyzerClient,
    /** Ends the process. */
    readonly stop: () => void,
  ) {}

  static async run(): Promise<PolicyServer> {
    const begin = performance.now();
    const child = spawn(process.execPath, [join(projectRoot, "policy", "dist", "index.js")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [port] = (await once(createInterface(child.stdout), "line")) as [string];
    const seconds = (performance.now() - begin) / 1000;
    const client = new AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
    const stop = () => {
      client.close();
      child.kill();
    };
    await call((done) => client.configure(defaults(), done));
    return new PolicyServer(seconds, child.pid ?? 0, client, stop);
  }

  /** Has every resource looked at, each by itself, then all together. */
  async evaluate(resources: Inspected[]): Promise<{ wall: number; processor: number }> {
    const [begin, before] = [performance.now(), this.processor()];
    for (const resource of resources) {
      const request = fill(new AnalyzeRequest(), resource);
      await call((done) => this.client.remediate(request, done));
      await call<AnalyzeResponse>((done) => this.client.analyze(request, done));
    }
    const stack = new AnalyzeStackRequest();
    stack.setResourcesList(resources.map((resource) => fill(new AnalyzerResource(), resource)));
    await call<AnalyzeResponse>((done) => this.client.analyzeStack(stack, done));
    return { wall: (performance.now() - begin) / 1000, processor: this.processor() - before };
  }

  /** Seconds of processor time that the process has had. */
  private processor(): number {
    return parseStat(readFileSync(`/proc/${String(this.pid)}/stat`, "utf8")).ticks / TICKS_PER_SECOND;
  }
}

/** The engine hands every policy its options, with their defaults. */
function defaults(): ConfigureAnalyzerRequest {
  const request = new ConfigureAnalyzerRequest();
  for (const { name, configSchema } of policies) {
    const options = Object.entries(configSchema?.properties ?? {}).flatMap(([option, schema]) =>
      schema.default === undefined ? [] : [[option, schema.default]],
    );
    const config = new PolicyConfig();
    config.setEnforcementlevel(EnforcementLevel.MANDATORY);
    config.setProperties(Struct.fromJavaScript(Object.fromEntries(options) as Record<string, JavaScriptValue>));
    request.getPolicyconfigMap().set(name, config);
  }
  return request;
}

function call<T>(begin: (done: (error: ServiceError | null, response: T) => void) => void): Promise<T> {
  return new Promise((fulfil, reject) => {
    begin((error, response) => {
      if (error === null) fulfil(response);
      else reject(error);
    });
  });
}

function fill<T extends AnalyzeRequest | AnalyzerResource>(request: T, { type, name = "", props }: Inspected): T {
  request.setType(type);
  request.setName(name);
  request.setUrn(`urn:pulumi:dev::bench::${type}::${name}`);
  request.setProperties(Struct.fromJavaScript(JSON.parse(JSON.stringify(props)) as Record<string, JavaScriptValue>));
  request.setOptions(new AnalyzerResourceOptions());
  return request;
}
