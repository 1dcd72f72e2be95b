import { ValidationFailed } from "../../../components/errors";
import type { Environment } from "../../../components/environment";
import type { Frozen, Plan, PlannedWave } from "./plan-schema";
import { countOf, DEFAULT_STRATEGY, secondsOf, selects, type Strategy } from "./strategy";

/** What a plan needs to know of a cell. */
export interface PlannableCell {
  id: string;
  stack: string;
  environment: Environment;
  labels: Readonly<Record<string, string>>;
  configHash: string;
}

/** What a plan is made from. */
export interface PlanInputs {
  /** The folder of the fleet's files. */
  folder: string;
  /** Every cell of the fleet. */
  fleet: readonly PlannableCell[];
  /** The cells to roll out. */
  selected: readonly PlannableCell[];
  /** Default: dev, then stage, then prod with one cell first. */
  strategy?: Strategy;
  frozen: Frozen;
}

type Wave = Strategy["waves"][number];

const DEFAULTS = { maxConcurrency: 4, maxFailures: 0, minSuccessTime: "0s", progressDeadline: "30m" } as const;
const DEFAULT_RETRIES = 3;
const DEFAULT_BUDGETS = { time: "24h", retries: 20, pendingApproval: "24h" } as const;
/** Names in a message; a list of thousands helps nobody. */
const NAMED = 20;

/**
 * Makes the plan: puts every selected cell into exactly one wave, in the order of the strategy's waves and of the ids in
 * each. Waves that have none of the selected cells are left out.
 * @throws ValidationFailed when a cell is in no wave or in two, and for a wave that selects no cell of the whole fleet.
 */
export function makePlan({ folder, fleet, selected, strategy, frozen }: PlanInputs): Plan {
  const used = strategy ?? DEFAULT_STRATEGY;
  if (selected.length === 0)
    throw new ValidationFailed({ what: "there is no cell to roll out", fix: "select some, or use --all" });
  assertWavesSelect(fleet, strategy);
  const waves = assign(selected, used.waves);
  return {
    folder,
    waves: used.waves.flatMap((wave, index) => plannedWaves(wave, used, waves[index] ?? [])),
    maxRetries: used.maxRetries ?? DEFAULT_RETRIES,
    budgets: {
      time: secondsOf(used.budgets?.time ?? DEFAULT_BUDGETS.time),
      retries: used.budgets?.retries ?? DEFAULT_BUDGETS.retries,
      pendingApproval: secondsOf(used.budgets?.pendingApproval ?? DEFAULT_BUDGETS.pendingApproval),
    },
    frozen,
  };
}

/** A wave of a strategy of one's own that no cell of the whole fleet is in has a label that is misspelt. */
function assertWavesSelect(fleet: readonly PlannableCell[], strategy: Strategy | undefined): void {
  const empty = (strategy?.waves ?? []).filter(
    ({ selector }) => !fleet.some(({ labels }) => selects(selector, labels)),
  );
  if (empty.length === 0) return;
  throw new ValidationFailed({
    what: `no cell of the fleet is in ${empty.length === 1 ? "the wave" : "the waves"} ${names(empty.map(({ name }) => name))}`,
    where: "strategy",
    fix: "correct the selector; cells have the labels environment, region, cluster, tenant, and those of fleet.yaml",
  });
}

/** The cells of each wave, by the waves' order. */
function assign(selected: readonly PlannableCell[], waves: readonly Wave[]): PlannableCell[][] {
  const assigned: PlannableCell[][] = waves.map(() => []);
  const leftovers: string[] = [];
  const doubled: string[] = [];
  for (const cell of [...selected].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const matching = waves.flatMap(({ selector }, index) => (selects(selector, cell.labels) ? [index] : []));
    const [only, ...others] = matching;
    if (only === undefined) leftovers.push(cell.id);
    else if (others.length > 0)
      doubled.push(`${cell.id} (${matching.map((index) => waves[index]?.name ?? "").join(", ")})`);
    else assigned[only]?.push(cell);
  }
  const problems = [
    ...(leftovers.length === 0 ? [] : [`in no wave: ${names(leftovers)}`]),
    ...(doubled.length === 0 ? [] : [`in more than one wave: ${names(doubled)}`]),
  ];
  if (problems.length > 0)
    throw new ValidationFailed({
      what: ["each cell has to be in exactly one wave", ...problems].join("\n  "),
      where: "strategy",
      fix: "correct the waves' selectors, or select fewer cells",
    });
  return assigned;
}

function plannedWaves(wave: Wave, strategy: Strategy, cells: readonly PlannableCell[]): PlannedWave[] {
  const { name, canary = 0, approval } = wave;
  const parts =
    canary > 0 && canary < cells.length
      ? [
          { name: `${name}-canary`, cells: cells.slice(0, canary), approval: approval === "before" ? [approval] : [] },
          { name, cells: cells.slice(canary), approval: approval === "after" ? [approval] : [] },
        ]
      : [{ name, cells, approval: approval === undefined ? [] : [approval] }];
  const limit = <Key extends keyof typeof DEFAULTS>(key: Key) => wave[key] ?? strategy[key] ?? DEFAULTS[key];
  return parts
    .filter((part) => part.cells.length > 0)
    .map((part) => ({
      name: part.name,
      cells: part.cells.map(({ id, stack, environment, configHash }) => ({ id, stack, environment, configHash })),
      maxConcurrency: Math.max(1, countOf(limit("maxConcurrency"), part.cells.length, Math.ceil)),
      maxFailures: countOf(limit("maxFailures"), part.cells.length, Math.floor),
      minSuccessTime: secondsOf(limit("minSuccessTime")),
      progressDeadline: Math.max(1, secondsOf(limit("progressDeadline"))),
      approval: part.approval,
    }));
}

function names(list: readonly string[]): string {
  const shown = list.slice(0, NAMED).join(", ");
  return list.length > NAMED ? `${shown} and ${String(list.length - NAMED)} more` : shown;
}
