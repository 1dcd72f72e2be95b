import * as pulumi from "@pulumi/pulumi";
import type { SeededPartArgs } from "./part";

const SEED: keyof SeededPartArgs = "secretSeed";

/**
 * A component's args as the engine gets them: without what another resource decides. The engine would wait for that
 * resource before it registered the component, so that the parts of a cell came up one after the other. Sealed secrets
 * are outputs too, and so is what they are derived from: nobody but the component needs to know them.
 */
export function registeredArgs(args: object): pulumi.Inputs {
  return withoutOutputs({ ...args, [SEED]: undefined }) as pulumi.Inputs;
}

function withoutOutputs(value: unknown): unknown {
  if (pulumi.Output.isInstance(value) || value instanceof Promise) return undefined;
  if (Array.isArray(value)) return value.map(withoutOutputs).filter((item) => item !== undefined);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, withoutOutputs(item)] as const)
      .filter(([, item]) => item !== undefined),
  );
}
