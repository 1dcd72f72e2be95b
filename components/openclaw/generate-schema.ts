import { writeFileSync } from "node:fs";
import { catalogueImage } from "../images";
import { installOpenClaw } from "../../engine/openclaw";
import { compactSchema } from "./compact-schema";
import { isObject } from "./json";
import { SCHEMA_FILE } from "./validate";

/*
 * Stores the config schema of the OpenClaw version that the catalogue pins: `node dist/components/openclaw/generate-schema.js`
 * after every change of the tag of openclaw-gateway in components/images.json.
 */
async function main(): Promise<void> {
  const version = catalogueImage("openclaw-gateway").tag;
  const openclaw = await installOpenClaw(version, (line) => console.error(line));
  const raw: unknown = JSON.parse(await openclaw.run(["config", "schema"]));
  if (!isObject(raw)) throw new Error("openclaw config schema printed no object");
  const text = JSON.stringify({ version, ...compactSchema(raw) });
  writeFileSync(SCHEMA_FILE, `${text}\n`);
  console.log(`OpenClaw ${version}: ${Math.round(text.length / 1000)} kB`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
