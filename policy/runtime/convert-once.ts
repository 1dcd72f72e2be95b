import { createRequire } from "node:module";

/** Turns what the engine sent into an object: for a remediation with secrets wrapped, else with secrets in clear. */
type Convert = (properties: object, forRemediation: boolean) => object;

/**
 * Has the SDK convert a resource's properties once, not again for each policy that looks at it, and for remediations only when
 * there is one. Nothing else changes: policies only read what they get, and what a remediation may change is its own.
 */
export function convertOnce(): void {
  const sdk = createRequire(__filename)("@pulumi/policy/deserialize") as { deserializeProperties: Convert };
  const convert = sdk.deserializeProperties;
  const converted = new WeakMap<object, object>();
  sdk.deserializeProperties = (properties, forRemediation) => {
    if (forRemediation) return whenUsed(() => convert(properties, true));
    const known = converted.get(properties) ?? convert(properties, false);
    converted.set(properties, known);
    return known;
  };
}

/** A plain object that is made when something is done with it for the first time. */
function whenUsed(make: () => object): object {
  let made: object | undefined;
  const operations = new Proxy(Reflect, {
    get: (_, name: keyof typeof Reflect) => {
      // Is asked of every resource, and is that of all plain objects.
      if (name === "getPrototypeOf") return undefined;
      const operation = Reflect[name] as (object: object, ...rest: unknown[]) => unknown;
      return (_: object, ...rest: unknown[]) => operation((made ??= make()), ...rest);
    },
  });
  return new Proxy({}, operations);
}
