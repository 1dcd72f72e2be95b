import {
  UnknownValueError,
  type PolicyResource,
  type ReportViolation,
  type ResourceValidationArgs,
  type StackValidationArgs,
} from "@pulumi/policy";

/** What is wrong with a field's value, each with its fix; never the value itself, which may be a secret. */
export type Problems = string[];

/**
 * A place in a resource's properties. Each is read by itself: Pulumi throws at the first property that only the update
 * will know, and would so hide the violations beside it.
 */
export class Field {
  constructor(
    private readonly inspection: Inspection,
    private readonly root: object,
    private readonly keys: readonly (string | number)[],
  ) {}

  /** For example `spec.containers[0].image`. */
  get path(): string {
    return pathOf(this.keys);
  }

  /** A field below this one. */
  at(...keys: (string | number)[]): Field {
    return new Field(this.inspection, this.root, [...this.keys, ...keys]);
  }

  /** The fields of an object; none when it is absent or not known. */
  entries(): [name: string, field: Field][] {
    const value = this.read()?.value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
    return Object.keys(value).map((key) => [key, this.at(key)]);
  }

  /** The elements of a list; none when it is absent or not known. */
  items(): Field[] {
    const value = this.read()?.value;
    // By its length alone: to touch the elements is to throw at the first that is not known.
    return Array.isArray(value) ? Array.from({ length: value.length }, (_, index) => this.at(index)) : [];
  }

  /**
   * The field's value.
   * @returns undefined when it is not known yet, which is then reported; `{ value: undefined }` when the field is absent.
   */
  read(): { value: unknown } | undefined {
    let value: unknown = this.root;
    for (const [index, key] of this.keys.entries()) {
      if (typeof value !== "object" || value === null) return { value: undefined };
      try {
        value = (value as Record<string | number, unknown>)[key];
      } catch (error) {
        if (!isUnknown(error)) throw error;
        this.inspection.undecided(pathOf(this.keys.slice(0, index + 1)), error);
        return undefined;
      }
    }
    return { value: value ?? undefined };
  }

  /** Reports what a check finds wrong with the value, as soon as that is known. */
  check(problemsOf: (value: unknown) => Problems): void {
    const known = this.read();
    if (known !== undefined) for (const problem of problemsOf(known.value)) this.violation(problem);
  }

  /** Reports a violation at this place. */
  violation(problem: string): void {
    this.inspection.report(`${this.path}: ${problem}`);
  }
}

/** One policy's look at one resource. */
class Inspection {
  readonly unknown = new Map<string, Error>();

  constructor(readonly report: (message: string) => void) {}

  undecided(path: string, error: Error): void {
    this.unknown.set(path, error);
  }
}

/**
 * Inspects the inputs of a resource, field by field.
 * @throws UnknownValueError naming every field that was not known, after all violations were reported.
 */
export function inspect(
  args: Pick<ResourceValidationArgs, "props">,
  report: ReportViolation,
  policy: (resource: Field) => void,
): void {
  const inspection = new Inspection(report);
  policy(new Field(inspection, args.props, []));
  finish([...inspection.unknown]);
}

/** A resource among all those of a stack. */
export interface StackResource extends Pick<PolicyResource, "type" | "name" | "urn"> {
  properties: Field;
}

/**
 * Inspects the resources of a stack together, field by field.
 * @throws UnknownValueError naming every field that was not known, after all violations were reported.
 */
export function inspectStack(
  args: Pick<StackValidationArgs, "resources">,
  report: ReportViolation,
  policy: (resources: StackResource[]) => void,
): void {
  const inspected = args.resources.map(({ type, name, urn, props }) => {
    const inspection = new Inspection((message) => {
      report(message, urn);
    });
    return { type, name, urn, inspection, properties: new Field(inspection, props, []) };
  });
  policy(inspected);
  finish(
    inspected.flatMap(({ name, inspection }) =>
      [...inspection.unknown].map<[string, Error]>(([path, error]) => [`${name} ${path}`, error]),
    ),
  );
}

/** Pulumi shows an UnknownValueError as an advisory: the update, which knows the value, decides. */
function finish(unknown: [path: string, error: Error][]): void {
  const [first] = unknown;
  if (first === undefined) return;
  const [, error] = first;
  const count = unknown.length === 1 ? "1 field" : `${String(unknown.length)} fields`;
  error.message = `${count} not decidable in preview: ${unknown.map(([path]) => path).join(", ")}`;
  throw error;
}

/** Pulumi exports the class without its type. */
function isUnknown(error: unknown): error is Error {
  return error instanceof UnknownValueError;
}

/** Annotation and label names have dots of their own, so they stand in brackets. */
function pathOf(keys: readonly (string | number)[]): string {
  return keys
    .map((key) =>
      typeof key === "number" ? `[${String(key)}]` : /^[\w-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`,
    )
    .join("")
    .replace(/^\./, "");
}
