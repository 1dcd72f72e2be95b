import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { MockResourceArgs } from "@pulumi/pulumi/runtime";
import * as random from "@pulumi/random";
import * as tls from "@pulumi/tls";

/** A registration as the engine would see it. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  provider: string;
  /** Paths of the inputs that are secrets, for example `stringData`. */
  secrets: string[];
}

/** Records every registration; outputs are the inputs, plus what a provider would compute. */
export class Recorder implements pulumi.runtime.Mocks {
  readonly resources: Registered[] = [];
  private readonly observed = new Map<string, pulumi.CustomResourceOptions>();

  /** Give it to the outermost component: mocks are told no resource options, but a transformation is. */
  readonly observe: pulumi.ResourceTransformation = ({ type, name, opts }) => {
    this.observed.set(`${type} ${name}`, opts);
    return undefined;
  };

  /** The options that a resource was constructed with. */
  options(type: string, name: string): pulumi.CustomResourceOptions {
    const options = this.observed.get(`${type} ${name}`);
    if (options === undefined) throw new Error(`${type} ${name} was not observed`);
    return options;
  }

  newResource(args: MockResourceArgs): { id: string | undefined; state: Record<string, unknown> } {
    const secrets: string[] = [];
    const inputs = unwrapSecrets(args.inputs, "", secrets) as Record<string, unknown>;
    this.resources.push({ type: args.type, name: args.name, inputs, provider: args.provider ?? "", secrets });
    return { id: `${args.name}-id`, state: { ...inputs, ...computed(args.type, args.name, inputs) } };
  }

  call(): Record<string, unknown> {
    return {};
  }

  /** The only registration of that type with that name. */
  get(type: string, name: string): Registered {
    const found = this.resources.filter((resource) => resource.type === type && resource.name === name);
    if (found.length !== 1 || found[0] === undefined) {
      throw new Error(`${String(found.length)} of ${type} ${name}; there are:\n${this.list().join("\n")}`);
    }
    return found[0];
  }

  /** Every object of a cluster. */
  objects(): Registered[] {
    return this.resources.filter(({ type }) => type.startsWith("kubernetes:"));
  }

  /** Every registration but providers, as `type name`, sorted. */
  list(): string[] {
    return this.resources
      .filter(({ type }) => !type.startsWith("pulumi:"))
      .map(({ type, name }) => `${type} ${name}`)
      .sort();
  }
}

function unwrapSecrets(value: unknown, path: string, found: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => unwrapSecrets(item, `${path}[${String(index)}]`, found));
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[pulumi.runtime.specialSigKey] === pulumi.runtime.specialSecretSig) {
    found.push(path);
    return unwrapSecrets(object.value, path, found);
  }
  return Object.fromEntries(
    Object.entries(object).map(([key, item]) => [
      key,
      unwrapSecrets(item, path === "" ? key : `${path}.${key}`, found),
    ]),
  );
}

/** The address that every Service gets from the mocks. */
export const CLUSTER_IP = "10.96.0.7";

/** What a RandomPassword of a name yields, as long as real ones are. */
export function generatedValue(name: string): string {
  return `generated-${name}`.padEnd(43, "-");
}

/** Secret where the provider's schema says so: the engine honours that, mocks do not. */
function computed(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  switch (type) {
    case "random:index/randomPassword:RandomPassword":
      return { result: pulumi.secret(generatedValue(name)) };
    case "tls:index/privateKey:PrivateKey":
      return { privateKeyPem: pulumi.secret(`key-${name}`) };
    case "tls:index/selfSignedCert:SelfSignedCert":
    case "tls:index/locallySignedCert:LocallySignedCert":
      return { certPem: `cert-${name}` };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: `request-${name}` };
    case "kubernetes:core/v1:Service":
      return { spec: { clusterIP: CLUSTER_IP, ...(inputs.spec as object) } };
    default:
      return {};
  }
}

/** Runs a program against the mocks and waits until every resource of it is registered. */
export async function record(program: (recorder: Recorder) => void | Promise<void>): Promise<Recorder> {
  const recorder = new Recorder();
  await pulumi.runtime.setMocks(recorder, "clawfleet", "dev", false);
  await program(recorder);
  // A registration may wait for the outputs of another one, and so begin when the queue was empty for a moment.
  let before: number;
  do {
    before = recorder.resources.length;
    await pulumi.runtime.disconnect();
    await setImmediate();
  } while (recorder.resources.length !== before);
  return recorder;
}

/** Explicit providers, as the program has them. */
export function providers(): pulumi.ProviderResource[] {
  return [
    new k8s.Provider("cluster", { clusterIdentifier: "cluster" }),
    new random.Provider("random"),
    new tls.Provider("tls"),
  ];
}

/** What differs between two recordings: `type name path`, sorted; a resource that only one has is named by type and name. */
export function differences(before: Recorder, after: Recorder): string[] {
  const keyed = ({ resources }: Recorder) =>
    new Map(resources.map((resource) => [`${resource.type} ${resource.name}`, resource.inputs]));
  const [left, right] = [keyed(before), keyed(after)];
  return [...new Set([...left.keys(), ...right.keys()])].sort().flatMap((key) => {
    const [one, other] = [left.get(key), right.get(key)];
    // A component's own args are what the test changed.
    if (key.startsWith("clawfleet:") && one && other) return [];
    if (one === undefined || other === undefined) return [key];
    return differingPaths(one, other).map((path) => `${key} ${path}`);
  });
}

function differingPaths(one: unknown, other: unknown, path = ""): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return [path];
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .sort()
    .flatMap((key) => differingPaths(left[key], right[key], path === "" ? key : `${path}.${key}`));
}
