import * as z from "./zod";
import type { AgentStackArgs } from "../components/agent-stack";
import type { SecretOptions } from "../components/secrets";
import { componentArgs, referredType, type PropertySpec } from "./component-schema";
import { formats, itemFormats, quantity } from "./formats";

/*
 * The shape of a cell's settings: the args of AgentStack. Each object refuses what it does not know.
 */

/** What the program takes from elsewhere than a cell's settings. */
type FromElsewhere = "environment" | "region" | "tenant" | "podCidrs";
const FROM_ELSEWHERE: readonly string[] = ["environment", "region", "tenant", "podCidrs"] satisfies FromElsewhere[];

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

const [text, flag, count] = [z.string(), z.boolean(), z.int()];

/** Builds schemas from the components' own; the types that they share are built once. */
class Builder {
  private readonly built = new Map<string, z.ZodType>();
  private readonly optional = new Map<z.ZodType, z.ZodType>();

  /**
   * @param layer whether everything may be left out, and be null, as in a layer that others complete.
   * @param complete what builds the items of a layer's lists: a list replaces what earlier layers said.
   * @param described whether the docstrings come along, which costs more than all the rest.
   */
  constructor(
    private readonly layer: boolean,
    private readonly complete?: Builder,
    private readonly described = false,
  ) {}

  object(properties: Record<string, PropertySpec>): z.ZodType {
    const shape: Record<string, z.ZodType> = {};
    // Getters, which zod calls when it first sees such an object: to make a schema takes longer than to use it, and a
    // cell sets few of the options that there are.
    for (const [key, property] of Object.entries(properties))
      Object.defineProperty(shape, key, { enumerable: true, get: () => this.property(key, property) });
    const schema = z.strictObject(shape);
    const hasRequests = Object.keys(properties).some((key) => key.startsWith("requests"));
    return hasRequests && !this.layer ? schema.superRefine(limitsCoverRequests) : schema;
  }

  private property(key: string, property: PropertySpec): z.ZodType {
    const value = this.value(property, formats[key], itemFormats[key]);
    const possible = this.layer || property.optional ? this.possible(value) : value;
    const { description } = property;
    return this.described && description !== undefined ? possible.describe(description) : possible;
  }

  private value(property: PropertySpec, format?: z.ZodType, itemFormat?: z.ZodType): z.ZodType {
    const { type, items, additionalProperties } = property;
    const referred = referredType(property);
    if (referred !== undefined) return this.referred(referred);
    if (type === "array")
      return z.array(items === undefined ? z.unknown() : (this.complete ?? this).value(items, itemFormat));
    if (type === "object") {
      const value = additionalProperties === undefined ? z.unknown() : this.value(additionalProperties);
      return z.record(text, this.layer ? this.possible(value) : value);
    }
    if (format !== undefined) return format;
    if (type === "boolean") return flag;
    // Every number among our options counts something; the few that do not have a format.
    return type === "number" ? count : text;
  }

  /** What may be left out. One for each value: there are hundreds of plain ones. */
  private possible(value: z.ZodType): z.ZodType {
    const known = this.optional.get(value);
    if (known !== undefined) return known;
    const possible = this.layer ? value.nullish() : value.optional();
    this.optional.set(value, possible);
    return possible;
  }

  private referred({ name: typeName, spec }: NonNullable<ReturnType<typeof referredType>>): z.ZodType {
    const known = this.built.get(typeName);
    if (known !== undefined) return known;
    const properties = spec.properties ?? {};
    const plain =
      spec.enum !== undefined
        ? z.enum(spec.enum.map(({ value }) => value))
        : this.object(typeName === SECRET_TYPE ? secretProperties(properties) : properties);
    const schema =
      this.described && spec.enum === undefined
        ? plain.meta({ id: this.layer ? typeName : `${typeName}Complete` })
        : plain;
    this.built.set(typeName, schema);
    return schema;
  }
}

/** A container whose limit is below its request is refused by the API server, after everything before it was created. */
function limitsCoverRequests(settings: Record<string, unknown>, context: z.RefinementCtx): void {
  for (const [key, request] of Object.entries(settings)) {
    const limitKey = key.replace(/^requests(?=[A-Z])/, "limits");
    const limit = settings[limitKey];
    if (limitKey === key || typeof request !== "string" || typeof limit !== "string") continue;
    if (quantity(limit) < quantity(request))
      context.addIssue({
        code: "custom",
        path: [limitKey],
        message: `${limit} is less than ${key}, which is ${request}`,
      });
  }
}

function secretProperties(properties: Record<string, PropertySpec>): Record<string, PropertySpec> {
  const others = Object.entries(properties).filter(([key]) => key !== "value");
  const description = "The key of the stack's config that holds it: `pulumi config set --secret secrets:KEY`.";
  return { ...Object.fromEntries(others), configKey: { type: "string", optional: true, description } };
}

const cellProperties = Object.fromEntries(
  Object.entries(componentArgs("AgentStack")).filter(([key]) => !FROM_ELSEWHERE.includes(key)),
);
const complete = new Builder(false);

/** The settings of a cell, complete. */
export const cellSchema = complete.object(cellProperties) as z.ZodType<CellConfig>;

/** The settings of one layer: nothing has to be there, and null removes what earlier layers said. */
export const cellLayerSchema = new Builder(true, complete).object(cellProperties);

/** The same with the docstrings as descriptions. */
export function describedLayerSchema(): z.ZodType {
  return new Builder(true, new Builder(false, undefined, true), true).object(cellProperties);
}
