import { execFile } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseDocument } from "yaml";
import { projectRoot } from "../../cli/workspace";
import { mergedKubeconfig } from "../../engine/clusters";
import type { Outcome, Step, TestFleet } from "./fleet";

const execute = promisify(execFile);

/**
 * A project as the example's README has it: its files are in `stacks/`, and all that works on it is plain Pulumi. Its
 * contexts are found in $KUBECONFIG.
 */
export class ExampleProject {
  /** Everything that Pulumi printed but what was asked for in clear. */
  readonly transcript: string[] = [];
  readonly folder: string;
  /** The folder of fleet.yaml. */
  readonly stacks: string;

  constructor(
    readonly fleet: TestFleet,
    example: string,
  ) {
    this.folder = join(fleet.folder, "project");
    this.stacks = join(this.folder, "stacks");
    mkdirSync(this.folder);
    cpSync(join(projectRoot, "examples", example), this.stacks, { recursive: true });
    for (const file of ["Pulumi.yaml", "package.json"]) cpSync(join(projectRoot, file), join(this.folder, file));
    symlinkSync(join(projectRoot, "node_modules"), join(this.folder, "node_modules"));
    symlinkSync(join(projectRoot, "stacks", "entry.js"), join(this.stacks, "entry.js"));
  }

  /** Changes a file of the fleet as a user would: comments stay. */
  edit(file: string, change: (document: ReturnType<typeof parseDocument>) => void): void {
    const document = parseDocument(readFileSync(join(this.stacks, file), "utf8"));
    change(document);
    writeFileSync(join(this.stacks, file), document.toString());
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.stacks, file), text);
  }

  append(file: string, text: string): void {
    appendFileSync(join(this.stacks, file), text);
  }

  /** Runs Pulumi in the project. */
  async run(args: string[], options: { cwd?: string; secret?: boolean } = {}): Promise<Outcome> {
    const outcome = await execute(this.fleet.pulumi.cli, [...args, "--non-interactive"], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.fleet.pulumi.env, KUBECONFIG: mergedKubeconfig(this.fleet.folder) },
      maxBuffer: 64 * 2 ** 20,
      timeout: 300_000,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      (error: { code?: number; stdout?: string; stderr?: string }) => ({
        code: error.code ?? 1,
        output: `${error.stdout ?? ""}${error.stderr ?? ""}`,
      }),
    );
    if (options.secret !== true) this.transcript.push(outcome.output);
    return outcome;
  }

  /** Runs Pulumi and expects it to succeed. */
  async pulumi(...args: string[]): Promise<string> {
    const { code, output } = await this.run(args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${String(code)}:\n${output}`);
    return output;
  }

  /** A preview's steps but `same`. A component has no life of its own, but may come and go. */
  async changes(stack: string, ...args: string[]): Promise<string[]> {
    const output = await this.pulumi("preview", "--json", "-s", stack, ...args);
    const { steps = [] } = JSON.parse(output.slice(output.indexOf("{"))) as { steps?: Step[] };
    return steps.flatMap(({ op, urn }) => (op === "same" ? [] : [`${op} ${urn.split("::").slice(2).join(" ")}`]));
  }

  /** A stack's state; with `clear`, its secrets are, too, and it is up to the caller not to print it. */
  async state(stack: string, clear = false): Promise<State> {
    const args = ["stack", "export", "-s", stack, ...(clear ? ["--show-secrets"] : [])];
    const { output } = await this.run(args, { secret: true });
    return (JSON.parse(output) as { deployment: State }).deployment;
  }
}

/** A stack's state, as far as the tests look. */
export interface State {
  secrets_providers: { type: string; state: { salt: string } };
  resources: { urn: string; type: string; id?: string; inputs?: Record<string, unknown>; outputs?: object }[];
}
