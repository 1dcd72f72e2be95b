import type { Context } from "./context";

const heartbeatMs = 20_000;

/**
 * Says that a step began and, while it lasts, that it goes on: one line every 20 s, or a live line on a terminal.
 * @param detail what has been reached, read at every beat
 */
export async function withProgress<T>(
  { log, live }: Pick<Context, "log" | "live">,
  title: string,
  work: () => Promise<T>,
  detail: () => string = () => "",
): Promise<T> {
  const began = Date.now();
  log(title);
  const beat = () => {
    const text = `  … ${duration(Date.now() - began)}${detail() && `, ${detail()}`}`;
    if (live) process.stderr.write(`\r${text.slice(0, (process.stderr.columns ?? 80) - 1)}\x1b[K`);
    else log(text);
  };
  const timer = setInterval(beat, live ? 1_000 : heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (live) process.stderr.write("\r\x1b[K");
  }
}

/** Milliseconds in words: `3.2 s`, `45 s`, `12 min 5 s`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
