import * as z from "zod";
import type { AgentStackArgs } from "../components/agent-stack";
import { Environment } from "../components/environment";
import type { SecretOptions } from "../components/secrets";
import { componentArgs, referredType, type PropertySpec } from "./component-schema";
import { cidr, formats, itemFormats, name, region } from "./formats";

/*
 * The shape of a stack's config. A cell's settings are the args of AgentStack; each object refuses what it does not know.
 */

/** What the program takes from elsewhere than a cell's settings. */
type FromElsewhere = "environment" | "region" | "podCidrs";
const FROM_ELSEWHERE: readonly string[] = ["environment", "region", "podCidrs"] satisfies FromElsewhere[];

/** A secret as a component has it, but the value is named by its key in the stack's config, set with `pulumi config set --secret secrets:KEY`. */
export interface SecretConfig extends Omit<SecretOptions, "value" | "existingName"> {
  configKey?: string;
  existingName?: string;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** A component's args as YAML can hold them: no outputs, and secrets by their keys. */
type Configured<T> =
  Same<T, SecretOptions> extends true
    ? SecretConfig
    : T extends string | number | boolean | undefined
      ? T
      : T extends PromiseLike<unknown> | { apply: unknown }
        ? never
        : T extends (infer Item)[]
          ? Configured<Item>[]
          : { [Key in keyof T]: Configured<T[Key]> };

/** The settings of a cell. */
export type CellConfig = Configured<Omit<AgentStackArgs, FromElsewhere>>;

/** The type whose values are secrets. */
export const SECRET_TYPE = "SecretOptions";

const built = new Map<string, z.ZodType>();

function object(properties: Record<string, PropertySpec>): z.ZodType {
  return z.strictObject(
    Object.fromEntries(
      Object.entries(properties).map(([key, property]) => {
        const value = valueOf(property, formats[key], itemFormats[key]);
        return [key, property.optional ? value.optional() : value];
      }),
    ),
  );
}

function valueOf(property: PropertySpec, format?: z.ZodType, itemFormat?: z.ZodType): z.ZodType {
  const { type, items, additionalProperties } = property;
  const referred = referredType(property);
  if (referred !== undefined) return referredSchema(referred);
  if (type === "array") return z.array(items === undefined ? z.unknown() : valueOf(items, itemFormat));
  if (type === "object")
    return z.record(z.string(), additionalProperties === undefined ? z.unknown() : valueOf(additionalProperties));
  if (format !== undefined) return format;
  if (type === "boolean") return z.boolean();
  // Every number among our options counts something; the few that do not have a format.
  if (type === "number") return z.int();
  return z.string();
}

function referredSchema({ name: typeName, spec }: NonNullable<ReturnType<typeof referredType>>): z.ZodType {
  const known = built.get(typeName);
  if (known !== undefined) return known;
  const schema =
    spec.enum === undefined
      ? object(typeName === SECRET_TYPE ? secretProperties(spec.properties ?? {}) : (spec.properties ?? {}))
      : z.enum(spec.enum.map(({ value }) => value));
  built.set(typeName, schema);
  return schema;
}

function secretProperties(properties: Record<string, PropertySpec>): Record<string, PropertySpec> {
  const others = Object.entries(properties).filter(([key]) => key !== "value");
  return { ...Object.fromEntries(others), configKey: { type: "string", optional: true } };
}

/** The settings of a cell, as a stack's config gives them. */
export const cellSchema = object(
  Object.fromEntries(Object.entries(componentArgs("AgentStack")).filter(([key]) => !FROM_ELSEWHERE.includes(key))),
) as z.ZodType<CellConfig>;

/** A cluster that the stack has a cell on. */
export const clusterSchema = z
  .strictObject({
    id: name,
    region,
    embedded: z.boolean().optional(),
    kubeconfig: z.string().optional(),
    context: z.string().optional(),
    uid: z.uuid().optional(),
    podCidrs: z.array(cidr).optional(),
    cell: cellSchema.optional(),
  })
  .refine((cluster) => !(cluster.embedded && (cluster.kubeconfig ?? cluster.context) !== undefined), {
    message: "an embedded cluster has no kubeconfig and no context: remove them, or embedded",
  });

/** A stack's whole config, below `clawfleet:`. */
export const stackSchema = z.strictObject({
  environment: z.enum(Environment),
  clusters: z.array(clusterSchema).min(1, "list at least one cluster"),
  cell: cellSchema.optional(),
});

export type ClusterConfig = z.infer<typeof clusterSchema>;
export type StackConfig = z.infer<typeof stackSchema>;
