import { setTimeout as wait } from "node:timers/promises";

/** Time, as far as a run needs it. Only what is written down follows the wall clock, which may jump. */
export interface Clock {
  /** The wall clock. */
  now(): Date;
  /** Seconds since some moment; never jumps. */
  seconds(): number;
  /** Returns after some seconds, or at once when the signal is aborted. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  seconds: () => performance.now() / 1000,
  sleep: (seconds, signal) => wait(seconds * 1000, undefined, { signal }).catch(() => undefined),
};
