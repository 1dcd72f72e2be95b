import * as z from "zod";
import { describedLayerSchema } from "../schema";
import { fleetSchema } from "./inventory";

const TITLES = {
  fleet: "ClawFleet's inventory: fleet.yaml",
  overlay: "ClawFleet's overlays: settings of cells",
};

/** The text of a JSON Schema for editors: of fleet.yaml, or of the files in overlays/. */
export function jsonSchema(name: keyof typeof TITLES): string {
  const schema = name === "fleet" ? fleetSchema : describedLayerSchema();
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ $schema, title: TITLES[name], ...rest }, null, 1)}\n`;
}
