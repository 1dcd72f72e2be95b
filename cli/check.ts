import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import {
  AuthExpired,
  Conflict,
  FleetError,
  NotFound,
  PolicyViolation,
  Unreachable,
  ValidationFailed,
} from "../components/errors";
import { markdownOf } from "../stacks/fleet/check/markdown";
import { counted, verdictOf, type Report } from "../stacks/fleet/check/report";
import { sarifOf } from "../stacks/fleet/check/sarif";
import { tableOf } from "../stacks/fleet/check/table";
import { folderInUse } from "./fleet-files";
import { runGate } from "./gate/gate";

/** The forms that a report can have. */
export const CHECK_FORMATS = ["table", "json", "sarif", "markdown"] as const;
export type CheckFormat = (typeof CHECK_FORMATS)[number];

/** The options of `clawfleet check`, as the command line has them. */
export interface CheckOptions {
  changedSince?: string;
  stack?: string[];
  base?: string;
  baseCheckpoint?: string;
  withClusters?: boolean;
  concurrency?: string;
  format: string;
  out?: string;
  from?: string;
  folder?: string;
  json?: boolean;
}

/**
 * Checks the stacks that a change touches and prints the report.
 * @throws PolicyViolation for mandatory findings; Unreachable when a cluster or backend that was asked for does not answer;
 * ValidationFailed for what is wrong in the options or the fleet, and when a stack has no preview.
 */
export async function check(options: CheckOptions, signal: AbortSignal): Promise<void> {
  const format = options.json === true ? "json" : oneOf("--format", options.format, CHECK_FORMATS);
  const report = options.from === undefined ? await freshReport(options, signal) : readReport(options.from);
  const colour = options.out === undefined && process.stdout.isTTY && process.env.NO_COLOR === undefined;
  const text = formatted(report, format, colour);
  if (options.out === undefined) process.stdout.write(text);
  else writeFileSync(options.out, text);
  // A report that is shown once more has been judged already.
  if (options.from === undefined) judge(report);
}

function freshReport(options: CheckOptions, signal: AbortSignal): Promise<Report> {
  if (options.base !== undefined) oneOf("--base", options.base, ["cluster"]);
  if (options.base === "cluster" && options.changedSince === undefined)
    throw new ValidationFailed({
      what: "which revision is to be applied is not said",
      where: "--base cluster",
      fix: "name it with --changed-since",
    });
  return runGate(
    {
      folder: resolve(options.folder ?? folderInUse()),
      stacks: options.stack ?? [],
      baseOnClusters: options.base === "cluster",
      withClusters: options.withClusters ?? false,
      concurrency: parseConcurrency(options.concurrency),
      ...(options.changedSince !== undefined && { changedSince: options.changedSince }),
      ...(options.baseCheckpoint !== undefined && { baseCheckpoint: options.baseCheckpoint }),
    },
    (line) => void process.stderr.write(`${line}\n`),
    signal,
  );
}

function parseConcurrency(value: string | undefined): number {
  if (value === undefined) return availableParallelism();
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new ValidationFailed({
    what: `${value} is no number of previews`,
    where: "--concurrency",
    fix: "use 1 or more",
  });
}

function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((name) => name === value);
  if (found !== undefined) return found;
  throw new ValidationFailed({ what: `there is no ${value}`, where: option, fix: `use one of: ${known.join(", ")}` });
}

function readReport(file: string): Report {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    if (Array.isArray(report.stacks)) return report;
  } catch {
    // told below
  }
  throw new ValidationFailed({ what: "is no report", where: file, fix: "write one with `clawfleet check --json`" });
}

/** A report in one of its forms, with a newline at its end; a table in colour where asked for. */
export function formatted(report: Report, format: CheckFormat, colour = false): string {
  switch (format) {
    case "table":
      return tableOf(report, colour);
    case "json":
      return `${JSON.stringify({ ...report, verdict: verdictOf(report.stacks) }, null, 2)}\n`;
    case "sarif":
      return `${JSON.stringify(sarifOf(report), null, 2)}\n`;
    case "markdown":
      return markdownOf(report);
  }
}

/** Classes that a stack's failure keeps, the gravest first. */
const FAILURES = [Unreachable, AuthExpired, Conflict, NotFound, ValidationFailed] as const;

/** @throws what the report comes to, when that is not a pass. */
export function judge({ stacks }: Report): void {
  const failed = stacks.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0) {
    const type = FAILURES.find(({ name }) => failed.some(({ failure }) => failure?.class === name)) ?? FleetError;
    throw new type({
      what: `${counted(failed.length, "stack")} could not be checked: ${failed.map(({ stack }) => stack).join(", ")}`,
      fix: "correct what the report says of each",
    });
  }
  const { mandatory } = verdictOf(stacks);
  if (mandatory > 0)
    throw new PolicyViolation({
      what: `${counted(mandatory, "finding")} of mandatory policies`,
      fix: "correct what the report names, or have an exemption approved",
    });
}
