import type { Field } from "./field";

/**
 * Whether a label selector selects something with these labels.
 * @returns undefined when either is not known.
 */
export function selects(selector: Field, labels: Field): boolean | undefined {
  const expressions = selector.at("matchExpressions").items();
  const requirements = [
    ...selector
      .at("matchLabels")
      .entries()
      .map(([name, wanted]) => equal(wanted, labels.at(name))),
    ...expressions.map((expression) => meets(expression, labels)),
  ];
  if (requirements.includes(false)) return false;
  const lists = ["matchLabels", "matchExpressions"].map((list) => selector.at(list).read());
  return requirements.includes(undefined) || lists.includes(undefined) ? undefined : true;
}

function equal(wanted: Field, label: Field): boolean | undefined {
  const [left, right] = [wanted.read(), label.read()];
  return left === undefined || right === undefined ? undefined : left.value === right.value;
}

function meets(expression: Field, labels: Field): boolean | undefined {
  const [key, operator] = [expression.at("key").read(), expression.at("operator").read()];
  if (key === undefined || operator === undefined) return undefined;
  const label = labels.at(String(key.value)).read();
  if (label === undefined) return undefined;
  const values = expression
    .at("values")
    .items()
    .map((value) => value.read()?.value);
  switch (operator.value) {
    case "In":
      return values.includes(label.value);
    case "NotIn":
      return !values.includes(label.value);
    case "Exists":
      return label.value !== undefined;
    default:
      return label.value === undefined;
  }
}
