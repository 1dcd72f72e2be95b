import type {
  PolicyConfigSchema,
  PolicyResource,
  PolicyResourceOptions,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { unknownCheckingProxy, UnknownValueError } from "@pulumi/policy";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";

/** Stands in a resource's inputs for what only the update will know. */
export const UNKNOWN = unknownValue;

/** A resource as the engine hands it to a policy. */
export interface Inspected {
  type: string;
  props: Record<string, unknown>;
  name?: string;
  provider?: { type: string; name: string };
  /** Resource options that policies are told. */
  protect?: boolean;
  ignoreChanges?: string[];
}

/** What a policy says of a resource. */
export interface Verdict {
  violations: string[];
  /** The advisory that Pulumi makes of a policy that met an unknown. */
  advisory?: string;
}

const OPTIONS: PolicyResourceOptions = {
  protect: false,
  ignoreChanges: [],
  aliases: [],
  customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 },
  additionalSecretOutputs: [],
};

const optionsOf = ({ protect = false, ignoreChanges = [] }: Inspected): PolicyResourceOptions => ({
  ...OPTIONS,
  protect,
  ignoreChanges,
});

const proxied = (value: object) => (unknownCheckingProxy as (props: object) => Record<string, unknown>)(value);
const typeCheck = (type: string) => (resourceClass: unknown) =>
  (resourceClass as { __pulumiType?: string }).__pulumiType === type;

/** Runs a policy as the server of @pulumi/policy does: unknowns throw, types are compared, config has its defaults. */
export async function validate(
  policy: ResourceValidationPolicy,
  resource: Inspected,
  config: Record<string, unknown> = {},
): Promise<Verdict> {
  const args = validationArgs(policy, resource, config);
  const violations: string[] = [];
  try {
    for (const validation of [policy.validateResource ?? []].flat()) {
      await validation(args, (message) => violations.push(message));
    }
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
    return { violations, advisory: (error as Error).message };
  }
  return { violations };
}

/**
 * Runs a policy's remediation.
 * @returns the properties as they are then; undefined when it left them alone.
 */
export async function remediate(
  policy: ResourceValidationPolicy,
  resource: Inspected,
  config: Record<string, unknown> = {},
): Promise<Record<string, unknown> | undefined> {
  const props = structuredClone(resource.props);
  const result = await policy.remediateResource?.(validationArgs(policy, { ...resource, props }, config));
  return result === undefined ? undefined : props;
}

function validationArgs(
  policy: ResourceValidationPolicy,
  resource: Inspected,
  config: Record<string, unknown>,
): ResourceValidationArgs {
  const { type, props, name = "resource", provider } = resource;
  const isType = typeCheck(type);
  const inputs = proxied(props);
  return {
    type,
    props: inputs,
    urn: urn(type, name),
    name,
    opts: optionsOf(resource),
    stackTags: new Map(),
    ...(provider && { provider: { ...provider, props: proxied({}), urn: urn(provider.type, provider.name) } }),
    isType,
    asType: (resourceClass) => (isType(resourceClass) ? (inputs as never) : undefined),
    getConfig: <T extends object>() => ({ ...defaults(policy), ...config }) as T,
    notApplicable,
  };
}

/** Runs a policy of a whole stack, on resources by name; each violation begins with the name of its resource. */
export async function validateStack(
  policy: StackValidationPolicy,
  resources: Inspected[],
  config: Record<string, unknown> = {},
): Promise<Verdict> {
  const names = new Map<string | undefined, string>();
  const violations: string[] = [];
  try {
    await policy.validateStack(
      {
        resources: resources.map((resource): PolicyResource => {
          const { type, props, name = "resource" } = resource;
          names.set(urn(type, name), name);
          const isType = typeCheck(type);
          const outputs = proxied(props);
          return {
            ...{ type, name, urn: urn(type, name), props: outputs, opts: optionsOf(resource), isType },
            ...{ dependencies: [], propertyDependencies: {} },
            asType: (resourceClass) => (isType(resourceClass) ? (outputs as never) : undefined),
          };
        }),
        stackTags: new Map(),
        getConfig: <T extends object>() => ({ ...defaults(policy), ...config }) as T,
        notApplicable,
      },
      (message, resource) => violations.push(`${names.get(resource) ?? "(none)"} ${message}`),
    );
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
    return { violations, advisory: (error as Error).message };
  }
  return { violations };
}

function notApplicable(reason?: string): never {
  throw new Error(`not applicable: ${reason ?? ""}`);
}

function urn(type: string, name: string): string {
  return `urn:pulumi:dev::test::${type}::${name}`;
}

function defaults({ configSchema }: { configSchema?: PolicyConfigSchema }): Record<string, unknown> {
  const properties = Object.entries(configSchema?.properties ?? {});
  return Object.fromEntries(
    properties.flatMap(([key, schema]) => ("default" in schema ? [[key, schema.default]] : [])),
  );
}

const POD_SPECS: Record<string, string[]> = {
  "kubernetes:core/v1:Pod": ["spec"],
  "kubernetes:apps/v1:Deployment": ["spec", "template", "spec"],
  "kubernetes:extensions/v1beta1:Deployment": ["spec", "template", "spec"],
  "kubernetes:apps/v1:StatefulSet": ["spec", "template", "spec"],
  "kubernetes:apps/v1:DaemonSet": ["spec", "template", "spec"],
  "kubernetes:apps/v1:ReplicaSet": ["spec", "template", "spec"],
  "kubernetes:core/v1:ReplicationController": ["spec", "template", "spec"],
  "kubernetes:batch/v1:Job": ["spec", "template", "spec"],
  "kubernetes:batch/v1:CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
  "kubernetes:argoproj.io/v1alpha1:Rollout": ["spec", "template", "spec"],
};

/** A workload of every kind with this Pod spec, and the path that the Pod spec has in it. */
export function workloads(podSpec: Record<string, unknown>): { path: string; resource: Inspected }[] {
  return Object.entries(POD_SPECS).map(([type, path]) => ({
    path: path.join("."),
    resource: {
      type,
      props: path.reduceRight<Record<string, unknown>>((inner, key) => ({ [key]: inner }), podSpec),
    },
  }));
}

/** Resources that have a Pod spec where a Deployment has one, and are none of Kubernetes' own workloads. */
export function otherKinds(podSpec: Record<string, unknown>): Inspected[] {
  const props = { spec: { ...podSpec, template: { spec: podSpec } } };
  return [
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:example.k8s.io/v1:Deployment",
    "aws:ecs/service:Service",
    "clawfleet:index:AgentStack",
  ].map((type) => ({ type, props }));
}
