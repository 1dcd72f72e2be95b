import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../stacks/fleet/rollout/clock";

/** A clock that goes on by itself, to the next moment somebody waits for, as soon as nobody has anything else to do. */
export class VirtualClock implements Clock {
  /** Seconds that the wall clock is off; it may be changed at any time. */
  jump = 0;
  private time = 0;
  private readonly sleepers = new Set<{ at: number; wake: () => void }>();
  private pumping = false;

  now(): Date {
    return new Date((1_700_000_000 + this.time + this.jump) * 1000);
  }

  seconds(): number {
    return this.time;
  }

  async sleep(seconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    await new Promise<void>((fulfil) => {
      const sleeper = {
        at: this.time + seconds,
        wake: () => {
          this.sleepers.delete(sleeper);
          signal?.removeEventListener("abort", sleeper.wake);
          fulfil();
        },
      };
      this.sleepers.add(sleeper);
      signal?.addEventListener("abort", sleeper.wake, { once: true });
      void this.pump();
    });
  }

  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    while (this.sleepers.size > 0) {
      for (let turns = 0; turns < 3; turns += 1) await turn();
      const [first] = [...this.sleepers].sort((a, b) => a.at - b.at);
      if (first === undefined) break;
      this.time = Math.max(this.time, first.at);
      first.wake();
    }
    this.pumping = false;
  }
}
