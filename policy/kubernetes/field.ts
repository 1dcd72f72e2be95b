import {
  UnknownValueError,
  type PolicyResource,
  type ReportViolation,
  type ResourceValidationArgs,
  type StackValidationArgs,
} from "@pulumi/policy";

/** What is wrong with a field's value, each with its fix; never the value itself, which may be a secret. */
export type Problems = string[];

/** What a place holds; or, where that is not known yet, the place from which on it is not. */
type Look = { value: unknown } | { unknown: Field; error: Error };

/**
 * A place in a resource's properties. Each is read by itself: Pulumi throws at the first property that only the update
 * will know, and would so hide the violations beside it.
 */
export class Field {
  // Policies come by the same places again and again, and Pulumi's properties are proxies, which are slow.
  private children: Map<string | number, Field> | undefined;
  private looked: Look | undefined;

  private constructor(
    private readonly inspection: Inspection,
    /** The last part of the path; empty for the resource itself. */
    readonly name: string | number,
    private readonly parent: Field | undefined,
    root?: object,
  ) {
    if (root !== undefined) this.looked = { value: root };
  }

  /** The properties of a resource. */
  static root(inspection: Inspection, properties: object): Field {
    return new Field(inspection, "", undefined, properties);
  }

  /** For example `spec.containers[0].image`. */
  get path(): string {
    return this.suffix().replace(/^\./, "");
  }

  /** Annotation and label names have dots of their own, so they stand in brackets. */
  private suffix(): string {
    if (this.parent === undefined) return "";
    const { name } = this;
    const own =
      typeof name === "number" ? `[${String(name)}]` : /^[\w-]+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
    return this.parent.suffix() + own;
  }

  /** A field below this one. */
  at(...keys: (string | number)[]): Field {
    return keys.reduce<Field>((field, key) => field.child(key), this);
  }

  /** A field of the same object. */
  beside(name: string): Field | undefined {
    return this.parent?.at(name);
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
    const look = this.look();
    if ("value" in look) return look;
    this.inspection.undecided(look.unknown.path, look.error);
    return undefined;
  }

  /** The value of a field below this one, where nothing depends on it: undefined when it is absent or not known. */
  peek(...keys: (string | number)[]): unknown {
    const look = this.at(...keys).look();
    return "value" in look ? look.value : undefined;
  }

  /** This object and every one in it, as far as they are known, in their order. */
  objects(): Field[] {
    const value = this.peek();
    if (typeof value !== "object" || value === null) return [];
    const list = Array.isArray(value);
    const keys = list ? Array.from({ length: value.length }, (_, index) => index) : Object.keys(value);
    const inside = keys.flatMap((key) => this.at(key).objects());
    return list ? inside : [this, ...inside];
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

  private child(key: string | number): Field {
    this.children ??= new Map();
    let child = this.children.get(key);
    if (child === undefined) this.children.set(key, (child = new Field(this.inspection, key, this)));
    return child;
  }

  private look(): Look {
    return (this.looked ??= this.parent?.lookInto(this) ?? { value: undefined });
  }

  private lookInto(child: Field): Look {
    const own = this.look();
    if (!("value" in own)) return own;
    if (typeof own.value !== "object" || own.value === null) return { value: undefined };
    try {
      return { value: (own.value as Record<string | number, unknown>)[child.name] ?? undefined };
    } catch (error) {
      if (!isUnknown(error)) throw error;
      return { unknown: child, error };
    }
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
  args: Pick<ResourceValidationArgs, "props" | "urn">,
  report: ReportViolation,
  policy: (resource: Field) => void,
): void {
  const inspection = new Inspection(report);
  policy(Field.root(inspection, args.props));
  finish([...inspection.unknown].map(([path, error]) => ({ urn: args.urn, path, said: path, error })));
}

/** A resource among all those of a stack. */
export interface StackResource extends Pick<PolicyResource, "type" | "name" | "urn"> {
  /** As it is, or in a preview will be: a cluster adds its defaults to what the program says. */
  properties: Field;
  /** As the program says it. */
  inputs: Field;
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
    const properties = Field.root(inspection, props);
    // The provider keeps the inputs in there; one that only writes files has nothing to add to them.
    const kept = properties.peek(INPUTS);
    const inputs = typeof kept === "object" && kept !== null ? Field.root(inspection, kept) : properties;
    return { type, name, urn, inspection, properties, inputs };
  });
  policy(inspected);
  finish(
    inspected.flatMap(({ urn, name, inspection }) =>
      [...inspection.unknown].map(([path, error]) => ({ urn, path, said: `${name} ${path}`, error })),
    ),
  );
}

const INPUTS = "__inputs";

/** A field that a policy could not look at. */
interface Undecided {
  urn: string;
  path: string;
  /** How a message names it. */
  said: string;
  error: Error;
}

/** What the policies of this process could not look at so far. */
let undecided: Undecided[] = [];

/** Pulumi shows an UnknownValueError as an advisory: the update, which knows the value, decides. */
function finish(unknown: Undecided[]): void {
  undecided.push(...unknown);
  const [first] = unknown;
  if (first === undefined) return;
  first.error.message = `${counted(unknown.length, "field")} not decidable in preview: ${unknown.map(({ said }) => said).join(", ")}`;
  throw first.error;
}

/**
 * Says how much of a stack could not be decided, once all policies have looked at it.
 * @throws UnknownValueError with the number of fields and of resources, each counted once; nothing when all was known.
 */
export function finishStack(): void {
  const [first] = undecided;
  const fields = new Set(undecided.map(({ urn, path }) => `${urn} ${path}`)).size;
  const resources = new Set(undecided.map(({ urn }) => urn)).size;
  undecided = [];
  if (first === undefined) return;
  first.error.message = `${counted(fields, "field")} of ${counted(resources, "resource")} not decidable in preview; the update decides`;
  throw first.error;
}

function counted(count: number, what: string): string {
  return `${String(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** Pulumi exports the class without its type. */
function isUnknown(error: unknown): error is Error {
  return error instanceof UnknownValueError;
}
