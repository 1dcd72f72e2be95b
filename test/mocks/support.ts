import * as pulumi from "@pulumi/pulumi";
import type { MockResourceArgs } from "@pulumi/pulumi/runtime";

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

  newResource(args: MockResourceArgs): { id: string | undefined; state: Record<string, unknown> } {
    const secrets: string[] = [];
    const inputs = unwrapSecrets(args.inputs, "", secrets) as Record<string, unknown>;
    this.resources.push({ type: args.type, name: args.name, inputs, provider: args.provider ?? "", secrets });
    return { id: `${args.name}-id`, state: { ...inputs, ...computed(args.type, args.name) } };
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

  /** Every registration but providers, as `type name`, sorted. */
  list(): string[] {
    return this.resources
      .filter(({ type }) => !type.startsWith("pulumi:"))
      .map(({ type, name }) => `${type} ${name}`)
      .sort();
  }
}

const SECRET = "4dabf18193072939515e22adb298388d"; // Pulumi's special signature
const SECRET_VALUE = "1b47061264138c4ac30d75fd1eb44270";

function unwrapSecrets(value: unknown, path: string, found: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => unwrapSecrets(item, `${path}[${String(index)}]`, found));
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[SECRET] === SECRET_VALUE) {
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

function computed(type: string, name: string): Record<string, unknown> {
  switch (type) {
    case "random:index/randomPassword:RandomPassword":
      return { result: `generated-${name}` };
    case "tls:index/privateKey:PrivateKey":
      return { privateKeyPem: `key-${name}` };
    case "tls:index/selfSignedCert:SelfSignedCert":
    case "tls:index/locallySignedCert:LocallySignedCert":
      return { certPem: `cert-${name}` };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: `request-${name}` };
    default:
      return {};
  }
}

/** Runs a program against the mocks and waits until every resource of it is registered. */
export async function record(program: () => void | Promise<void>): Promise<Recorder> {
  const recorder = new Recorder();
  await pulumi.runtime.setMocks(recorder, "clawfleet", "dev", false);
  await program();
  // Registrations go on in the background, one behind the outputs of another.
  await pulumi.runtime.disconnect();
  return recorder;
}
