import * as z from "../zod";
import { describedLayerSchema } from "../schema";
import { fleetSchema } from "./inventory";
import { eventSchema } from "./rollout/events";

const TITLES = {
  fleet: "ClawFleet's inventory: fleet.yaml",
  overlay: "ClawFleet's overlays: settings of cells",
  "rollout-event":
    "A line that `clawfleet up --json` prints, and that a run's journal.jsonl has: an event of a rollout",
};

export type SchemaName = keyof typeof TITLES;
/** All of them; each is in `stacks/schemas/NAME.schema.json`. */
export const SCHEMA_NAMES = Object.keys(TITLES) as SchemaName[];

/** The text of a JSON Schema: of fleet.yaml, of the files in overlays/, of a rollout's events. */
export function jsonSchema(name: SchemaName): string {
  const schema = { fleet: () => fleetSchema, overlay: describedLayerSchema, "rollout-event": () => eventSchema }[
    name
  ]();
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ $schema, title: TITLES[name], ...rest }, null, 1)}\n`;
}
