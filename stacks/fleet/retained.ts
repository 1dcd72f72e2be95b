import * as z from "../zod";
import { typeOf } from "./engine-text";

/** What is read of `pulumi stack export`. */
const exported = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          urn: z.string(),
          custom: z.boolean().optional(),
          id: z.string().optional(),
          retainOnDelete: z.boolean().optional(),
          protect: z.boolean().optional(),
        }),
      )
      .nullish(),
  }),
});

/** Something that a stack made. */
export interface StackResource {
  urn: string;
  /** For example `kubernetes:core/v1:PersistentVolumeClaim`. */
  type: string;
  /** As the provider knows it: `namespace/name` in Kubernetes. */
  id: string;
  /** Stays when the stack is destroyed. */
  retained: boolean;
  /** Has to be unprotected before it can be deleted. */
  protected: boolean;
}

/**
 * What a stack made, in the order of its creation; providers are left out, which are nothing outside of the state.
 * @param output what `pulumi stack export` printed.
 */
export function stackResources(output: string): StackResource[] {
  const { resources } = exported.parse(JSON.parse(output)).deployment;
  return (resources ?? []).flatMap(({ urn, custom = false, id = "", retainOnDelete = false, protect = false }) => {
    const type = typeOf(urn);
    if (!custom || type.startsWith("pulumi:providers:")) return [];
    return [{ urn, type, id, retained: retainOnDelete, protected: protect }];
  });
}
