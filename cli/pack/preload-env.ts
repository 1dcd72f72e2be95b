import { join } from "node:path";

/** The variables that have every process of Node that Pulumi starts preload what `preload.ts` says. */
export function preloadEnv(env: NodeJS.ProcessEnv = process.env): { NODE_OPTIONS: string } {
  const preload = `--require ${JSON.stringify(join(__dirname, "preload.js"))}`;
  return { NODE_OPTIONS: [env.NODE_OPTIONS, preload].filter(Boolean).join(" ") };
}
