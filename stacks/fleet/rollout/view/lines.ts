import type { RolloutEvent } from "../events";
import type { Plan } from "../plan-schema";
import { changesInWords, counted, duration, oneLine } from "./words";

/**
 * An event as a line for a log, without the end of the line: time, what it is about, what happened.
 * @returns undefined for what would only be noise there.
 */
export function plainLine(event: RolloutEvent): string | undefined {
  const words = inWords(event);
  if (words === undefined) return undefined;
  const about = "cell" in event ? `${event.cell}: ` : "wave" in event ? `wave ${event.wave}: ` : "";
  return oneLine(`${event.at.slice(11, 19)}Z ${about}${words}`);
}

function inWords(event: RolloutEvent): string | undefined {
  switch (event.type) {
    case "runStarted":
      return `rollout ${event.run} by ${event.by}: ${sizeOf(event.plan)}`;
    case "rollbackStarted":
      return `rollout ${event.run} by ${event.by} undoes ${event.of}: ${sizeOf(event.plan)}`;
    case "waveStarted":
      return "started";
    case "approvalNeeded":
      return `waits for an approval ${event.when === "before" ? "before it starts" : "to go on after it"}`;
    case "approved":
      return `approved by ${event.by}`;
    case "cellStarted":
      return event.attempt === 1 ? "started" : `attempt ${String(event.attempt)}`;
    case "cellPhase":
      return event.phase;
    case "cellProgress":
      return undefined;
    case "cellChanges":
      return `changes: ${changesInWords(event)}`;
    case "policyFinding":
      return `policy ${event.policy} (${event.level}): ${event.message} [${event.urn}]`;
    case "cellNotice":
      return event.message;
    case "cellRetried":
      return `${event.class}: ${event.message}; again in ${duration(event.afterSeconds * 1000)}`;
    case "cellFinished": {
      const reason = [event.class, event.message].filter((part) => part !== undefined).join(": ");
      const fix = event.fix === undefined ? "" : `; fix: ${event.fix}`;
      return `${event.outcome} after ${duration(event.seconds * 1000)}${reason === "" ? "" : `: ${reason}`}${fix}`;
    }
    case "waveFinished":
      return event.outcome;
    case "paused":
    case "resumed":
    case "interrupted":
    case "aborted":
      return `rollout ${event.type} by ${event.by}`;
    case "runFinished":
      return `rollout ${event.outcome} after ${duration(event.seconds * 1000)}${event.message === undefined ? "" : `: ${event.message}`}`;
  }
}

function sizeOf({ waves }: Plan): string {
  const cells = waves.reduce((sum, wave) => sum + wave.cells.length, 0);
  return `${counted(cells, "cell")} in ${counted(waves.length, "wave")}`;
}
