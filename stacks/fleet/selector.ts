import { ValidationFailed } from "../../components/errors";
import { nearest } from "../../components/openclaw/nearest";
import type { FleetCell } from "./inventory";
import { selects, type LabelSelector } from "./rollout/strategy";

/** A key as labels have it. */
const KEY = "[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?";
const VALUE = "[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?";
const EQUALITY = new RegExp(`^(?<key>${KEY})\\s*(?<operator>==?|!=)\\s*(?<value>${VALUE})$`);
const MEMBERSHIP = new RegExp(
  `^(?<key>${KEY})\\s+(?<operator>in|notin)\\s*\\((?<values>\\s*${VALUE}(\\s*,\\s*${VALUE})*\\s*)\\)$`,
);
const EXISTENCE = new RegExp(`^(?<not>!?)\\s*(?<key>${KEY})$`);

/**
 * The cells that a selector of the command line means: kubectl's syntax over the cells' labels
 * (`environment=prod,region in (eu-west,us-east),!canary`), or a cell's id.
 * @throws ValidationFailed for a selector that cannot be read, or that no cell fulfils.
 */
export function selectCells(cells: readonly FleetCell[], selector: string): FleetCell[] {
  const named = cells.filter(({ id }) => id === selector);
  if (named.length > 0) return named;
  const parsed = parseSelector(selector);
  const found = cells.filter(({ labels }) => selects(parsed, labels));
  if (found.length > 0) return found;
  const similar = nearest(
    selector,
    cells.map(({ id }) => id),
  );
  throw new ValidationFailed({
    what: `the selector ${selector} selects no cell`,
    fix:
      similar === undefined
        ? "see the cells with `clawfleet stacks list`; they have the labels environment, region, cluster, tenant, and those of fleet.yaml"
        : `did you mean ${similar}?`,
  });
}

/**
 * Reads kubectl's syntax of label selectors.
 * @throws ValidationFailed
 */
export function parseSelector(text: string): LabelSelector {
  const matchExpressions = split(text).map((part) => {
    const equality = EQUALITY.exec(part)?.groups;
    if (equality !== undefined) {
      const { key = "", operator, value = "" } = equality;
      return { key, operator: operator === "!=" ? ("NotIn" as const) : ("In" as const), values: [value] };
    }
    const membership = MEMBERSHIP.exec(part)?.groups;
    if (membership !== undefined) {
      const { key = "", operator, values = "" } = membership;
      const list = values.split(",").map((value) => value.trim());
      return { key, operator: operator === "in" ? ("In" as const) : ("NotIn" as const), values: list };
    }
    const existence = EXISTENCE.exec(part)?.groups;
    if (existence !== undefined) {
      const { key = "", not } = existence;
      return { key, operator: not === "!" ? ("DoesNotExist" as const) : ("Exists" as const) };
    }
    throw new ValidationFailed({
      what: `the selector ${text} cannot be read at "${part}"`,
      fix: "write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, with commas between them",
    });
  });
  return { matchExpressions };
}

/** At commas that are not in parentheses. */
function split(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}
