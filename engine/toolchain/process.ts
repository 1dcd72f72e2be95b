import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { FleetError, Timeout } from "../../components/errors";

/** How a program is run to its end. */
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Interrupts the program, as Ctrl-C does, and kills it 5 s later. */
  signal?: AbortSignal;
  /** Milliseconds; no limit by default. */
  timeout?: number;
  /** Called for every line of standard error. */
  onLine?: (line: string) => void;
}

/** A program ended with an error: its last lines are in the message. */
export class ProgramFailed extends FleetError {}

const keptLines = 40;

/**
 * Runs a program without a shell and returns its standard output.
 * @throws ProgramFailed when it ends with an error or cannot be started; Timeout; the signal's reason when aborted.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "pipe"] });
  const errors: string[] = [];
  let output = "";
  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill("SIGINT");
    killer ??= setTimeout(() => child.kill("SIGKILL"), 5_000);
  };
  const timer =
    options.timeout === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          stop();
        }, options.timeout);
  options.signal?.addEventListener("abort", stop, { once: true });
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  createInterface({ input: child.stderr }).on("line", (line) => {
    errors.push(line);
    if (errors.length > keptLines) errors.shift();
    options.onLine?.(line);
  });
  try {
    const ended = await new Promise<string | undefined>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        reject(
          new ProgramFailed(
            { what: `cannot be started: ${error.code ?? error.message}`, where: program },
            { cause: error },
          ),
        ),
      );
      child.once("close", (code, signal) => resolve(code === 0 ? undefined : `exit ${signal ?? code}`));
    });
    options.signal?.throwIfAborted();
    if (timedOut) throw new Timeout({ what: `no end within ${(options.timeout ?? 0) / 1000} s`, where: program });
    if (ended === undefined) return output;
    throw new ProgramFailed({
      what: [`ended with ${ended}`, ...errors].join("\n  "),
      where: [program, args[0]].join(" "),
    });
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    options.signal?.removeEventListener("abort", stop);
  }
}
