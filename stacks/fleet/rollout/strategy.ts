import * as z from "../../zod";

/** How a fleet is rolled out: waves in their order. Built when a strategy is first checked: most commands check none. */
export const strategySchema = z.lazy(() => {
  /** A number, or a share of a wave's cells. */
  const AMOUNT = "write a whole number like 2, or a share of the wave's cells like 25%";
  const amount = z.union([z.int(AMOUNT).min(0, AMOUNT), z.string().regex(/^(100|\d{1,2})%$/, AMOUNT)], AMOUNT);
  /** How long: `90s`, `30m`, `2h`. */
  const duration = z.string().regex(/^\d{1,6}(s|m|h)$/, "write a duration like 90s, 30m or 2h");
  const labels = z.record(z.string(), z.string());

  const matchExpression = z
    .strictObject({
      key: z.string(),
      operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
      values: z.array(z.string()).optional().describe("For In and NotIn. Default: none."),
    })
    .superRefine(({ operator, values = [] }, context) => {
      const takesValues = operator === "In" || operator === "NotIn";
      if (takesValues !== values.length > 0)
        context.addIssue({
          code: "custom",
          path: ["values"],
          message: takesValues ? `${operator} needs values` : `${operator} takes no values`,
        });
    });

  /** Kubernetes' label selector: everything that is said has to match; one that says nothing matches every cell. */
  const labelSelector = z.strictObject({
    matchLabels: labels.optional().describe("Labels with their values. Default: none."),
    matchExpressions: z.array(matchExpression).optional().describe("Requirements on labels. Default: none."),
  });

  /** What holds for a wave, and for every wave when the strategy says it. Names and meaning are Open Cluster Management's. */
  const limits = {
    maxConcurrency: amount
      .refine((value) => value !== 0 && value !== "0%", "at least one cell has to be rolled out at a time")
      .optional()
      .describe("How many cells at once; a share is rounded up. Default: 4."),
    maxFailures: amount
      .optional()
      .describe("How many cells may fail before the rollout stops; a share is rounded down. Default: 0."),
    minSuccessTime: duration
      .optional()
      .describe("How long a cell has to stay healthy until it counts as rolled out. Default: 0s."),
    progressDeadline: duration
      .optional()
      .describe("How long a cell may take until it is healthy, retries included. Default: 30m."),
  };

  const wave = z.strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, "use at most 40 lower-case letters, digits and hyphens")
      .describe("Its name in the plan."),
    selector: labelSelector.describe("Its cells, by their labels."),
    ...limits,
    approval: z
      .enum(["before", "after"])
      .optional()
      .describe("Wait for `clawfleet approve` before the wave, or after it. Default: no approval."),
    canary: z
      .int()
      .min(1)
      .optional()
      .describe("Roll this many of its cells out first, as a wave of their own. Default: none."),
  });

  /** What a whole run may use up. */
  const budgets = z.strictObject({
    time: duration.optional().describe("How long the run may take; then no further cell is started. Default: 24h."),
    retries: z.int().min(0).optional().describe("How many retries all cells may have together. Default: 20."),
    pendingApproval: duration.optional().describe("How long to wait for an approval. Default: 24h."),
  });

  return z.strictObject({
    waves: z
      .array(wave)
      .min(1)
      .refine((waves) => new Set(waves.map(({ name }) => name)).size === waves.length, "give each wave its own name")
      .describe("The waves, one after the other; each cell is in exactly one."),
    ...limits,
    maxRetries: z.int().min(0).optional().describe("How many retries a cell may have. Default: 3."),
    budgets: budgets.optional().describe("What the whole run may use up."),
  });
});

export type Strategy = z.infer<typeof strategySchema>;
export type LabelSelector = Strategy["waves"][number]["selector"];

/** Without any strategy: dev, then stage, then prod with one cell first. */
export const DEFAULT_STRATEGY: Strategy = {
  waves: [
    { name: "dev", selector: { matchLabels: { environment: "dev" } } },
    { name: "stage", selector: { matchLabels: { environment: "stage" } } },
    { name: "prod", selector: { matchLabels: { environment: "prod" } }, canary: 1 },
  ],
};

/** Whether labels fulfil a selector. */
export function selects(selector: LabelSelector, cell: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => cell[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = cell[key];
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        // As Kubernetes has it: what has no such label is not in the list either.
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
      }
    })
  );
}

/** The seconds of a duration. */
export function secondsOf(text: string): number {
  const unit = { s: 1, m: 60, h: 3600 }[text.slice(-1)] ?? 1;
  return Number(text.slice(0, -1)) * unit;
}

/** What an amount comes to for a number of cells. */
export function countOf(value: number | string, cells: number, round: (value: number) => number): number {
  return typeof value === "number" ? value : round((Number(value.slice(0, -1)) * cells) / 100);
}
