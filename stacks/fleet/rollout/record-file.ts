import { readFileSync } from "node:fs";
import type * as z from "../../zod";

/** What a file of JSON holds; undefined when there is none, half of one, or one of another shape, such as an older version's. */
export function readRecord<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
