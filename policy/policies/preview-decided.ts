import { finishStack } from "../kubernetes/field";
import type { StackPolicy } from "../kubernetes/policy";

/** The last of the pack: it counts what the others could not look at. */
export const previewDecided: StackPolicy = {
  name: "preview-decided",
  description: "Says how many fields of how many resources a preview could not decide about; always an advisory.",
  why: "A preview without findings says little about a program of which it knows little.",
  severity: "low",
  remediationSteps:
    "Nothing: the update, which knows the values, decides. Fewer are unknown where names are given by the program.",
  url: "https://www.pulumi.com/docs/iac/crossguard/core-concepts/",
  validateStack: finishStack,
};
