/** What well-known credentials look like. */
const SHAPES = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\b(AKIA|ASIA)[0-9A-Z]{16}\b/, // AWS
  /\bgh[opsur]_[A-Za-z0-9]{30,}/, // GitHub
  /\bgithub_pat_\w{30,}/,
  /\bglpat-[\w-]{20,}/, // GitLab
  /\bnpm_[A-Za-z0-9]{30,}/,
  /\bhf_[A-Za-z0-9]{30,}/, // Hugging Face
  /\bxox[abeprs]-[\w-]{10,}/, // Slack
  /\bxapp-\d-[\w-]{10,}/,
  /\bsk-[\w-]{20,}/, // OpenAI, Anthropic, LiteLLM
  /\b[rs]k_live_[A-Za-z0-9]{16,}/, // Stripe
  /\bAIza[\w-]{35}/, // Google
  /\btskey-[a-z]+-[\w-]{10,}/, // Tailscale
  /\b\d{8,10}:[A-Za-z][\w-]{34}\b/, // Telegram
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/, // JSON Web Token
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"'$<{(]*:[^\s/@"'$<{(]{3,}@/i, // a URL with a password
  /\bBearer [A-Za-z0-9._~+/-]{16,}/,
];

/** What the names of variables and keys end in that hold credentials. */
const SECRET_NAME =
  /(password|passwd|passphrase|secret|token|credentials?|(api|access|auth|private|signing|encryption|master|secret)[_-]?key)$/i;

/** Whether a text has in it what looks like a credential of a well-known kind. */
export function hasCredential(text: string): boolean {
  return SHAPES.some((shape) => shape.test(text));
}

/** Whether a name is one that credentials have. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Whether the value of something with such a name is the credential itself, and no reference to one. */
export function isLiteralSecret(value: string): boolean {
  const text = value.trim().replace(/^(["'])(.*)\1$/, "$2");
  return !(
    text.length < 4 ||
    /[$]|\{\{|^(file:|env:|\/|\.\/)|^<.*>$/.test(text) || // a variable, a template, a file, a placeholder
    /^(true|false|null|none|yes|no|on|off|[\d.]+|\*+)$/i.test(text) ||
    /^https?:\/\/[^@]*$/.test(text)
  );
}

/**
 * Finds credentials in the text of a file: by their shapes, and by names that credentials have.
 * @returns where, in words, without any of the text; empty when there are none.
 */
export function credentialsIn(text: string, isSecret = isSecretName): string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return credentialsInLines(text, isSecret);
  }
  return typeof parsed === "object" ? credentialsInJson(parsed, "", "", isSecret) : credentialsInLines(text, isSecret);
}

type IsSecret = (name: string) => boolean;

function credentialsInJson(value: unknown, path: string, name: string, isSecret: IsSecret): string[] {
  if (typeof value === "string") {
    const named = isSecret(name) && isLiteralSecret(value);
    return named || hasCredential(value) ? [`at ${path === "" ? "its root" : path}`] : [];
  }
  if (typeof value !== "object" || value === null) return [];
  const at = (key: string) => (Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`);
  return Object.entries(value).flatMap(([key, item]) =>
    credentialsInJson(item, at(key), Array.isArray(value) ? name : key, isSecret),
  );
}

/** A name and a value, as YAML, TOML, INI files and shell scripts write them. */
const ASSIGNMENT = /^\s*(?:-\s+|export\s+)?["']?([\w.-]+)["']?\s*[:=]\s*("[^"]*"|'[^']*'|[^\s#,;]+)[\s,;]*$/;

function credentialsInLines(text: string, isSecret: IsSecret): string[] {
  return text.split("\n").flatMap((line, index) => {
    const [, name = "", value = ""] = ASSIGNMENT.exec(line) ?? [];
    // Of a value in code it is not said whether it is a literal, unless it looks random.
    const literal = isSecret(name) && isLiteralSecret(value) && /\d/.test(value) && /[a-z]/i.test(value);
    const inCode = /[()[\]|&]/.test(value);
    return (literal && !inCode) || hasCredential(line) ? [`in line ${String(index + 1)}`] : [];
  });
}
