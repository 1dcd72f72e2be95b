/** HTML that is meant as such. */
export class Markup {
  constructor(readonly html: string) {}
}

type Value = string | number | Markup | Markup[] | undefined;

/** HTML of a template: what is put in is text, and escaped, unless it is Markup itself. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Markup {
  return new Markup(strings.reduce((before, text, index) => `${before}${inHtml(values[index - 1])}${text}`));
}

function inHtml(value: Value): string {
  if (value instanceof Markup) return value.html;
  if (Array.isArray(value)) return value.map((item) => item.html).join("\n");
  return escapeHtml(String(value ?? ""));
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text as it stands in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
