import { setFlagsFromString } from "node:v8";

/** Milliseconds. */
const SHORT_RUN = 10_000;

/**
 * Keeps V8's optimizing compiler off for the first seconds. Most previews are over, and their policies with them, before it has
 * paid for itself: a tenth of a program's processor time, a third of the policies'.
 */
export function optimizeLater(): void {
  setFlagsFromString("--no-opt");
  setTimeout(() => {
    setFlagsFromString("--opt");
  }, SHORT_RUN).unref();
}
