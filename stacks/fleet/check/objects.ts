import { formatPath } from "../merge";
import type { RenderedObject } from "../../render";
import { isStateful, type Change } from "./changes";

/**
 * What differs between the objects that the base and the head of a change render. Whether an update replaces an object is
 * for Pulumi's provider to say, and so left undecided.
 */
export function compareObjects(base: readonly RenderedObject[], head: readonly RenderedObject[]): Change[] {
  const [before, after] = [base, head].map((objects) => new Map(objects.map((object) => [keyOf(object), object]))) as [
    Map<string, RenderedObject>,
    Map<string, RenderedObject>,
  ];
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((key) => {
    const [was, is] = [before.get(key), after.get(key)];
    const object = is ?? was;
    if (object === undefined) return [];
    const paths = was === undefined || is === undefined ? [] : differingPaths(was.manifest, is.manifest);
    if (was !== undefined && is !== undefined && paths.length === 0) return [];
    const { apiVersion, kind, metadata } = object.manifest;
    const type = `kubernetes:${apiVersion === "v1" ? "core/v1" : apiVersion}:${kind}`;
    const op = was === undefined ? "create" : is === undefined ? "delete" : "update";
    return {
      type,
      name: metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`,
      op,
      stateful: isStateful(type),
      retained: false,
      paths,
      replacePaths: [],
      ...(op === "update" && { replacement: "undecided" as const }),
    };
  });
}

/** An object's identity on its cluster; its version is none of it. */
function keyOf({ cluster, manifest: { apiVersion, kind, metadata } }: RenderedObject): string {
  const group = apiVersion.includes("/") ? apiVersion.replace(/\/.*$/, "") : "";
  return [cluster, metadata.namespace ?? "", group, kind, metadata.name].join("/");
}

/** The paths of the values that differ; of a value that is there in one alone, its own path. */
export function differingPaths(before: unknown, after: unknown, path: PropertyKey[] = []): string[] {
  if (Array.isArray(before) && Array.isArray(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }).flatMap((_, index) =>
      differingPaths(before[index], after[index], [...path, index]),
    );
  }
  if (isObject(before) && isObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .sort()
      .flatMap((key) => differingPaths(before[key], after[key], [...path, key]));
  }
  return before === after ? [] : [formatPath(path)];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
