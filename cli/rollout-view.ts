import type { WriteStream } from "node:tty";
import type { Listener } from "../stacks/fleet/rollout/events";
import { plainLine } from "../stacks/fleet/rollout/view/lines";
import { applyEvent, emptyRecord } from "../stacks/fleet/rollout/view/record";
import { tableLines } from "../stacks/fleet/rollout/view/table";

/** Milliseconds between two pictures of the live table. */
const REDRAW_MS = 250;

/** Something that shows a rollout while it lasts. */
export interface RolloutView {
  listener: Listener;
  /** Draws for the last time and gives the terminal back. */
  close: () => void;
}

/**
 * Shows a rollout: with `json` every event as a line of standard output; else on standard error, as a live table on a
 * terminal and as plain lines anywhere else.
 */
export async function openRolloutView(
  json: boolean,
  stream: NodeJS.WriteStream = process.stderr,
  env: NodeJS.ProcessEnv = process.env,
): Promise<RolloutView> {
  if (json) {
    const listener: Listener = (event) => void process.stdout.write(`${JSON.stringify(event)}\n`);
    return { listener, close: () => undefined };
  }
  // A terminal that does not know its size says 0.
  const drawable = stream.isTTY && stream.columns > 0 && stream.rows > 0 && env.TERM !== "dumb";
  if (drawable && env.CI === undefined) return liveTable(stream);
  const listener: Listener = (event) => {
    const line = plainLine(event);
    if (line !== undefined) stream.write(`${line}\n`);
  };
  return { listener, close: () => undefined };
}

async function liveTable(stream: WriteStream): Promise<RolloutView> {
  const { createLogUpdate } = await import("log-update");
  const update = createLogUpdate(stream);
  const record = emptyRecord();
  const draw = (): void => {
    if (record.started === undefined) return;
    const { columns, rows } = stream;
    update(tableLines(record, Date.now(), { columns, rows, colour: stream.hasColors() }).join("\n"));
  };
  const timer = setInterval(draw, REDRAW_MS);
  // A rollout that ends with an error must not be kept alive by its picture.
  timer.unref();
  return {
    listener: (event) => {
      applyEvent(record, event);
    },
    close: () => {
      clearInterval(timer);
      draw();
      update.done();
    },
  };
}
