import * as pulumi from "@pulumi/pulumi";

/**
 * A component's args as the engine gets them: without what another resource decides. The engine would wait for that
 * resource before it registered the component, so that the parts of a cell came up one after the other.
 */
export function registeredArgs(args: object): pulumi.Inputs {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => !pulumi.Output.isInstance(value)));
}
