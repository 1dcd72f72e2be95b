import type { FleetCell } from "../inventory";
import type { EngineRun, PolicyEvent } from "./engine-events";
import { nameOf, typeOf } from "../engine-text";
import type { ResourceState } from "./changes";

/** How much a finding weighs: what is `undecided` only the update will know. */
export type FindingLevel = "mandatory" | "advisory" | "undecided";

/** What a policy found at a resource. */
export interface Finding {
  level: FindingLevel;
  policy: string;
  /** What the policy is about. */
  description: string;
  /** Undefined for a finding about a stack as a whole. */
  urn?: string;
  type: string;
  name: string;
  /** The cell that the resource belongs to. */
  cell?: string;
  /** The property, for example `spec.template.spec.containers[0].image`; empty where no single one is meant. */
  path: string;
  /** What is wrong; never the value, which may be a secret. */
  message: string;
  fix?: string;
  /** The file and line of the setting that it is from, from the repository's root, where that can be told. */
  file?: string;
  line?: number;
}

/** The setting behind a property of a cell's resource. */
export interface PropertyOfCell {
  cell: string;
  /** The option of the cell whose component made the resource, for example `modelProxy`; undefined for the cell's own. */
  part: string | undefined;
  path: string;
  /** The property's value, which is compared with settings and never shown. */
  value: unknown;
}

/** Where a setting stands. */
export interface SourceLine {
  file: string;
  line: number;
}

/** Finds the setting that a property of a resource comes from. */
export type Trace = (property: PropertyOfCell) => SourceLine | undefined;

/** The type of a cell. */
const CELL_TYPE = "clawfleet:index:AgentStack";
/** Components whose option is called otherwise than they are. */
const OPTIONS: Readonly<Record<string, string>> = {
  OpenClawGateway: "gateway",
  MessageBroker: "messaging",
  MessageRelay: "messaging",
};

/** What the policies found in a run, each finding once, the gravest first. */
export function findingsOf(run: EngineRun, trace: Trace, cells: readonly FleetCell[] = []): Finding[] {
  const states = new Map(run.steps.map(({ urn, newState, oldState }) => [urn, newState ?? oldState ?? undefined]));
  const findings = new Map<string, Finding>();
  for (const event of run.policies) {
    const finding = findingOf(event);
    const owner = ownerOf(event.resourceUrn, states) ?? (cells.length === 1 ? { cell: cells[0]?.id ?? "" } : undefined);
    if (owner !== undefined) finding.cell = owner.cell;
    if (owner !== undefined && event.resourceUrn !== undefined && finding.level !== "undecided") {
      const value = valueAt(states.get(event.resourceUrn)?.inputs, finding.path);
      Object.assign(finding, trace({ part: undefined, ...owner, path: finding.path, value }));
    }
    findings.set([finding.level, finding.policy, finding.urn, finding.path, finding.message].join("\n"), finding);
  }
  const weight = (finding: Finding) => ["mandatory", "advisory", "undecided"].indexOf(finding.level);
  return [...findings.values()].sort(
    (a, b) => weight(a) - weight(b) || a.policy.localeCompare(b.policy) || a.name.localeCompare(b.name),
  );
}

/** A policy's message is its description, and in the next line `PATH: PROBLEM; FIX`. */
function findingOf({ resourceUrn, message, policyName, enforcementLevel }: PolicyEvent): Finding {
  const [description = "", ...lines] = message.trim().split("\n");
  const text = lines.length === 0 ? description : lines.join("\n").trim();
  const undecided = /\d+ fields? not decidable in preview: (?<paths>[^]*)/.exec(text);
  const urn = resourceUrn ?? "";
  const resource = { ...(urn !== "" && { urn }), type: typeOf(urn), name: nameOf(urn) };
  if (undecided !== null) {
    return {
      level: "undecided",
      policy: policyName,
      description,
      ...resource,
      path: undecided.groups?.paths?.trim() ?? "",
      message: "not decidable in preview: the update will know the value",
    };
  }
  const { path = "", problem = text } = /^(?<path>[\w$.[\]"/-]+): (?<problem>[^]+)$/.exec(text)?.groups ?? {};
  const [what = "", ...rest] = problem.split("; ");
  return {
    level: enforcementLevel === "mandatory" ? "mandatory" : "advisory",
    policy: policyName,
    description,
    ...resource,
    path,
    message: what,
    ...(rest.length > 0 && { fix: rest.join("; ") }),
  };
}

/** The cell that a resource belongs to, and which of its options made it. */
export function ownerOf(
  urn: string | undefined,
  states: ReadonlyMap<string, ResourceState | undefined>,
): { cell: string; part: string | undefined } | undefined {
  let at = urn;
  let below: string | undefined;
  while (at !== undefined && at !== "") {
    if (typeOf(at) === CELL_TYPE) return { cell: nameOf(at), part: below };
    below = partOf(typeOf(at)) ?? below;
    at = states.get(at)?.parent;
  }
  return undefined;
}

function partOf(type: string): string | undefined {
  const component = /^clawfleet:index:(?<name>\w+)$/.exec(type)?.groups?.name;
  return component && (OPTIONS[component] ?? `${component.charAt(0).toLowerCase()}${component.slice(1)}`);
}

/** The keys of a path as policies write it: `spec.containers[0].image`, `metadata.labels["a.b/c"]`. */
export function keysOf(path: string): string[] {
  return [...path.matchAll(/\["(?<quoted>[^"]*)"\]|\[(?<index>\d+)\]|(?<plain>[^.[\]]+)/g)].map(
    ({ groups }) => groups?.quoted ?? groups?.index ?? groups?.plain ?? "",
  );
}

function valueAt(properties: unknown, path: string): unknown {
  return keysOf(path).reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    properties,
  );
}
