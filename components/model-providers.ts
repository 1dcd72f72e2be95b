import { isIP } from "node:net";
import { ValidationFailed } from "./errors";
import type { ModelOptions } from "./model-proxy-options";

/**
 * The API host of each provider that one key and one host are all there is to, by LiteLLM's name for it. The contract
 * test asks LiteLLM itself.
 */
export const PROVIDER_HOSTS: Record<string, string> = {
  anthropic: "api.anthropic.com",
  cerebras: "api.cerebras.ai",
  cohere: "api.cohere.ai",
  deepseek: "api.deepseek.com",
  fireworks_ai: "api.fireworks.ai",
  gemini: "generativelanguage.googleapis.com",
  groq: "api.groq.com",
  mistral: "api.mistral.ai",
  nvidia_nim: "integrate.api.nvidia.com",
  openai: "api.openai.com",
  openrouter: "openrouter.ai",
  perplexity: "api.perplexity.ai",
  together_ai: "api.together.ai",
  voyage: "api.voyageai.com",
  xai: "api.x.ai",
};

/** The provider of a model, as LiteLLM names it. */
export function providerOf({ model }: ModelOptions): string {
  return model.split("/")[0] ?? "";
}

/**
 * The host that a model's requests go to.
 * @param where the model's option, for messages.
 * @throws ValidationFailed for a provider whose host is not known, and for a malformed apiBase.
 */
export function modelHost(options: ModelOptions, where: string): string {
  if (options.apiBase !== undefined) return apiBaseHost(options.apiBase, `${where}.apiBase`);
  const provider = providerOf(options);
  const host = PROVIDER_HOSTS[provider];
  if (host === undefined || !/^[^/\s]+\/\S+$/.test(options.model)) {
    throw new ValidationFailed({
      what: `${JSON.stringify(options.model)} names no provider whose API host is known: ${Object.keys(PROVIDER_HOSTS).join(", ")}`,
      where: `${where}.model`,
      fix: `write it as <provider>/<model>, and give ${where}.apiBase for another provider`,
    });
  }
  return host;
}

function apiBaseHost(apiBase: string, where: string): string {
  let url: URL | undefined;
  try {
    url = new URL(apiBase);
  } catch {
    // reported below
  }
  // The key would travel in clear over http, and the URL may hold one: it is not repeated.
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && isPrivateHost(url.hostname));
  if (url === undefined || !secure || url.username !== "" || url.password !== "") {
    throw new ValidationFailed({
      what: "apiBase is no https URL without credentials, nor an http URL on a private name",
      where,
      fix: "write it like https://api.example.com/v1, or http://vllm.models.svc:8000/v1",
    });
  }
  return url.hostname;
}

/** A name or address that only exists within a network: it is reached directly, never through the forward proxy. */
export function isPrivateHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "");
  if (isIP(name) !== 0) return true;
  return !name.includes(".") || /\.(svc|cluster\.local|local|internal|lan)$/.test(name);
}

/**
 * The host names that the forward proxy has to let the model proxy through to.
 * @throws ValidationFailed for a model whose host is not known.
 */
export function modelHosts(models: Record<string, ModelOptions>): { public: string[]; private: string[] } {
  const hosts = Object.entries(models).map(([name, options]) => modelHost(options, `modelProxy.models.${name}`));
  const unique = [...new Set(hosts)].sort();
  return { public: unique.filter((host) => !isPrivateHost(host)), private: unique.filter(isPrivateHost) };
}
