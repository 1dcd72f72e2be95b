/** Compares `1.35.4`, `v1.35.4` and `1.36.0-beta.1` alike: negative, 0 or positive; a pre-release sorts before its release. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parts(a), parts(b)];
  for (const i of [0, 1, 2] as const) if (x.numbers[i] !== y.numbers[i]) return x.numbers[i] - y.numbers[i];
  if (x.pre === y.pre) return 0;
  if (x.pre === "" || y.pre === "") return x.pre === "" ? 1 : -1;
  return x.pre < y.pre ? -1 : 1;
}

/** Which versions of a program found on PATH will do: `from` and later ones, below `below`. */
export interface VersionRange {
  from: string;
  below: string;
}

/** Whether a version is in the range; pre-releases of `below` are not. */
export function inRange(version: string, { from, below }: VersionRange): boolean {
  return compareVersions(version, from) >= 0 && compareVersions(version, `${below}-0`) < 0;
}

/** The range in words: `3.224.0 or later`, `4.27.0`, `1.35.0 up to 1.36.0`. */
export function describeRange({ from, below }: VersionRange): string {
  const [a, b] = [parts(from).numbers, parts(below).numbers];
  if (b[0] === a[0] && b[1] === a[1] && b[2] === a[2] + 1) return from;
  return b[0] > a[0] ? `${from} or later` : `${from} up to ${below}`;
}

/** The first version in a program's own words (`kwok version v0.8.0 go1.26`, `{"gitVersion": "v1.35.4"}`), without `v`. */
export function findVersion(output: string): string | undefined {
  return /(?<![\w.])v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)/.exec(output)?.[1];
}

function parts(version: string): { numbers: [number, number, number]; pre: string } {
  const [, major = "0", minor = "0", patch = "0", pre = ""] =
    /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([^+]*))?/.exec(version) ?? [];
  return { numbers: [Number(major), Number(minor), Number(patch)], pre };
}
