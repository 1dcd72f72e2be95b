import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import { ValidationFailed } from "../../components/errors";
import { ModelProxy } from "../../components/model-proxy";
import { ModelMode, type ModelProxyArgs } from "../../components/model-proxy-options";
import { planModelProxy } from "../../components/model-proxy-plan";
import { providers, record, type Recorder } from "./support";

export const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
export const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
export const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
export const SECRET = "kubernetes:core/v1:Secret";
export const SERVICE = "kubernetes:core/v1:Service";

/** A cell's usual proxy: two providers, a fallback, two agents with limits. */
export const USUAL: Partial<ModelProxyArgs> = {
  instance: "cell",
  models: {
    main: { model: "openai/gpt-4o" },
    spare: { model: "anthropic/claude-sonnet-4-5", rpm: 60, tpm: 100_000 },
    embed: { model: "openai/text-embedding-3-small", mode: ModelMode.Embedding },
  },
  fallbacks: { main: ["spare"] },
  providerKeys: { openai: { value: "canary-openai" }, anthropic: { value: "canary-anthropic" } },
  agents: {
    main: {},
    support: { models: ["main"], budget: 25, budgetDuration: "7d", rpm: 30, tpm: 50_000, maxParallelRequests: 2 },
  },
  forwardProxy: { component: "forward-proxy", host: "egress", port: 3129 },
  telemetry: { component: "telemetry-collector", host: "collector", port: 4318 },
  clients: ["gateway", "search"],
  dns: { component: "dns-filter", host: "10.96.0.53", port: 53, podPort: 5353 },
};

export interface Container {
  name: string;
  args?: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: Record<string, unknown>;
  startupProbe?: unknown;
  readinessProbe?: unknown;
  livenessProbe?: unknown;
}

export interface PodTemplate {
  metadata: { annotations: Record<string, string> };
  spec: { containers: Container[]; initContainers?: Container[]; terminationGracePeriodSeconds: number };
}

let proxy: ModelProxy | undefined;

/** The component that was recorded last. */
export function recordedProxy(): ModelProxy {
  return proxy ?? assert.fail("nothing was recorded");
}

export async function recordProxy(args: Partial<ModelProxyArgs> = USUAL): Promise<Recorder> {
  return record((recorder) => {
    proxy = new ModelProxy(
      "models",
      { namespace: "agents", ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

export function template(recorder: Recorder): PodTemplate {
  return (recorder.get(DEPLOYMENT, "models").inputs.spec as { template: PodTemplate }).template;
}

export function container(recorder: Recorder, name: string): Container {
  const found = template(recorder).spec.containers.find((candidate) => candidate.name === name);
  assert.ok(found, `there is no container ${name}`);
  return found;
}

export const envOf = ({ env }: Container) => Object.fromEntries(env.map(({ name, value }) => [name, value]));
export const secretsOf = ({ env }: Container) =>
  env.filter(({ valueFrom }) => valueFrom !== undefined).map(({ name }) => name);

export function files(recorder: Recorder): Record<string, string> {
  return recorder.get(CONFIG_MAP, "models-config").inputs.data as Record<string, string>;
}

export function labels(component: string): Record<string, string> {
  return {
    "app.kubernetes.io/name": "openclaw",
    "app.kubernetes.io/instance": "cell",
    "app.kubernetes.io/component": component,
  };
}

export function pods(component: string): object {
  return { podSelector: { matchLabels: labels(component) } };
}

export function resolved<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}

/** These options are refused, by an error that names the option and the fix. */
export function refused(args: Partial<ModelProxyArgs>, where: string, fix: string): void {
  const surroundings = { forwardProxy: args.forwardProxy !== undefined, telemetry: false };
  assert.throws(
    () => planModelProxy(args, surroundings),
    (error: unknown) => {
      assert.ok(error instanceof ValidationFailed, String(error));
      assert.equal(error.where, where);
      assert.ok(error.fix?.includes(fix), `${where}: ${error.fix ?? ""}`);
      assert.ok(!error.message.includes("canary"));
      return true;
    },
  );
}
