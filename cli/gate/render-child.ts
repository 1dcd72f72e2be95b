import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { RenderedObject } from "../../stacks/render";

/** What one process renders. */
export interface RenderTasks {
  /** The project whose code does it. */
  root: string;
  /** What to render, each under a key of its own in the results. */
  stacks: { key: string; stack: string; configFile: string }[];
  /** Where the results go. */
  out: string;
}

/** The objects of a stack, or why there are none. */
export type Rendering = { objects: RenderedObject[] } | { error: string };

/** Renders the stacks one after the other: Pulumi's runtime has one program in a process at a time. */
async function main({ root, stacks, out }: RenderTasks): Promise<void> {
  const load = createRequire(join(root, "package.json"));
  load("./stacks/load-when-used.js");
  // Pulumi takes a stack trace with every promise and resource, and nobody reads one here.
  Error.stackTraceLimit = 0;
  // No engine takes what is registered: it need not be made a message, and a plain value of that again.
  const { Struct } = load("google-protobuf/google/protobuf/struct_pb") as {
    Struct: { new (): object; fromJavaScript: (value: object) => object };
  };
  Struct.fromJavaScript = (value) => Object.assign(new Struct(), { toJavaScript: () => value });
  const { render } = load("./dist/stacks/render.js") as {
    render: (stack: string, file: string) => Promise<RenderedObject[]>;
  };
  const results: Record<string, Rendering> = {};
  for (const { key, stack, configFile } of stacks) {
    results[key] = await render(stack, configFile).then(
      (objects) => ({ objects }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
  }
  writeFileSync(out, JSON.stringify(results), { mode: 0o600 });
}

main(JSON.parse(process.argv[2] ?? "") as RenderTasks).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
