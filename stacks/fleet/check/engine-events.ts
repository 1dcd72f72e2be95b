import { plainText } from "../engine-text";
import type { ResourceState, Step } from "./changes";

/** A policy's finding, as the engine tells of it. */
export interface PolicyEvent {
  resourceUrn?: string;
  /** The policy's description, and in the next line what it found. */
  message: string;
  policyName: string;
  policyPackName: string;
  /** `mandatory` or `advisory`. */
  enforcementLevel: string;
}

/** What a run of the engine told, as `pulumi preview --json` streams it. */
export interface EngineRun {
  steps: Step[];
  policies: PolicyEvent[];
  /** The messages of errors and of warnings, each once. */
  errors: string[];
  warnings: string[];
  /** Whether it came to its end. */
  finished: boolean;
}

interface EngineState extends ResourceState {
  urn: string;
}

interface EngineEvent {
  resourcePreEvent?: {
    metadata: {
      op: string;
      urn: string;
      old?: EngineState | null;
      new?: EngineState | null;
      detailedDiff?: Record<string, unknown> | null;
      diffs?: string[];
      keys?: string[];
    };
  };
  policyEvent?: PolicyEvent;
  diagnosticEvent?: { message: string; severity: string; ephemeral?: boolean };
  summaryEvent?: object;
}

/** Reads the events that Pulumi streams, one JSON object in a line; other lines are left alone. */
export function readEvents(output: string): EngineRun {
  const run: EngineRun = { steps: [], policies: [], errors: [], warnings: [], finished: false };
  for (const line of output.split("\n")) {
    const event = parse(line);
    if (event?.resourcePreEvent !== undefined) {
      const { op, urn, old, new: now, detailedDiff, diffs, keys } = event.resourcePreEvent.metadata;
      run.steps.push({ op, urn, oldState: old, newState: now, detailedDiff, diffReasons: diffs, replaceReasons: keys });
    } else if (event?.policyEvent !== undefined) {
      run.policies.push({ ...event.policyEvent, message: plainText(event.policyEvent.message) });
    } else if (event?.diagnosticEvent !== undefined && event.diagnosticEvent.ephemeral !== true) {
      const { severity, message } = event.diagnosticEvent;
      const list = severity === "error" ? run.errors : severity === "warning" ? run.warnings : undefined;
      const text = plainText(message);
      if (list !== undefined && text !== "" && !list.includes(text)) list.push(text);
    } else if (event?.summaryEvent !== undefined) {
      run.finished = true;
    }
  }
  return run;
}

/** Most of what is streamed: the resources once more when they are done, and what each policy had to say of each. */
const UNUSED = /^\{"sequence":\d+,"timestamp":\d+,"(?:resOutputsEvent|policy(?:Analyze|Remediate)\w*SummaryEvent)":/;

function parse(line: string): EngineEvent | undefined {
  if (!line.startsWith("{") || UNUSED.test(line)) return undefined;
  try {
    return JSON.parse(line) as EngineEvent;
  } catch {
    return undefined;
  }
}
