/** What one run of a command cost, over its whole process tree. */
export interface Cost {
  /** Seconds from start to end. */
  wall: number;
  /** User and system seconds; undefined where the system does not tell. */
  cpu: number | undefined;
  /** Peak of the resident set sizes' sum, in bytes; undefined where the system does not tell. */
  memory: number | undefined;
  /** How much of all cores was busy meanwhile, the clusters' processes included: 0 to 1. */
  busy: number;
}

/** Several runs of the same thing. */
export interface Summary {
  wall: { median: number; min: number; max: number };
  cpu: number | undefined;
  memory: number | undefined;
  busy: number;
}

/** A measured ratio against what it may be at most. */
export interface Verdict {
  name: string;
  ratio: number;
  target: number;
  ok: boolean;
}

/** Milliseconds that a Kubernetes object on a cluster may add to an empty program's preview. */
const MILLISECONDS_PER_OBJECT = 12;

/**
 * The middle value, or the mean of the two in the middle.
 * @throws RangeError when there is no value
 */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError("no value to take the median of");
  return (lower + upper) / 2;
}

/** The costs of several runs: each figure is a median of its own. */
export function summarize(costs: readonly Cost[]): Summary {
  const walls = costs.map(({ wall }) => wall);
  const medianOf = (values: (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === costs.length ? median(known) : undefined;
  };
  return {
    wall: { median: median(walls), min: Math.min(...walls), max: Math.max(...walls) },
    cpu: medianOf(costs.map(({ cpu }) => cpu)),
    memory: medianOf(costs.map(({ memory }) => memory)),
    busy: median(costs.map(({ busy }) => busy)),
  };
}

/** The cost of commands that ran one after the other. */
export function inSequence(costs: readonly Cost[]): Cost {
  const known = <T>(values: (T | undefined)[]) => values.filter((value) => value !== undefined);
  const cpu = known(costs.map((cost) => cost.cpu));
  const memory = known(costs.map((cost) => cost.memory));
  const total = costs.reduce((sum, { wall }) => sum + wall, 0);
  return {
    wall: total,
    cpu: cpu.length === costs.length ? cpu.reduce((sum, seconds) => sum + seconds, 0) : undefined,
    memory: memory.length === costs.length ? Math.max(...memory) : undefined,
    busy: costs.reduce((sum, { wall, busy }) => sum + wall * busy, 0) / total,
  };
}

/** Median wall seconds that the targets are about. */
export interface Walls {
  upOne: number;
  upTwo: number;
  previewOne: number;
  previewTwo: number;
  previewEmpty: number;
  helm: number;
}

/**
 * The targets of issue 3.
 * @param objects how many Kubernetes objects one cell and two cells register
 */
export function verdicts(walls: Walls, objects: { one: number; two: number }): Verdict[] {
  const allowed = (count: number) => walls.previewEmpty + (count * MILLISECONDS_PER_OBJECT) / 1000;
  return [
    verdict("up of a cell / helm install --wait", walls.upOne / walls.helm, 4),
    verdict("preview of 1 cell / allowed", walls.previewOne / allowed(objects.one), 1),
    verdict("preview of 2 cells on 2 clusters / allowed", walls.previewTwo / allowed(objects.two), 1),
    verdict("second cluster / first cluster", (walls.upTwo - walls.upOne) / walls.upOne, 0.6),
  ];
}

function verdict(name: string, ratio: number, target: number): Verdict {
  return { name, ratio, target, ok: ratio <= target };
}
