const UNITS: Record<string, number> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Reads a Kubernetes quantity, for example `500m` or `1Gi`.
 * @returns undefined when it is none.
 */
export function quantity(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  const { number = "", unit = "" } =
    /^(?<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)(?<unit>[A-Za-z]{0,2})$/.exec(value)?.groups ?? {};
  const factor = UNITS[unit];
  return number === "" || factor === undefined ? undefined : Number(number) * factor;
}
