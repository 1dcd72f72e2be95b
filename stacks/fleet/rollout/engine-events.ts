import * as z from "../../zod";
import { plainText } from "../engine-text";

const step = z.object({
  op: z.string(),
  type: z.string(),
  new: z.object({ outputs: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

/** What Pulumi prints with `--json`, one event a line, as far as it matters here. Values are left out: some are secret. */
const engineEvent = z.object({
  diagnosticEvent: z
    .object({ severity: z.string(), message: z.string(), ephemeral: z.boolean().optional() })
    .optional(),
  policyEvent: z
    .object({
      resourceUrn: z.string().default(""),
      message: z.string(),
      policyName: z.string(),
      enforcementLevel: z.string(),
    })
    .optional(),
  resOutputsEvent: z.object({ metadata: step }).optional(),
  summaryEvent: z.object({ resourceChanges: z.record(z.string(), z.number()).nullish() }).optional(),
});

const cellOutput = z.object({ namespace: z.string(), service: z.string() });

export interface Changes {
  adds: number;
  updates: number;
  replaces: number;
  deletes: number;
}

export interface PolicyFinding {
  policy: string;
  level: "advisory" | "mandatory" | "remediate";
  urn: string;
  message: string;
}

/** What a command of Pulumi has told so far. */
export class EngineReport {
  /** From the summary; undefined until there is one. */
  changes: Changes | undefined;
  /** Resources that have been changed. */
  done = 0;
  readonly findings: PolicyFinding[] = [];
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  /** Where the cells are, from the stack's output `cells`; empty until the program has ended. */
  cells: Record<string, z.infer<typeof cellOutput>> = {};

  /** Takes in a line; one that is no event is what Pulumi prints when it cannot even begin. */
  add(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (line.trim() !== "") this.errors.push(line.trim());
      return;
    }
    const { success, data } = engineEvent.safeParse(value);
    if (!success) return;
    this.diagnostic(data.diagnosticEvent);
    const { policyEvent: policy, resOutputsEvent: outputs, summaryEvent: summary } = data;
    if (policy !== undefined) {
      const level = LEVELS[policy.enforcementLevel] ?? "advisory";
      const message = plainText(policy.message);
      this.findings.push({ policy: policy.policyName, level, urn: policy.resourceUrn, message });
    }
    if (outputs !== undefined) this.outputs(outputs.metadata);
    if (summary !== undefined) this.changes = changesOf(summary.resourceChanges ?? {});
  }

  /** Whether a policy forbids what was asked for. */
  get violations(): PolicyFinding[] {
    return this.findings.filter(({ level }) => level === "mandatory");
  }

  private diagnostic(event: { severity: string; message: string; ephemeral?: boolean } | undefined): void {
    if (event === undefined || event.ephemeral === true) return;
    const message = plainText(event.message);
    if (message === "") return;
    if (event.severity === "error") this.errors.push(message);
    if (event.severity === "warning") this.warnings.push(message);
  }

  private outputs({ op, type, new: state }: z.infer<typeof step>): void {
    if (type !== "pulumi:pulumi:Stack") {
      if (CHANGING.includes(op)) this.done += 1;
      return;
    }
    const cells = z.record(z.string(), z.unknown()).safeParse(state?.outputs?.cells);
    for (const [id, value] of Object.entries(cells.data ?? {})) {
      const { success, data } = cellOutput.safeParse(value);
      if (success) this.cells[id] = data;
    }
  }
}

/** Pulumi's name for advisory is another one in its events. */
const LEVELS: Readonly<Record<string, PolicyFinding["level"]>> = {
  advisory: "advisory",
  warning: "advisory",
  mandatory: "mandatory",
  remediate: "remediate",
};
/** The last step of each change; a replacement has several. */
const CHANGING = ["create", "update", "delete", "replace", "import"];

function changesOf(counts: Record<string, number>): Changes {
  const sum = (...ops: string[]) => ops.reduce((total, op) => total + (counts[op] ?? 0), 0);
  return { adds: sum("create", "import"), updates: sum("update"), replaces: sum("replace"), deletes: sum("delete") };
}
