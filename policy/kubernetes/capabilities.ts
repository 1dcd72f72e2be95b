import type { Field } from "./field";

/** Whether a container's capabilities are dropped, all of them; undefined when that is not known. */
export function dropsAll(capabilities: Field): boolean | undefined {
  const drop = capabilities.at("drop");
  const dropped = drop.items().map((item) => item.read());
  if (dropped.some((item) => item?.value === "ALL")) return true;
  // With one that is not known, it may be that one.
  return drop.read() === undefined || dropped.includes(undefined) ? undefined : false;
}
