// What we use of zod. The build bundles this file with that much of zod and no more: to load the package takes as long
// as all else that a light command does, for its messages in fifty languages and the schemas that nothing here has.
export {
  array,
  boolean,
  cidrv4,
  cidrv6,
  config,
  discriminatedUnion,
  enum,
  int,
  iso,
  lazy,
  literal,
  looseObject,
  number,
  object,
  record,
  strictObject,
  string,
  toJSONSchema,
  union,
  unknown,
  url,
  uuid,
} from "zod";
export type { core, infer, RefinementCtx, ZodType } from "zod";
