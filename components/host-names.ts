import { ValidationFailed } from "./errors";

/** Every public name. What is private stays refused, and so does every literal address. */
export const ANY_HOST = "*";

/** A name as DNS has them in lower case, whose last label begins with a letter: what ends in a number is an address. */
const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Checks the names of an allow-list or deny-list: `api.example.com` is that name alone, `.example.com` is that name
 * and all beneath it, `*` is every public name.
 * @param where the option that they come from, for messages.
 * @throws ValidationFailed for an address, a URL, a port, a pattern, and a name without a dot.
 */
export function assertHostNames(names: string[], where: string): void {
  names.forEach((name, index) => {
    if (name === ANY_HOST) return;
    const bare = name.replace(/^\./, "");
    if (bare.length <= 253 && NAME.test(bare)) return;
    throw new ValidationFailed({
      what: `${JSON.stringify(name)} is no host name`,
      where: `${where}[${String(index)}]`,
      fix: "write api.example.com, or .example.com with everything beneath it, in lower case and without scheme or port; addresses cannot be allowed",
    });
  });
}

/** The same names sorted, without those that another one covers: Squid refuses a list that says something twice. */
export function withoutCovered(names: string[]): string[] {
  const all = [...new Set(names)].sort();
  if (all.includes(ANY_HOST)) return [ANY_HOST];
  return all.filter(
    (name) =>
      !all.some((other) => other !== name && other.startsWith(".") && `.${name.replace(/^\./, "")}`.endsWith(other)),
  );
}
