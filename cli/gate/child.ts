import { spawn } from "node:child_process";
import { NotFound } from "../../components/errors";

/** How a child process ended, with all that it printed. */
export interface ChildResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** How long a child may take to end after it was interrupted. */
const GRACE_MILLISECONDS = 10_000;

/**
 * Runs a child to its end and keeps what it prints. An interruption is passed on, and the child waited for; with `group`
 * also to the processes that the child started, for one that does not do so itself.
 * @throws NotFound when it does not start; the signal's reason when that is aborted.
 */
export async function runChild(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal; group?: boolean },
): Promise<ChildResult> {
  const { cwd, env, signal, group = false } = options;
  signal.throwIfAborted();
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: group });
  const send = (name: NodeJS.Signals) => {
    if (!group || child.pid === undefined) child.kill(name);
    else if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, name);
  };
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let kill: NodeJS.Timeout | undefined;
  const interrupt = () => {
    send("SIGINT");
    kill = setTimeout(() => {
      send("SIGKILL");
    }, GRACE_MILLISECONDS);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    const code = await new Promise<number>((fulfil, reject) => {
      child.on("error", ({ message }) => {
        reject(new NotFound({ what: `${command} does not start (${message})`, fix: "run `make doctor`" }));
      });
      child.on("close", (status) => {
        fulfil(status ?? 1);
      });
    });
    signal.throwIfAborted();
    return { code, stdout, stderr };
  } finally {
    clearTimeout(kill);
    signal.removeEventListener("abort", interrupt);
  }
}
