import { createInterface } from "node:readline/promises";
import { ValidationFailed } from "../components/errors";

/** Somebody who can be asked. */
export interface Terminal {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/** The terminal that this process was started from; undefined when there is none. */
export function ownTerminal(): Terminal | undefined {
  return process.stdin.isTTY ? { input: process.stdin, output: process.stderr } : undefined;
}

/**
 * Has somebody type the id of what is to be deleted.
 * @throws ValidationFailed when nobody can be asked, or something else is typed.
 */
export async function confirmById(id: string, terminal: Terminal | undefined, signal: AbortSignal): Promise<void> {
  const refused = (what: string) =>
    new ValidationFailed({ what, where: `cell ${id}`, fix: "type the cell's id, or give --yes" });
  if (terminal === undefined) throw refused("it is not confirmed");
  const questions = createInterface(terminal);
  // The terminal is read key by key, so Ctrl-C is a key of it and no signal.
  questions.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = (await questions.question(`Type ${id} to confirm: `, { signal })).trim();
    if (answer !== id) throw refused(`"${answer}" is not its id; nothing was changed`);
  } finally {
    questions.close();
  }
}
