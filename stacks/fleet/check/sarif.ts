import {
  byGravity,
  changeInWords,
  counted,
  endsState,
  sharedFindings,
  type Report,
  type SharedFinding,
} from "./report";

/** A SARIF log, as far as a check has something to say. See OASIS, "Static Analysis Results Interchange Format" 2.1.0. */
export interface SarifLog {
  $schema: string;
  version: "2.1.0";
  runs: [SarifRun];
}

interface SarifRun {
  tool: { driver: { name: string; informationUri: string; rules: SarifRule[] } };
  invocations: [
    { executionSuccessful: boolean; toolExecutionNotifications: { level: "error"; message: { text: string } }[] },
  ];
  columnKind: "utf16CodeUnits";
  results: SarifResult[];
}

interface SarifRule {
  id: string;
  shortDescription: { text: string };
}

/** Something found, and where. */
export interface SarifResult {
  ruleId: string;
  ruleIndex: number;
  level: "error" | "warning" | "note";
  message: { text: string };
  locations: [{ physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } } }];
  /** What makes it the same finding in the next run, on whatever line it is then. */
  partialFingerprints: { "clawfleet/v1": string };
}

const LEVELS = { mandatory: "error", advisory: "warning", undecided: "note" } as const;
const REPLACED = { id: "replacement", text: "A resource is deleted and made anew." };
const STATEFUL = { id: "stateful-deletion", text: "A stateful object is deleted or replaced." };
/** How many stacks a message names. */
const NAMED = 5;

/** A report as SARIF 2.1.0. A finding that points at no setting points at the inventory. */
export function sarifOf(report: Report): SarifLog {
  const { stacks, inventory } = report;
  const findings = sharedFindings(stacks);
  const rules = new Map<string, string>(findings.map(({ policy, description }) => [policy, description]));
  const lossy = stacks.flatMap(({ stack, changes }) =>
    byGravity(changes)
      .filter((change) => change.op === "replace" || endsState(change))
      .map((change) => ({ stack, change, rule: endsState(change) ? STATEFUL : REPLACED })),
  );
  for (const { rule } of lossy) rules.set(rule.id, rule.text);
  const ids = [...rules.keys()];
  const place = (file: string, line: number): SarifResult["locations"] => [
    { physicalLocation: { artifactLocation: { uri: encodeURI(file) }, region: { startLine: line } } },
  ];
  const results: SarifResult[] = [
    ...findings.map((finding) => ({
      ruleId: finding.policy,
      ruleIndex: ids.indexOf(finding.policy),
      level: LEVELS[finding.level],
      message: { text: textOf(finding) },
      locations: finding.file === undefined ? place(inventory, 1) : place(finding.file, finding.line ?? 1),
      partialFingerprints: {
        "clawfleet/v1": [finding.policy, finding.type, finding.path, finding.file ?? finding.name].join("|"),
      },
    })),
    ...lossy.map(({ stack, change, rule }) => ({
      ruleId: rule.id,
      ruleIndex: ids.indexOf(rule.id),
      level: "warning" as const,
      message: { text: `${changeInWords(change)} in stack ${stack}` },
      locations: place(inventory, 1),
      partialFingerprints: { "clawfleet/v1": [rule.id, stack, change.type, change.name].join("|") },
    })),
  ];
  const failures = stacks.flatMap(({ stack, failure }) =>
    failure === undefined ? [] : [`${stack}: ${failure.message}`],
  );
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "clawfleet",
            informationUri: "https://openclaw.ai",
            rules: [...rules].map(([id, text]) => ({ id, shortDescription: { text } })),
          },
        },
        invocations: [
          {
            executionSuccessful: failures.length === 0,
            toolExecutionNotifications: failures.map((text) => ({ level: "error", message: { text } })),
          },
        ],
        columnKind: "utf16CodeUnits",
        results,
      },
    ],
  };
}

function textOf({ type, name, path, message, fix, stacks }: SharedFinding): string {
  const where = [type.replace(/^kubernetes:/, ""), name, path].filter((part) => part !== "").join(" ");
  const others = stacks.length - NAMED;
  const named = `${stacks.slice(0, NAMED).join(", ")}${others > 0 ? ` and ${String(others)} more` : ""}`;
  const inStacks = stacks.length === 1 ? named : `${counted(stacks.length, "stack")}: ${named}`;
  return `${where}: ${message}${fix === undefined ? "" : `; fix: ${fix}`} (${inStacks})`;
}
