import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { objectPath, render } from "../stacks/render";
import { startEmbedded } from "./local";
import { stateLayout, trackedStackFile } from "./workspace";

/** Writes the objects of every cell of a stack, one file each. */
export async function renderStack(stack: string, out: string, signal: AbortSignal): Promise<void> {
  // An entry's trusted proxies follow from the cluster's Pod CIDR, which an embedded cluster gets when it starts.
  await startEmbedded(stack, signal);
  process.env.CLAWFLEET_STATE = stateLayout().folder;
  const objects = await render(stack, trackedStackFile(stack));
  for (const object of objects) {
    const file = join(resolve(out), objectPath(object));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, stringify(object.manifest));
  }
  process.stderr.write(`${String(objects.length)} objects in ${resolve(out)}\n`);
}
